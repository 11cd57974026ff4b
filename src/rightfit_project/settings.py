"""Kedro's settings of the repository's own project."""

from rightfit_kedro.config_loader import CONFIG_LOADER_ARGS, ExplainingConfigLoader
from rightfit_kedro.hooks import rightfit_hooks
from rightfit_kedro.run import RightfitSession

CONFIG_LOADER_CLASS = ExplainingConfigLoader
SESSION_CLASS = RightfitSession
HOOKS = rightfit_hooks()

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS", "SESSION_CLASS"]
