"""Cascades: a cheap model answers when it is sure, an expensive one otherwise."""
