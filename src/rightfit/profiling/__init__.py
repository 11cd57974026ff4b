"""Measuring what serving a model costs, in a fresh process."""
