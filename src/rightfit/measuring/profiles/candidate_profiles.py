"""Resource profiles of candidates: measure, judge the predictions, add what training cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.blocks import estimate_level
from rightfit.measuring.cost_classes import fingerprint_structure
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.hardware.tiers import Tier, fit_tiers, unmet_requirements
from rightfit.measuring.metrics import FIT_COLUMNS, METRICS_BY_COLUMN, MetricTable
from rightfit.measuring.profile import PART_COLUMNS, MeasuredHow, ProfileBuilder, tabulate_profiles
from rightfit.measuring.profiles.measured import (
    Measured,
    make_point,
    set_measured,
    set_tiers,
    share_costs,
    tell_at_usual_speed,
)
from rightfit.measuring.profiles.prediction_quality import (
    PredictionQuality,
    gather_rows,
    judge_answers,
    measure_quality,
    set_quality,
)
from rightfit.measuring.profiles.stored_predictions import JudgedRows
from rightfit.measuring.rounds.block_timing import end_with, measure_jobs, read_reference
from rightfit.measuring.rounds.jobs import MEASUREMENT_VERSION, CandidateSet, Job, plan_jobs
from rightfit.measuring.rounds.measurement import MeasurementContext, try_memory
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.results import LimitTrial
from rightfit.measuring.worker.units import BYTES_PER_MIB
from rightfit.models.bundle import Bundle
from rightfit.models.graph_passes.compiling import log_dropped
from rightfit.models.runtimes import NATIVE, ONNX
from rightfit.models.served_family import Rows

NOT_ASKED = "not measured: quality alone was asked for"


def profile_set(
    candidate_set: CandidateSet,
    servings: Sequence[Serving],
    bench: MeasurementContext,
    store: JsonStore,
    *,
    tiers: Sequence[Tier],
    choose: Callable[[pl.DataFrame], Sequence[bool]],
    choosers: str = "",
    wanted: Mapping[str, Collection[Serving]] | None = None,
    is_apart: bool = False,
    level: int = logging.INFO,
) -> pl.DataFrame:
    """Measure candidates of a dataset under serving configurations.

    Args:
        candidate_set: Candidates and what belongs to them.
        servings: Serving configurations.
        bench: Where and how to measure; its rows are the test split's.
        store: Keeps each result as soon as it is known.
        tiers: Hardware ladder, smallest first.
        choose: Given profiles measured so far, tells for each row whether it could be chosen.
        choosers: Fingerprint of the applications behind ``choose``.
        wanted: Those of the configurations that a candidate is measured in; ``None``: all.
        is_apart: Whether they compete with profiles that were measured before.
        level: Of the log's lines.

    Returns:
        One row per candidate and serving configuration.
    """
    jobs = [
        job
        for job in plan_jobs(
            candidate_set.dataset,
            candidate_set.candidates,
            servings,
            candidate_set.requests,
            candidate_set.rows,
        )
        if wanted is None or job.serving in wanted.get(job.candidate, ())
    ]
    keys = [candidate_set.key(job, bench.settings) for job in jobs]
    assembly = _Assembly(candidate_set, jobs, bench, store, tiers, is_apart=is_apart)
    states = measure_jobs(
        jobs,
        keys,
        bench,
        store,
        cost_classes=assembly.cost_classes,
        choose=lambda states: choose(tabulate_profiles(assembly.build(states))),
        choosers=fingerprint({"by": choosers, "tiers": [tier.model_dump() for tier in tiers]}),
        environment_id=candidate_set.environment_id,
        level=level,
    )
    if bench.settings.tries_tiers:
        states = [
            _try_tiers(job, state, profile, bench, tiers)
            for job, state, profile in zip(jobs, states, assembly.build(states), strict=True)
        ]
        for key, state in zip(keys, states, strict=True):
            store.put_record(key, state)
    graphs = {
        job.candidate: job.graph
        for job, state in zip(jobs, states, strict=True)
        if state.error is None and job.graph and job.graph.exists()
    }
    log_dropped(graphs, of=candidate_set.dataset)
    profiles = assembly.build(states)
    return _tabulate(candidate_set, [*profiles, *_describe_refused(candidate_set, servings)])


def profile_measured(
    candidate_set: CandidateSet,
    jobs: Sequence[Job],
    states: Sequence[MeasurementState],
    bench: MeasurementContext,
    store: JsonStore,
    *,
    tiers: Sequence[Tier],
    reference: MeasurementState | None = None,
) -> pl.DataFrame:
    """Return profiles of candidates measured elsewhere; their predictions are judged here.

    Args:
        candidate_set: Candidates and what belongs to them; its environment is the measuring
            machine's.
        jobs: What was measured, in turns.
        states: What was found, in the order of the jobs.
        bench: Settings of the measurement, and where predictions are made.
        store: Keeps the quality of the predictions.
        tiers: Hardware ladder, smallest first.
        reference: The reference's rounds on that machine; ``None``: those in ``store``.
    """
    assembly = _Assembly(candidate_set, jobs, bench, store, tiers, reference)
    return tabulate_profiles(assembly.build(states))


def profile_unmeasured(
    candidate_set: CandidateSet, predict: Callable[[Bundle], Rows], store: JsonStore
) -> pl.DataFrame:
    """Judge candidates by their native models; none is measured.

    Args:
        candidate_set: Candidates and what belongs to them.
        predict: Returns what one predicts for the rows of the set's targets; may fail.
        store: Keeps the predictions.

    Returns:
        One row per candidate: quality, size and what training cost; the rest is null.
    """
    rows = gather_rows(candidate_set)
    judged = [
        _judge_native(candidate_set, name, predict, store, rows)
        for name in candidate_set.candidates
    ]
    return _tabulate(candidate_set, judged)


def _tabulate(candidate_set: CandidateSet, profiles: Sequence[ProfileBuilder]) -> pl.DataFrame:
    """Tabulate finished profiles; a warning tells where quality tells no two of them apart."""
    table = tabulate_profiles(profiles)
    raws = table["quality_raw"].drop_nulls().to_list()
    candidate_set.quality.warn_where_flat(raws, dataset=candidate_set.dataset)
    return table


class _Assembly:
    """Makes profiles of measurements, as often as there is more of them.

    Args:
        given: Candidates and what belongs to them.
        jobs: What is measured.
        bench: Where and how.
        store: Keeps the quality of predictions, and the reference's rounds.
        tiers: Hardware ladder, smallest first.
        reference: The reference's rounds; ``None``: as the store has them now.
        is_apart: See :func:`tell_at_usual_speed`.
    """

    def __init__(
        self,
        candidate_set: CandidateSet,
        jobs: Sequence[Job],
        bench: MeasurementContext,
        store: JsonStore,
        tiers: Sequence[Tier],
        reference: MeasurementState | None = None,
        *,
        is_apart: bool = False,
    ) -> None:
        self._given = candidate_set
        self._rows = gather_rows(candidate_set)
        self._jobs = jobs
        self._bench = bench
        self._store = store
        self._tiers = tiers
        self._reference = reference
        self._is_apart = is_apart
        self._qualities: dict[str, PredictionQuality | str] = {}  # asked for once in a run
        structures = [find_structure(job, store) for job in jobs]
        self._structures = structures
        self.cost_classes = [
            None if structure is None else (structure, job.serving)
            for structure, job in zip(structures, jobs, strict=True)
        ]

    def build(self, states: Sequence[MeasurementState]) -> list[ProfileBuilder]:
        """Return a profile of each job, given the states of all."""
        settings = self._bench.settings
        blocks = {one.block for state in states for one in state.rounds}
        if self._reference is not None:
            rounds = end_with(self._reference, blocks)
        else:
            rounds = read_reference(self._store, self._given.environment_id, blocks)
        reference = Measured(rounds, settings)
        level = estimate_level(
            reference.by_block(MetricTable.latency_p50_ms) if reference.rounds else {},
            sorted(blocks),
            assumed_pct=settings.level_error_pct,
        )
        measured = [
            Measured(state, settings, level=level, n_threads=job.serving.n_threads)
            for job, state in zip(self._jobs, states, strict=True)
        ]
        told = tell_at_usual_speed(measured, reference, is_apart=self._is_apart)
        shared = share_costs(told, self.cost_classes)
        return [self._build_one(number, one) for number, one in enumerate(shared)]

    def _build_one(self, number: int, measured: Measured) -> ProfileBuilder:
        job, state, devices = self._jobs[number], measured.state, tuple(self._given.devices)
        quality: PredictionQuality | str = f"it does not run: {state.error}"
        if state.error is None:
            subject = job.subject.label
            if subject not in self._qualities:
                self._qualities[subject] = measure_quality(
                    self._given, job, self._bench, self._store, rows=self._rows
                )
            quality = self._qualities[subject]
        how = MeasuredHow(
            preset=self._bench.preset,
            devices=devices,
            cost_class=self._structures[number],
        )
        mates = self._list_mates(number)
        how = replace(how, twins=mates) if measured.twins else replace(how, unlike=mates)
        profile = _begin_profile(self._given, job, quality, how)
        if state.error is None:
            profile.set("model_size_mib", _find_size_mib(job))
        else:
            profile.miss(["model_size_mib"], f"it does not run: {state.error}")
        set_measured(profile, measured)

        def judge(judged: ProfileBuilder, trials: Sequence[LimitTrial] = ()) -> None:
            fits = {}
            for end in ("", "_low", "_high"):
                peak_mib = judged.values.get(f"peak_memory_mib{end}")
                fits[end] = (
                    []
                    if peak_mib is None
                    else fit_tiers(
                        self._tiers,
                        job.serving,
                        peak_memory_mib=peak_mib,
                        trials=trials,
                        devices=devices,
                    )
                )
            set_tiers(judged, fits[""], low=fits["_low"], high=fits["_high"])

        judge(profile, state.limits)
        if state.error is None and profile.how is not None:
            curve = tuple(make_point(measured, size, judge) for size in measured.batch_sizes)
            profile.how = replace(profile.how, throughput_curve=curve)
        return profile

    def _list_mates(self, number: int) -> tuple[str, ...]:
        """Return the other candidates of a job's cost class."""
        own = self.cost_classes[number]
        return tuple(
            job.candidate
            for position, job in enumerate(self._jobs)
            if own is not None and self.cost_classes[position] == own and position != number
        )


def _begin_profile(
    candidate_set: CandidateSet,
    job: Job,
    quality: PredictionQuality | str,
    how: MeasuredHow | None = None,
) -> ProfileBuilder:
    """Return a profile of what need not be measured: quality and training."""
    profile = ProfileBuilder(
        candidate_set.dataset,
        job.bundle.model,
        job.candidate,
        job.serving,
        candidate_set.environment_id,
        how=how,
        quality_metric=candidate_set.quality.title,
        model_sha256=job.bundle.weights_sha256,
        graph_sha256=job.graph_sha256,
    )
    set_quality(profile, quality, candidate_set.quality)
    fit_costs = candidate_set.fit_costs.get(job.candidate, {})
    for column in FIT_COLUMNS:
        value = fit_costs.get(column)
        if value is None:
            profile.miss([column], METRICS_BY_COLUMN[column].null_reason)
        else:
            profile.set(column, value)
    return profile


def find_structure(job: Job, store: JsonStore) -> str | None:
    """Return the fingerprint of the graph that answers a job's requests, but for its weights.

    The store keeps it, since a large graph takes a while to read.

    Returns:
        ``None``: no graph answers, or none can be made.
    """
    if job.graph is None or job.graph_sha256 is None:
        return None
    key = f"structure-{MEASUREMENT_VERSION}-{job.graph_sha256}"
    stored = store.get(key)
    if stored is None:
        try:
            stored = {"structure": fingerprint_structure(job.graph)}
        except ValueError:  # it fails again where it is measured, which tells it
            return None
        store.put(key, stored)
    structure: str | None = stored["structure"]
    return structure


def _find_size_mib(job: Job) -> float:
    """Return the size of the files that answer a job's requests, its encoder included."""
    job.prepare()
    return sum(path.stat().st_size for path in job.served_files) / BYTES_PER_MIB


def _try_tiers(
    job: Job,
    state: MeasurementState,
    profile: ProfileBuilder,
    bench: MeasurementContext,
    tiers: Sequence[Tier],
) -> MeasurementState:
    """Run a measured model under the memory of ever larger tiers that may do, until it runs.

    A trial that the state holds is not repeated.
    """
    peak_mib, batch_size = profile.values["peak_memory_mib"], profile.best_batch_size
    if state.wants_no_more or peak_mib is None or batch_size is None:
        return state
    job.prepare()
    subject = job.subject
    trials = {trial.memory_mib: trial for trial in state.limits}
    for tier in tiers:
        if unmet_requirements(tier, job.serving, peak_memory_mib=peak_mib):
            continue
        mib = tier.memory_mib
        if mib not in trials:
            trials[mib] = try_memory(subject, bench, memory_mib=mib, batch_size=batch_size)
        if trials[mib].ok:
            break
    return replace(state, limits=tuple(trials.values()))


def _describe_refused(
    candidate_set: CandidateSet, servings: Sequence[Serving]
) -> Iterator[ProfileBuilder]:
    """Yield profiles without figures of models whose export was refused."""
    for name, bundle in candidate_set.candidates.items():
        reason = f"its ONNX export was refused: {bundle.onnx_refused}"
        for serving in servings if bundle.onnx_refused else ():
            if serving.runtime == ONNX:
                profile = ProfileBuilder(
                    candidate_set.dataset, bundle.model, name, serving, candidate_set.environment_id
                )
                profile.miss(list(METRICS_BY_COLUMN), reason)
                profile.reasons |= dict.fromkeys((*PART_COLUMNS, "final_quality_raw"), reason)
                yield profile


def _judge_native(
    candidate_set: CandidateSet,
    name: str,
    predict: Callable[[Bundle], Rows],
    store: JsonStore,
    rows: JudgedRows | None,
) -> ProfileBuilder:
    bundle = candidate_set.candidates[name]
    quality = judge_answers(rows, bundle.schema, lambda: predict(bundle), store)
    job = Job(f"{candidate_set.dataset}.{bundle.model}", name, bundle, Serving(NATIVE, 1))
    profile = _begin_profile(candidate_set, job, quality)
    profile.set("model_size_mib", _find_size_mib(job))
    columns = [*METRICS_BY_COLUMN, *PART_COLUMNS]
    profile.miss([column for column in columns if column not in profile.values], NOT_ASKED)
    return profile
