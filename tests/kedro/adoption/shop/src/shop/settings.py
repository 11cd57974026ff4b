"""Project settings."""

from shop.hooks import CountNodes

HOOKS = (CountNodes(),)
