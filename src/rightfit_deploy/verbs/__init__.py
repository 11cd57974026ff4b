"""Verbs of operation, which need no project."""
