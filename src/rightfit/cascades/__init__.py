"""Cascades: a cheap model answers when it is sure, a dear one otherwise."""
