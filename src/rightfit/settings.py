"""Kedro's settings of the repository's own project."""

import os

from rightfit.conf_files import ExplainingConfigLoader
from rightfit.configuration import CONFIG_LOADER_ARGS
from rightfit.hooks import rightfit_hooks

# MLflow sends usage figures to its makers unless this is set before it is imported
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

CONFIG_LOADER_CLASS = ExplainingConfigLoader
HOOKS = rightfit_hooks()

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS"]
