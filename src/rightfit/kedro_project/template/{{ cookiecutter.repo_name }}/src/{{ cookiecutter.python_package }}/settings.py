"""Kedro's project settings."""

from rightfit.kedro_project.config_loader import CONFIG_LOADER_ARGS, ExplainingConfigLoader
from rightfit.kedro_project.hooks import rightfit_hooks
from rightfit.kedro_project.run import RightfitSession

CONFIG_LOADER_CLASS = ExplainingConfigLoader
SESSION_CLASS = RightfitSession
HOOKS = (*rightfit_hooks(),)  # your own beside them

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS", "SESSION_CLASS"]
