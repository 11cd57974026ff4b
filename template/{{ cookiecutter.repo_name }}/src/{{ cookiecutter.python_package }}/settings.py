"""Kedro's project settings."""

from rightfit.configuration import CONFIG_LOADER_ARGS
from rightfit.hooks import rightfit_hooks

HOOKS = (*rightfit_hooks(),)  # your own beside them

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]
