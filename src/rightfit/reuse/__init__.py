"""Unchanged steps are left out of a run: their results are stored already."""
