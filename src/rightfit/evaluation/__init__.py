"""Candidates of a dataset measured: for pipelines and from Python."""
