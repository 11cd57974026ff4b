"""Kedro's settings of the repository's own project."""

from rightfit.conf_files import ExplainingConfigLoader
from rightfit.configuration import CONFIG_LOADER_ARGS
from rightfit.hooks import rightfit_hooks

CONFIG_LOADER_CLASS = ExplainingConfigLoader
HOOKS = rightfit_hooks()

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS"]
