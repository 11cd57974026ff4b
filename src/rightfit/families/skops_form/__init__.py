"""Weights in skops' form: which states are let in, and the arrays of their trees."""
