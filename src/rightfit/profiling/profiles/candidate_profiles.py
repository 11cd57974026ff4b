"""Resource profiles of candidates: measure, judge the predictions, add what training cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from rightfit.families.family import Rows
from rightfit.families.predictions import check_predictions
from rightfit.families.runtimes import NATIVE, runtime_files
from rightfit.profiling.common_mode_error import CommonModeError
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.hardware.tiers import Judged, Tier, judge_tiers, misfits
from rightfit.profiling.intervals import ProcessSpread
from rightfit.profiling.measuring.jobs import CandidateSet, Job, plan_jobs
from rightfit.profiling.measuring.measurement import Bench, try_memory
from rightfit.profiling.measuring.presets import MeasuringSettings
from rightfit.profiling.measuring.state import MeasurementState, Store, save_record
from rightfit.profiling.measuring.turns import measure_jobs
from rightfit.profiling.metrics import FIT_COLUMNS, METRICS, METRICS_BY_COLUMN
from rightfit.profiling.profile import MeasuredHow, ProfileBuilder, tabulate_profiles
from rightfit.profiling.profiles.encoding_cost import measure_encoding_ms
from rightfit.profiling.profiles.host_blocks import HostBlocks
from rightfit.profiling.profiles.measured import pool_spreads, set_measured, set_tiers
from rightfit.profiling.profiles.prediction_quality import (
    NO_TARGETS,
    PredictionQuality,
    judge_predictions,
    measure_quality,
    set_quality,
)
from rightfit.profiling.serving import Serving
from rightfit.profiling.worker.units import BYTES_PER_MIB

NOT_ASKED = "not measured: quality alone was asked for"


def profile_set(
    given: CandidateSet,
    servings: Sequence[Serving],
    bench: Bench,
    store: Store,
    *,
    tiers: Sequence[Tier],
    choose: Callable[[pl.DataFrame], Sequence[bool]],
    choosers: str = "",
    level: int = logging.INFO,
) -> pl.DataFrame:
    """Measure candidates of a dataset under serving configurations.

    Args:
        given: Candidates and what belongs to them.
        servings: Serving configurations.
        bench: Where and how to measure; its rows are the test split's.
        store: Keeps each result as soon as it is known.
        tiers: Hardware ladder, smallest first.
        choose: Given profiles measured so far, tells for each row whether it could be chosen.
        choosers: Fingerprint of the applications behind ``choose``.
        level: Of the log's lines.

    Returns:
        One row per candidate and serving configuration.
    """
    jobs = plan_jobs(given.dataset, given.candidates, servings, given.requests, given.rows)

    def make_key(job: Job, settings: MeasuringSettings) -> str:
        return job.key(
            settings=settings.key,
            environment_id=given.environment_id,
            data_version=given.data_version,
        )

    keys = [make_key(job, bench.settings) for job in jobs]

    host = HostBlocks(store, given.environment_id)
    is_kept = [store.get(key) is not None for key in keys]
    profile_all = _make_assembly(given, jobs, bench, store, tiers, host)

    def needs_more(states: Sequence[MeasurementState]) -> Sequence[bool]:
        table = tabulate_profiles(profile_all(states))
        pairs = zip(table["disturbed"], choose(table), strict=True)
        return [bool(is_disturbed) and could_be_chosen for is_disturbed, could_be_chosen in pairs]

    states = measure_jobs(
        jobs,
        keys,
        bench,
        store,
        choose=lambda states: choose(tabulate_profiles(profile_all(states))),
        needs_more=needs_more,
        choosers=fingerprint({"by": choosers, "tiers": [tier.model_dump() for tier in tiers]}),
        level=level,
    )
    begun_now = [state for state, is_old in zip(states, is_kept, strict=True) if not is_old]
    begun = {job.cell for job, is_old in zip(jobs, is_kept, strict=True) if not is_old}
    host.learn(begun, begun_now, bench.settings)
    if bench.settings.tries_tiers:
        states = [
            _try_tiers(job, state, profile, bench, tiers)
            for job, state, profile in zip(jobs, states, profile_all(states), strict=True)
        ]
        for key, state in zip(keys, states, strict=True):
            save_record(store, key, state)
    profiles = profile_all(states)
    encoding_ms = measure_encoding_ms(
        jobs,
        states,
        bench,
        store,
        is_wanted=choose(tabulate_profiles(profiles)),
        make_key=make_key,
    )
    for profile, found_ms in zip(profiles, encoding_ms, strict=True):
        profile.set_encoding(found_ms)
    return tabulate_profiles([*profiles, *_describe_refused(given, servings)])


def profile_measured(
    given: CandidateSet,
    jobs: Sequence[Job],
    states: Sequence[MeasurementState],
    bench: Bench,
    store: Store,
    *,
    tiers: Sequence[Tier],
) -> pl.DataFrame:
    """Return profiles of candidates measured elsewhere; their predictions are judged here.

    Args:
        given: Candidates and what belongs to them; its environment is the measuring machine's.
        jobs: What was measured, in turns.
        states: What was found, in the order of the jobs.
        bench: Settings of the measurement, and where predictions are made.
        store: Keeps the quality of the predictions, and the turns seen on the machine.
        tiers: Hardware ladder, smallest first.
    """
    host = HostBlocks(store, given.environment_id)
    host.learn({job.cell for job in jobs}, states, bench.settings)
    return tabulate_profiles(_make_assembly(given, jobs, bench, store, tiers, host)(states))


def _make_assembly(
    given: CandidateSet,
    jobs: Sequence[Job],
    bench: Bench,
    store: Store,
    tiers: Sequence[Tier],
    host: HostBlocks,
) -> Callable[[Sequence[MeasurementState]], list[ProfileBuilder]]:
    qualities: dict[str, PredictionQuality | str] = {}  # of predictions, asked for once in a run

    def judge(job: Job, state: MeasurementState) -> PredictionQuality | str:
        if state.error is not None:
            return f"it does not run: {state.error}"
        subject = job.subject.label
        if subject not in qualities:
            qualities[subject] = measure_quality(given, job, bench, store)
        return qualities[subject]

    def profile_all(states: Sequence[MeasurementState]) -> list[ProfileBuilder]:
        shared = host.estimate(bench.settings, n_profiles=len(jobs))
        spreads = pool_spreads(states, bench.settings)
        return [
            _assemble(given, job, state, judge(job, state), bench, tiers, shared, spreads)
            for job, state in zip(jobs, states, strict=True)
        ]

    return profile_all


def _try_tiers(
    job: Job, state: MeasurementState, profile: ProfileBuilder, bench: Bench, tiers: Sequence[Tier]
) -> MeasurementState:
    """Run a measured model under the memory of ever larger tiers that may do, until it runs.

    A trial that the state holds is not repeated.
    """
    peak_mib, batch_size = profile.values["peak_memory_mib"], profile.best_batch_size
    if state.wants_no_more or peak_mib is None or batch_size is None:
        return state
    job.prepare()
    subject, serving = job.subject, job.serving
    trials = {trial.memory_mib: trial for trial in state.limits}
    for tier in tiers:
        if misfits(
            tier,
            n_threads=serving.n_threads,
            peak_memory_mib=peak_mib,
            device=serving.device,
        ):
            continue
        mib = tier.memory_mib
        if mib not in trials:
            trials[mib] = try_memory(subject, bench, state, memory_mib=mib, batch_size=batch_size)
        if trials[mib].ok:
            break
    return replace(state, limits=tuple(trials.values()))


def _describe_refused(given: CandidateSet, servings: Sequence[Serving]) -> Iterator[ProfileBuilder]:
    """Yield profiles without figures of models whose export was refused."""
    for name, bundle in given.candidates.items():
        reason = f"its ONNX export was refused: {bundle.onnx_refused}"
        for serving in servings if bundle.onnx_refused else ():
            if serving.runtime == "onnx":
                profile = ProfileBuilder(
                    given.dataset, bundle.model, name, serving, given.environment_id
                )
                profile.miss([metric.column for metric in METRICS], reason)
                profile.reasons |= dict.fromkeys(("encoding_ms", "final_quality_raw"), reason)
                yield profile


def _assemble(
    given: CandidateSet,
    job: Job,
    state: MeasurementState,
    quality: PredictionQuality | str,
    bench: Bench,
    tiers: Sequence[Tier],
    shared: CommonModeError,
    spreads: Mapping[str, ProcessSpread],
) -> ProfileBuilder:
    """Put together the profile of a job: quality, training, size, measured figures and tiers."""
    serving = job.serving
    profile = ProfileBuilder(
        given.dataset,
        job.bundle.model,
        job.candidate,
        serving,
        given.environment_id,
        how=MeasuredHow(preset=bench.preset, devices=tuple(given.devices)),
    )
    set_quality(profile, quality, given.quality)
    set_fit(profile, job, given)
    files = runtime_files(job.bundle, serving.runtime)
    profile.set("model_size_mib", sum(path.stat().st_size for path in files) / BYTES_PER_MIB)
    set_measured(
        profile,
        state,
        bench.settings,
        shared=shared,
        n_threads=serving.n_threads,
        is_final=state.is_over,
        spreads=spreads,
    )

    def judge(end: str) -> list[Judged]:
        peak_mib = profile.values.get(f"peak_memory_mib{end}")
        if peak_mib is None:
            return []
        return judge_tiers(
            tiers,
            n_threads=serving.n_threads,
            device=serving.device,
            peak_memory_mib=peak_mib,
            trials=state.limits,
            devices=tuple(given.devices),
        )

    profile.hardware_tier = set_tiers(profile, judge(""), low=judge("_low"), high=judge("_high"))
    return profile


def set_fit(profile: ProfileBuilder, job: Job, given: CandidateSet) -> None:
    """Set what training cost, where that is known."""
    found = given.fit_costs.get(job.candidate, {})
    for column in FIT_COLUMNS:
        value = found.get(column)
        if value is None:
            profile.miss([column], METRICS_BY_COLUMN[column].null_reason)
        else:
            profile.set(column, value)


def profile_unmeasured(given: CandidateSet, rows: Rows) -> pl.DataFrame:
    """Judge candidates in this process, by their native models; none is measured.

    Args:
        given: Candidates and what belongs to them.
        rows: Encoded rows of ``given.targets``, shape (n_rows, n_features).

    Returns:
        One row per candidate: quality, size and what training cost; the rest is null.
    """
    return tabulate_profiles([_judge(given, name, rows) for name in given.candidates])


def _judge(given: CandidateSet, name: str, rows: Rows) -> ProfileBuilder:
    bundle = given.candidates[name]
    serving = Serving(NATIVE, 1)
    job = Job(f"{given.dataset}.{bundle.model}", name, bundle, serving)
    profile = ProfileBuilder(given.dataset, bundle.model, name, serving, given.environment_id)
    set_quality(profile, _judge_predictions(given, job, rows), given.quality)
    set_fit(profile, job, given)
    size_bytes = sum(path.stat().st_size for path in runtime_files(bundle, NATIVE))
    profile.set("model_size_mib", size_bytes / BYTES_PER_MIB)
    profile.set_encoding(None)
    columns = [metric.column for metric in METRICS]
    profile.miss([column for column in columns if column not in profile.values], NOT_ASKED)
    return profile


def _judge_predictions(given: CandidateSet, job: Job, rows: Rows) -> PredictionQuality | str:
    if given.targets is None:
        return NO_TARGETS
    family = job.bundle.load_family()
    try:
        predictions = check_predictions(
            family.predict(job.bundle.load_native(), rows),
            n_rows=len(given.targets),
            schema=job.bundle.schema,
        )
    except (RuntimeError, ValueError) as err:
        return str(err)
    return judge_predictions(given, given.targets, predictions)
