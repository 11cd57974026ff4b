"""Breadth first: trials are paused at looks, and what promises most per CPU second goes on."""
