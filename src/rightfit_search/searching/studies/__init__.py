"""Stored searches: the database, the trials that workers share, and what a search has spent."""
