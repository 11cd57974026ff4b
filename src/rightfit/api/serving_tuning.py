"""Tune how a fitted model is served: try many serving configurations, measure the best, rank them.

What is tried: the model as one compiled graph, its 8-bit weights where a runtime derives them, any
runtime of one's own, numbers of threads, and of an ensemble of trees its first trees or rounds,
whose quality is measured as that of models of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit.api.own_models import MeasuringPlan, PreparedModels, prepare_models
from rightfit.api.profiles import Profiles, to_html
from rightfit.api.rank import ApplicationsLike, Ranking, rank, read_applications
from rightfit.exporting.own_graph import OwnGraph, export_graph, read_graph
from rightfit.measuring.naming import metric_title
from rightfit.measuring.profile import Profile
from rightfit.measuring.rounds.jobs import plan_jobs
from rightfit.measuring.serving import Serving
from rightfit.measuring.serving_trials import (
    TRIED,
    ServingTrial,
    halve_trials,
    open_trials,
    tabulate_trials,
)
from rightfit.measuring.targets import Quality
from rightfit.models.runtimes import NATIVE, ONNX, ONNX_INT8
from rightfit.models.tree_prefixes import count_rounds, keep_rounds
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.ranking.applications.utility import Floats, Ints

N_FINALISTS = 2  # configurations that are measured for each application, beside the model as it is
N_PREFIXES = 4  # of an ensemble: half of its rounds, a quarter, ...
MIN_ROUNDS = 5
SHOWN = ("quality_raw", "latency_p50_ms", "throughput_rows_per_s")


def tune_serving(
    model: object,
    rows: object,
    targets: object | None = None,
    *,
    applications: ApplicationsLike,
    name: str = "model",
    runtimes: Sequence[str] = (NATIVE, ONNX, ONNX_INT8),
    n_threads: Sequence[int | Literal["all"]] = (1, "all"),
    keeps_rounds: bool = False,
    preset: str = "quick",
    quality: Quality | None = None,
    trust: bool = False,
) -> TunedServing:
    """Search for the serving configurations of a fitted model that suit applications best.

    All that can be tried as a graph is timed for milliseconds, in turns; the better half goes on.
    The best two for each application, and the model as it is, are then measured in fresh processes
    as :func:`compare` does, and ranked.

    Args:
        model: As of :func:`measure`.
        rows: Rows that it has not seen, some thousand; see :func:`measure`.
        targets: What is right for them; ``None``: predictions are not judged, and no ensemble is
            shortened.
        applications: As of :func:`rank`.
        name: The model's name in the results.
        runtimes: Runtimes to try, by name or import path.
        n_threads: Numbers of threads to try; ``all``: every core.
        keeps_rounds: Whether an ensemble of trees keeps all of its rounds. If not, its first half,
            quarter, eighth and sixteenth are candidates, too.
        preset: As of :func:`measure`.
        quality: As of :func:`measure`.
        trust: As of :func:`measure`.

    Raises:
        RightfitError: If model, rows, targets and applications do not fit each other.
    """
    asked = read_applications(applications)
    models = {name: model}
    if targets is not None and not keeps_rounds:
        models |= shorten_model(model, name)
    plan = MeasuringPlan(tuple(runtimes), tuple(n_threads), ("cpu",), preset)
    with prepare_models(
        models, rows, targets, plan, dataset="data", quality=quality, trust=trust
    ) as prepared:
        trials, faults = open_graphs(prepared)
        finalists = halve_trials(
            trials,
            lambda alive, quota: select_trials(alive, quota, prepared, [*asked.values()]),
            n_finalists=N_FINALISTS,
            seed=prepared.params.seed,
        )
        wanted = _choose_measured(prepared, trials, finalists, name)
        measured = prepared.measure(asked, wanted)
        left_out = {**measured.left_out, **faults}
        ranking = rank(replace(measured, left_out=left_out), asked)
        tried = tabulate_trials(trials, prepared.candidates) if trials else pl.DataFrame()
        return TunedServing(name, tried, ranking, _read_graphs(prepared, ranking))


@dataclass(frozen=True, repr=False)
class TunedServing:
    """Serving configurations of a model: what was tried, what was measured, and the best of them.

    Args:
        name: The model's name.
        tried: A row per configuration that was timed in turns, with estimates of its metrics;
            ``n_slices`` tells how long it stayed. A model without a graph has none.
        ranking: Of the configurations that were measured, for each application.
        graphs: The winners' graphs by application; a winner that is no graph has none.
    """

    name: str
    tried: pl.DataFrame
    ranking: Ranking
    graphs: Mapping[str, OwnGraph]

    @property
    def profiles(self) -> Profiles:
        """What was measured."""
        return self.ranking.profiles

    @property
    def baseline(self) -> Profile:
        """The model as it was given, with one thread."""
        own = self.profiles.select(candidate=self.name)
        native = [profile for profile in own if profile.serving.runtime == NATIVE]
        return min(native or own, key=lambda profile: profile.serving.n_threads)

    def best(self, application: str) -> Profile | None:
        """Return the profile of an application's best configuration; ``None``: none qualifies.

        Raises:
            RightfitError: If there is no such application.
        """
        return self.ranking.winner(application)

    def summary(self) -> pl.DataFrame:
        """Return the model as it is and each application's best, as a short table of texts."""
        rows: list[tuple[str, Profile | None]] = [("as it is", self.baseline)]
        rows += [(name, self.best(name)) for name in self.ranking.applications]
        return pl.DataFrame(
            [
                {
                    "application": application,
                    "model": profile.candidate if profile else "none meets the limits",
                    "serving": profile.serving.label if profile else "",
                    **{
                        metric_title(column): str(profile[column]) if profile else ""
                        for column in SHOWN
                    },
                }
                for application, profile in rows
            ]
        )

    def export(
        self,
        application: str,
        folder: str | Path,
        *,
        force: bool = False,
        with_server: bool = False,
    ) -> list[Path]:
        """Write an application's best configuration into a folder that works without Rightfit.

        Args:
            application: Its name.
            folder: Where to.
            force: Whether the folder may hold something; files of an earlier export are replaced.
            with_server: Whether to add an HTTP server and a Dockerfile.

        Returns:
            The files written, relative to the folder.

        Raises:
            RightfitError: If none qualifies, the best is no graph, or the folder is not empty.
        """
        profile = self.best(application)
        if profile is None:
            raise RightfitError(f"Nothing to export for {application}: none meets the limits.")
        if application not in self.graphs:
            raise RightfitError(
                f"{application} is served best by {profile.serving.label}, which is no ONNX graph: "
                "serve the model itself."
            )
        try:
            return export_graph(
                self.graphs[application],
                profile,
                self.ranking.decision(application),
                Path(folder),
                application=application,
                force=force,
                with_server=with_server,
            )
        except (FileExistsError, ValueError) as err:
            raise RightfitError(str(err)) from err

    def __repr__(self) -> str:
        lines = [
            f"  {row['application']}: {row['model']} ({row['serving']}), "
            + ", ".join(f"{title.partition(' (')[0]} {row[title]}" for title in [*row][3:])
            for row in self.summary().to_dicts()
        ]
        head = (
            f"TunedServing: {self.tried.height} configurations tried, {len(self.profiles)} measured"
        )
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        return to_html(self.summary())


def shorten_model(model: object, name: str) -> dict[str, object]:
    """Return an ensemble's first half, quarter, eighth and sixteenth, by name.

    Args:
        model: A fitted model.
        name: Its name.

    Returns:
        Those of at least ``MIN_ROUNDS`` rounds; none of a model that is no ensemble of trees.
    """
    n_rounds = count_rounds(model)
    if n_rounds is None:
        return {}
    lengths = [n_rounds // 2**halving for halving in range(1, N_PREFIXES + 1)]
    return {
        f"{name}, {length} of {n_rounds} rounds": keep_rounds(model, length)
        for length in lengths
        if length >= MIN_ROUNDS
    }


def open_graphs(prepared: PreparedModels) -> tuple[list[ServingTrial], dict[str, str]]:
    """Open what is served as a graph; the model as it is runs in measuring processes alone.

    Returns:
        The trials, and why others cannot be tried, by a label of model and runtime.
    """
    candidates = prepared.candidates
    servings = [serving for serving in prepared.plan_servings() if serving.runtime != NATIVE]
    jobs = plan_jobs(prepared.dataset, prepared.bundles, servings, rows=prepared.files)
    return open_trials(candidates, jobs)


def select_trials(
    trials: Sequence[ServingTrial],
    quota: int,
    prepared: PreparedModels,
    applications: Sequence[Application],
) -> list[int]:
    """Select the trials that are among the best so many for an application.

    Args:
        trials: Open ones that were timed.
        quota: How many each application selects.
        prepared: What they belong to.
        applications: Whose objectives and limits count.

    Returns:
        Positions, ascending.
    """
    table = tabulate_trials(trials, prepared.candidates)
    columns = {
        column: np.array(table[column].to_list(), dtype=np.float64)
        for column in TRIED
        if table[column].null_count() < table.height
    }
    chosen: set[int] = set()
    for application in applications:
        chosen |= set(order_trials(columns, application)[:quota].tolist())
    return sorted(chosen)


def order_trials(columns: Mapping[str, Floats], application: Application) -> Ints:
    """Order trials as an application would: within its limits first, then by utility.

    Args:
        columns: Estimates by metric, shape (n_trials,) each, ``n_threads`` among them.
        application: Whose objectives and limits count; the trials are alike in all other metrics.

    Returns:
        Positions, best first, shape (n_trials,).
    """
    n_trials = len(columns["n_threads"])
    values = dict(columns)
    for metric, objective in application.weighted().items():
        values.setdefault(metric, np.full(n_trials, objective.best))
    best = {
        metric: np.asarray(columns[metric].max() if metric in columns else np.nan)
        for metric, kind, _ in application.list_limits()
        if kind == "max_degradation"
    }
    limits = tuple(limit for limit in resolve_limits(application, best) if limit.metric in columns)
    judgement = judge_profiles(values, application, limits=limits)
    return np.lexsort((columns["latency_p50_ms"], -judgement.utility, judgement.excess))


def _choose_measured(
    prepared: PreparedModels,
    trials: Sequence[ServingTrial],
    finalists: Sequence[ServingTrial],
    name: str,
) -> dict[str, list[Serving]]:
    """Return what is measured of each model.

    These are the finalists, the whole model as it is and as its graph, and all of what was not
    tried.
    """
    servings = prepared.plan_servings()
    natives = [serving for serving in servings if serving.runtime == NATIVE]
    tried = {trial.candidate: trial.serving for trial in reversed(trials)}  # the first of each
    wanted: dict[str, list[Serving]] = {
        candidate: [] if candidate in tried else servings for candidate in prepared.bundles
    }
    for trial in finalists:
        wanted[trial.candidate].append(trial.serving)
    if name in tried:
        wanted[name] += [*natives[:1], tried[name]]
    return wanted


def _read_graphs(prepared: PreparedModels, ranking: Ranking) -> dict[str, OwnGraph]:
    """Return the graphs of the winners that the library's own runtimes serve as one."""
    graphs = {}
    for application in ranking.applications:
        winner = ranking.winner(application)
        if winner is not None and winner.serving.runtime in (ONNX, ONNX_INT8):
            graphs[application] = read_graph(
                prepared.bundles[winner.candidate],
                winner.serving.runtime,
                threshold=prepared.judging.metric.threshold,
            )
    return graphs
