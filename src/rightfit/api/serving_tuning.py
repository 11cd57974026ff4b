"""Tune how a fitted model is served: try many serving configurations, measure the best, rank them.

What is tried: the model as it is, as one compiled graph, its 8-bit weights where a runtime derives
them, any runtime of one's own, numbers of threads, and of an ensemble of trees its first trees or
rounds, whose quality is measured as that of models of their own. All are timed shortly in fresh
processes, after each of which the better half goes on (successive halving: Jamieson and Talwalkar,
AISTATS 2016).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from rightfit._core.arguments import require_type, writing_to
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count
from rightfit._core.progress import Listener
from rightfit.api.own_models import PreparedModels, prepare_models, read_params
from rightfit.api.profiles import Profiles, to_html
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import ApplicationsLike, Ranking, rank, read_applications
from rightfit.api.stored_qualities import require_judgeable
from rightfit.exporting.own_graph import OwnGraph, export_graph, read_graph
from rightfit.measuring.metrics import LATENCY_COLUMNS, MetricTable
from rightfit.measuring.naming import metric_title
from rightfit.measuring.profile import Profile
from rightfit.measuring.serving import Serving
from rightfit.measuring.targets import Quality
from rightfit.models.runtimes import NATIVE, ONNX, ONNX_INT8, can_serve
from rightfit.models.tree_prefixes import count_rounds, keep_rounds
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.explanation.decisions import SERVING_FIELDS

N_FINALISTS = 2  # configurations that are measured for each application, beside the model as it is
N_PREFIXES = 4  # of an ensemble: half of its rounds, a quarter, ...
MIN_ROUNDS = 5
SHOWN = ("quality_raw", "latency_p50_ms", "throughput_rows_per_s")
MEDIAN = MetricTable.latency_p50_ms.column
TAILS = (*LATENCY_COLUMNS.values(), MetricTable.latency_under_load_p99_ms.column)
TRIED = (
    MetricTable.quality.column,
    MetricTable.quality_raw.column,
    MEDIAN,
    MetricTable.throughput_rows_per_s.column,
    MetricTable.model_size_mib.column,
)
"""Columns that a trial estimates beside the threads; other latencies count as the median."""
N_PROCESSES = pl.col("measured_how").struct.field("n_processes")
N_TRIALS = 3  # fresh processes of a configuration that stays
TRIAL_MS = 12.0  # of single rows, and of batches, in each
TRIAL_BATCH_SIZE = 256


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
    verbose: bool | int | None = None,
    on_progress: Listener | None = None,
) -> TunedServing:
    """Search for the serving configurations of a fitted model that suit applications best.

    All that can be tried is timed for milliseconds, beside each other; the better half goes on. The
    best two for each application, and the model as it is, are then measured as :func:`compare`
    does, and ranked.

    Args:
        model: As of :func:`measure`.
        rows: Rows that it has not seen, some thousand; see :func:`measure`.
        targets: Ground truth for them; ``None``: predictions are not judged, and no ensemble is
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
        verbose: As of :func:`measure`.
        on_progress: As of :func:`measure`.

    Raises:
        RightfitError: If model, rows, targets and applications do not fit each other.
    """
    demands = read_applications(applications)
    require_type("name", name, str)
    require_type("keeps_rounds", keeps_rounds, bool)
    require_type("runtimes", runtimes, list | tuple)
    params = read_params(runtimes, n_threads, ("cpu",), preset)
    models = {name: model}
    n_rounds = None if targets is None or keeps_rounds else count_rounds(model)
    if n_rounds is not None:  # an ensemble's first half, quarter, eighth and sixteenth too
        models |= {
            f"{name}, {length} of {n_rounds} rounds": keep_rounds(model, length)
            for halving in range(1, N_PREFIXES + 1)
            if (length := n_rounds // 2**halving) >= MIN_ROUNDS
        }
    with (
        showing_progress(verbose, on_progress),
        prepare_models(
            models, rows, targets, params, dataset="data", quality=quality, trust=trust
        ) as prepared,
    ):
        judging = prepared.judging
        labels = pl.Series(() if judging.labels is None else judging.labels)
        require_judgeable(demands, prepared.columns, labels, judging.task)
        trials = try_servings(prepared, name, [*demands.values()])
        finalists = select_trials(trials, N_FINALISTS, [*demands.values()])
        measured = prepared.measure(demands, _choose_measured(trials, finalists, name))
        reason = pl.col("null_reasons").struct.field(MEDIAN)
        failed = trials.filter(reason.is_not_null()).select("candidate", "runtime", reason)
        faults = {f"{candidate}, {runtime}": text for candidate, runtime, text in failed.rows()}
        ranking = rank(replace(measured, left_out={**measured.left_out, **faults}), demands)
        tried = trials.select("candidate", *SERVING_FIELDS, *TRIED, N_PROCESSES)
        graphs = {}  # of the winners that the library's own runtimes serve as one
        for application in ranking.applications:
            winner = ranking.winner(application)
            if winner is not None and winner.serving.runtime in (ONNX, ONNX_INT8):
                graphs[application] = read_graph(
                    prepared.bundles[winner.candidate],
                    winner.serving.runtime,
                    threshold=judging.metric.threshold,
                )
        return TunedServing(name, tried, ranking, graphs)


@dataclass(frozen=True, repr=False)
class TunedServing:
    """Serving configurations of a model: what was tried, what was measured, and the best of them.

    Args:
        name: The model's name.
        tried: A row per configuration that was tried, with estimates of its metrics;
            ``n_processes`` tells how long it stayed.
        ranking: Of the configurations that were measured, for each application.
        graphs: The winners' graphs by application; a winner that is no graph has none.
    """

    name: str
    tried: pl.DataFrame
    ranking: Ranking
    graphs: Mapping[str, OwnGraph]

    @property
    def profiles(self) -> Profiles:
        """Profiles of the configurations that were measured."""
        return self.ranking.profiles

    @property
    def baseline(self) -> Profile:
        """The model as it was given, with one thread."""
        own = self.profiles.select(candidate=self.name)
        native = [profile for profile in own if profile.serving.runtime == NATIVE]
        return min(native or own, key=lambda profile: profile.serving.n_threads)

    def best(self, application: str | None = None) -> Profile | None:
        """Return the profile of an application's best configuration; ``None``: none qualifies.

        Args:
            application: Its name; may be left out where there is one application only.

        Raises:
            RightfitError: If there is no such application.
        """
        return self.ranking.winner(application)

    def summary(self) -> pl.DataFrame:
        """Return the model as it is and each application's best, as a short table of texts."""
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
                for application, profile in self._list_profiles()
            ]
        )

    def _list_profiles(self) -> list[tuple[str, Profile | None]]:
        best = [(name, self.best(name)) for name in self.ranking.applications]
        return [("as it is", self.baseline), *best]

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
        for key, value in (("force", force), ("with_server", with_server)):
            require_type(key, value, bool)
        require_type("application", application, str)
        profile = self.best(application)
        if profile is None:
            raise RightfitError(f"Nothing to export for {application}: none meets the limits.")
        if application not in self.graphs:
            raise RightfitError(
                f"{application} is served best by {profile.serving.label}, which is no ONNX graph: "
                "serve the model itself."
            )
        with writing_to("folder", folder) as target:
            try:
                return export_graph(
                    self.graphs[application],
                    profile,
                    self.ranking.decision(application),
                    target,
                    application=application,
                    force=force,
                    with_server=with_server,
                )
            except (FileExistsError, ValueError) as err:
                raise RightfitError(str(err)) from err

    def __repr__(self) -> str:
        lines = [f"  {name}: {_show(profile)}" for name, profile in self._list_profiles()]
        head = (
            f"TunedServing: {count(self.tried.height, 'configuration')} tried, "
            f"{len(self.profiles)} measured"
        )
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        return to_html(self.summary())


def _show(profile: Profile | None) -> str:
    """Write a configuration in a line; a quality goes by the name of its metric alone."""
    if profile is None:
        return "none meets the limits"
    figures = [profile[column] for column in SHOWN]
    texts = [
        f"{one.metric.label} {one}" if one.value is None or not one.name else str(one)
        for one in figures
    ]
    return f"{profile.candidate} ({profile.serving.label}), {', '.join(texts)}"


def try_servings(
    prepared: PreparedModels, name: str, applications: Sequence[Application]
) -> pl.DataFrame:
    """Time serving configurations shortly; after each process the better half goes on.

    Args:
        prepared: The model, and its shortened ones, which are tried as they are only if they have
            no graph.
        name: The model's name.
        applications: Whose objectives and limits count.

    Returns:
        Their profiles, those that stayed to the end with ``N_TRIALS`` processes.
    """
    settings = prepared.bench.settings
    sizes = [size for size in settings.batch_sizes if size <= TRIAL_BATCH_SIZE]
    short: dict[str, object] = {
        "screening_processes": 1,
        "min_processes": N_TRIALS,
        "max_processes": N_TRIALS,
        "latency_min_calls": 1,
        "latency_min_ms": TRIAL_MS,
        "batch_min_ms": TRIAL_MS,
        "batch_sizes": tuple(sizes or settings.batch_sizes)[-1:],
        "server": settings.server.model_copy(update={"n_processes": 0}),
        "tries_tiers": False,
    }

    def choose(profiles: pl.DataFrame) -> Sequence[bool]:
        n_timed = profiles.select(N_PROCESSES).max().item() or 0
        quota = max(N_FINALISTS, math.ceil(profiles.height / 2**n_timed))
        selected = set(select_trials(profiles, quota, applications))
        return [position in selected for position in range(profiles.height)]

    servings = prepared.plan_servings()
    wanted = {name: servings}
    for candidate, bundle in prepared.bundles.items():
        graphs = [
            serving
            for serving in servings
            if serving.runtime != NATIVE and can_serve(bundle, serving.runtime)
        ]
        wanted.setdefault(candidate, graphs or servings)
    return prepared.profile(settings.model_copy(update=short), choose, wanted)


def select_trials(
    trials: pl.DataFrame, quota: int, applications: Sequence[Application]
) -> list[int]:
    """Select the trials that are among the best few of an application.

    Args:
        trials: Profiles; those that failed or were left alone before are not selected.
        quota: How many each application selects.
        applications: Whose objectives and limits count.

    Returns:
        Positions, ascending.
    """
    settled = pl.col("measured_how").struct.field("settled").fill_null("")
    is_open = pl.col(MEDIAN).is_not_null() & (settled != "screened")
    positions = trials.select(is_open.arg_true()).to_series().to_list()
    open_trials = trials[positions]
    columns = {
        column: np.array(open_trials[column].to_list(), dtype=np.float64)
        for column in (*TRIED, "n_threads")
        if open_trials[column].null_count() < open_trials.height
    }
    columns |= {tail: columns[MEDIAN] for tail in TAILS if positions}
    chosen: set[int] = set()
    for application in applications if positions else ():
        chosen |= {positions[i] for i in order_trials(columns, application)[:quota]}
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
    trials: pl.DataFrame, finalists: Sequence[int], name: str
) -> dict[str, list[Serving]]:
    """Return what is measured: the finalists, and the whole model as it is and as its graph."""
    servings = [Serving(*row) for row in trials.select(SERVING_FIELDS).rows()]
    pairs = [*zip(trials["candidate"], servings, strict=True)]
    whole = {serving.runtime: serving for model, serving in reversed(pairs) if model == name}
    wanted: dict[str, list[Serving]] = {name: [*whole.values()]}
    for position in finalists:
        candidate, serving = pairs[position]
        wanted.setdefault(candidate, []).append(serving)
    return wanted
