"""Rightfit's hooks: what Kedro tells only to hooks, for any session and any runner.

A project adds them to its own in ``settings.py``::

    from rightfit_kedro.hooks import rightfit_hooks

    HOOKS = (MyHook(), *rightfit_hooks())

They act on Rightfit's parameters, nodes and datasets alone. No hook runs a part of the work: that
is the runner's, see :mod:`rightfit_kedro.run`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from rich.console import Console

from rightfit._core.errors import RightfitError
from rightfit._core.kedro_logs import log_as_written
from rightfit._core.typed_tables import write_as_text
from rightfit.ranking.explanation.decisions import (
    RankedCandidate,
    Recommendations,
    list_decisions,
    read_recommendations,
)
from rightfit.reporting.terminal import tabulate_winners
from rightfit_kedro.checks import (
    list_raw,
    refuse_damaged_inputs,
    refuse_unusable_surroundings,
    warn_of_newer_tables,
)
from rightfit_kedro.command_line import (
    LEVEL,
    explain_run_params,
    prepared_process,
    set_log_level,
    tolerate_lost_output,
)
from rightfit_kedro.configuration import ConfigurationError, ConfigurationHook, is_served
from rightfit_kedro.explain import explain
from rightfit_kedro.failures import report_failures
from rightfit_kedro.kedro_private import Catalog, find_path, find_versioned_path
from rightfit_kedro.nodes import holds_own, is_own, list_own_outputs
from rightfit_kedro.versions import choose_run_versions

COMMANDS = ("kedro", "rightfit")
SEQUENTIAL = "<kedro.runner.sequential_runner.SequentialRunner"  # Kedro's default runner

logger = logging.getLogger(__name__)


def rightfit_hooks() -> tuple[Any, ...]:
    """Return new hooks for one project.

    In a command of Kedro, output that cannot be written is lost from now on and fails nothing, and
    parameters that cannot be read are refused in one line: Kedro reads a project's settings before
    it writes its first line and before it reads its options.
    """
    program = Path(sys.argv[0])
    # a packaged project may be run as a module
    is_project = program.name == "__main__.py" and program.with_name("settings.py").exists()
    if program.name in COMMANDS or is_project:
        tolerate_lost_output()
        explain_run_params()
    return ConfigurationHook(), RunHook(), MlflowHook()


class RunHook:
    """Checks a run before its first node, chooses its versions, and tells what came of it."""

    def __init__(self) -> None:
        self._during = contextlib.ExitStack()

    @hook_impl
    def after_context_created(self) -> None:
        """Log as much as the environment asks for, and no name as markup."""
        log_as_written()
        set_log_level(os.environ.get(LEVEL))

    @hook_impl(tryfirst=True)  # before other hooks write anything
    def before_pipeline_run(
        self, run_params: Mapping[str, Any], pipeline: Pipeline, catalog: Catalog
    ) -> None:
        """Refuse what would end the run late, and choose the versions that it reads.

        Raises:
            ConfigurationError: Naming all that is missing or cannot be used.
        """
        is_kedros_runner = SEQUENTIAL in str(run_params.get("runner"))
        if is_kedros_runner and not is_served() and holds_own(pipeline):
            logger.info(
                "One search runs after another: settings.py lacks SESSION_CLASS = RightfitSession, "
                "of rightfit_kedro.run."
            )
        try:
            refuse_unusable_surroundings(pipeline, catalog)
            choose_run_versions(run_params, pipeline, catalog)
            refuse_damaged_inputs(pipeline, catalog)
            warn_of_newer_tables(pipeline, catalog)
        except OSError as err:  # a disk may be full before the first node
            raise ConfigurationError(explain(err) or str(err)) from err
        self._during.enter_context(prepared_process(pipeline))

    @hook_impl(trylast=True)  # what the run made is recorded first
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Catalog) -> None:
        """Print the table of winners, where the report is, and what failed.

        Raises:
            PartsFailedError: In a command, if a cell or a measurement failed.
        """
        self._during.close()
        outputs = list_own_outputs(pipeline)
        if "recommendations" in outputs:
            recommendations = read_recommendations(catalog.load("recommendations"))
            loads = (catalog.load("load_curves"),) if "load_curves" in outputs else ()
            Console().print(tabulate_winners(recommendations, *loads))
        if "report" in outputs:
            report = catalog.get("report")
            latest = getattr(report, "latest", None)  # a project may store it in its own way
            click.echo(f"Report: {latest or find_versioned_path(report) or 'report'}")
        report_failures(outputs, catalog)

    @hook_impl(tryfirst=True)  # another hook may end the command with an error of its own
    def on_pipeline_error(self, error: Exception, pipeline: Pipeline, catalog: Catalog) -> None:
        """End the command with the message of a fault that a person can mend, without a traceback.

        Raises:
            ConfigurationError: In place of an error that names the file to mend.
        """
        self._during.close()
        explanation = explain_run_error(error, pipeline, catalog)
        if explanation:
            raise ConfigurationError(explanation) from error


def explain_run_error(error: Exception, pipeline: Pipeline, catalog: Catalog) -> str | None:
    """Say what a person can do about an error that has ended a run.

    Returns:
        ``None`` for a defect. An error of a dataset or of the system in a run with other nodes may
        be theirs, and is left alone too.
    """
    if not isinstance(error, RightfitError) and not all(map(is_own, pipeline.nodes)):
        return None
    return explain(
        error, {name: str(find_path(catalog.get(name)) or "") for name in list_raw(pipeline)}
    )


class MlflowHook:
    """Adds what a run found to the MLflow run that is open around it.

    kedro-mlflow (``pip install 'rightfit[mlflow]'``) opens an MLflow run around every Kedro run and
    stores its parameters; this hook adds winners' metrics, counts, the rankings table and the
    report. Without an open MLflow run it does nothing, and it never imports MLflow: whoever opened
    the run has.
    """

    @hook_impl(tryfirst=True)  # kedro-mlflow closes the run in the same hook
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Catalog) -> None:
        """Log what the run is about of winners, profiles, trials, rankings and the report."""
        mlflow = sys.modules.get("mlflow")
        if mlflow is None or mlflow.active_run() is None:
            return
        outputs = list_own_outputs(pipeline)
        if "recommendations" in outputs:
            document = catalog.load("recommendations")
            recommendations = read_recommendations(document)
            mlflow.log_metrics(measure_winners(recommendations))
            tags = {  # each winner's name and serving configuration
                f"winner.{label.replace('/', '.')}": (
                    f"{winner.candidate} {winner.serving.runtime} {winner.serving.n_threads} "
                    f"{winner.serving.device}"
                )
                for label, winner in _list_winners(recommendations).items()
            }
            mlflow.set_tags(tags)
            mlflow.log_dict(document, "recommendations.json")
        if "rankings" in outputs:
            rankings = write_as_text(catalog.load("rankings"), "violations")
            mlflow.log_text(rankings.write_csv(), "rankings.csv")
        if "resource_profiles" in outputs:
            profiles = catalog.load("resource_profiles")
            counts = {
                "profiles": profiles.height,
                "disturbed_profiles": profiles["disturbed"].sum(),
                "candidates": profiles.n_unique(["dataset", "model", "candidate"]),
            }
            mlflow.log_metrics({f"counts/{name}": float(n) for name, n in counts.items()})
        trials = sorted(
            name for name in outputs if name.endswith(".trials") and name.count(".") == 1
        )
        if trials:
            tables = [catalog.load(name) for name in trials]
            states = Counter(state for table in tables for state in table["state"])
            mlflow.log_metrics(
                {f"counts/trials_{state}": float(n) for state, n in sorted(states.items())}
            )
        if "report" in outputs:
            mlflow.log_text(catalog.load("report"), "report.html")


def measure_winners(recommendations: Recommendations) -> dict[str, float]:
    """Return each winner's utility and metrics as ``application/dataset/metric``, and counts.

    >>> measure_winners({})
    {'counts/winners': 0.0, 'counts/none_qualifies': 0.0}
    """
    metrics = {}
    winners = _list_winners(recommendations)
    for label, winner in winners.items():
        measured = {name: figure.value for name, figure in winner.metrics.items()}
        for name, value in {"utility": winner.utility, **measured}.items():
            if value is not None:
                metrics[f"{label}/{name}"] = float(value)
    n_lacking = len(list_decisions(recommendations)) - len(winners)
    return metrics | {
        "counts/winners": float(len(winners)),
        "counts/none_qualifies": float(n_lacking),
    }


def _list_winners(recommendations: Recommendations) -> dict[str, RankedCandidate]:
    return {
        f"{application}/{dataset}": decision.winner
        for application, dataset, decision in list_decisions(recommendations)
        if decision.winner is not None
    }
