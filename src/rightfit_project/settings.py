"""Kedro's settings of the repository's own project."""

from rightfit.kedro_project.config_loader import CONFIG_LOADER_ARGS, ExplainingConfigLoader
from rightfit.kedro_project.hooks import rightfit_hooks
from rightfit.kedro_project.run import RightfitSession

CONFIG_LOADER_CLASS = ExplainingConfigLoader
SESSION_CLASS = RightfitSession
HOOKS = rightfit_hooks()

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS", "SESSION_CLASS"]
