"""What a run of Rightfit's nodes changes in the process, and its undoing."""

from __future__ import annotations

import sys

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from rightfit.ownership import is_own

POOL = "rightfit.profiling.measuring.worker_pool"


class ProcessHook:
    """Leaves the process as it was before: Optuna's verbosity, and no measuring process open."""

    def __init__(self) -> None:
        self._verbosity: int | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Remember what the nodes may change."""
        optuna = sys.modules.get("optuna")
        self._verbosity = None if optuna is None else optuna.logging.get_verbosity()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Undo the changes."""
        self._restore(pipeline)

    @hook_impl(tryfirst=True)  # another hook may end the command with an error of its own
    def on_pipeline_error(self, pipeline: Pipeline) -> None:
        """Undo the changes."""
        self._restore(pipeline)

    def _restore(self, pipeline: Pipeline) -> None:
        if not any(map(is_own, pipeline.nodes)):
            return
        optuna = sys.modules.get("optuna")
        if optuna is not None:
            before = self._verbosity
            optuna.logging.set_verbosity(optuna.logging.INFO if before is None else before)
        if POOL in sys.modules:
            sys.modules[POOL].close_shared_pool()
