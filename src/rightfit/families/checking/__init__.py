"""Trying a family on a small table before a search relies on it."""
