"""Kedro's project settings."""

from rightfit.configuration import CONFIG_LOADER_ARGS
from rightfit.hooks import ErrorHook, GridHook, ResultHook
from rightfit.mlflow_tracking import MlflowHook
from rightfit.pipelines.evaluation.dry_run import DryRunHook

HOOKS = (GridHook(), ErrorHook(), DryRunHook(), ResultHook(), MlflowHook())

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]
