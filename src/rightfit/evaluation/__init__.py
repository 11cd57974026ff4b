"""Candidates of a dataset measured, and its winners refitted: for pipelines and from Python."""
