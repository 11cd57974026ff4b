"""Kedro's project settings."""

from rightfit.hooks import ErrorHook, GridHook, ResultHook
from rightfit.pipelines.evaluation.dry_run import DryRunHook

HOOKS = (GridHook(), ErrorHook(), DryRunHook(), ResultHook())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single values, not whole blocks
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
}
