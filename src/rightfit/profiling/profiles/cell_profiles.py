"""The resource profiles of one cell: measure, judge the answers, add what training cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rightfit.families.answers import check_probabilities
from rightfit.families.bundle import Bundle
from rightfit.families.quality import QualityMetric, score
from rightfit.families.runtimes import runtime_files
from rightfit.profiling.hardware.tier_trial import try_limits
from rightfit.profiling.hardware.tiers import Tier, judge_tiers
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.measurement import predict
from rightfit.profiling.measuring.stopping import is_over
from rightfit.profiling.measuring.turns import SCREENED, measure_jobs
from rightfit.profiling.metrics import METRICS
from rightfit.profiling.profiles.jobs import Job, Serving, Store, plan_jobs
from rightfit.profiling.profiles.profile import Profile, profile_row, tabulate_profiles
from rightfit.profiling.profiles.quality_interval import quality_interval
from rightfit.profiling.profiles.serving_metrics import set_serving_metrics, set_tiers
from rightfit.profiling.worker.process import Json

if TYPE_CHECKING:
    import polars as pl

BYTES_PER_MIB = 2**20
TRIAL_NUMBER = re.compile(r"-(\d+)$")
FIT_COLUMNS = tuple(metric.column for metric in METRICS if metric.phase == "fit")


@dataclass(frozen=True)
class Cell:
    """What is evaluated together.

    Args:
        dataset: Name of the dataset.
        data_version: Version of its prepared content.
        candidates: Bundles by candidate name, ``{model}-{trial number}``.
        labels: True class positions of the test split, shape (n_rows,).
        quality: The dataset's quality metric.
        trials: Rows of the trials table by trial number.
        environment_id: Fingerprint of machine and libraries.
        devices: Devices this machine has.
        seed: Seed of quality intervals.
    """

    dataset: str
    data_version: str
    candidates: Mapping[str, Bundle]
    labels: npt.NDArray[np.int64]
    quality: QualityMetric
    trials: Mapping[int, Mapping[str, Any]]
    environment_id: str
    devices: tuple[str, ...]
    seed: int


def profile_cell(
    cell: Cell,
    servings: Sequence[Serving],
    bench: Bench,
    store: Store,
    *,
    tiers: Sequence[Tier],
    choose: Callable[[pl.DataFrame], Sequence[bool]],
) -> pl.DataFrame:
    """Measure a cell's candidates under serving configurations.

    Args:
        cell: Candidates and what belongs to them.
        servings: Serving configurations.
        bench: Where and how to measure; its rows are the test split's.
        store: Keeps each result as soon as it is there.
        tiers: Hardware ladder, smallest first.
        choose: Given profiles measured so far, tells for each row whether it could be chosen.

    Returns:
        One row per candidate and serving configuration.
    """
    context = {
        "settings": bench.settings.model_dump(mode="json"),
        "environment_id": cell.environment_id,
        "data_version": cell.data_version,
    }
    jobs = plan_jobs(cell.dataset, cell.candidates, servings)

    def profile_all(states: Sequence[Json]) -> pl.DataFrame:
        rows = []
        for job, state in zip(jobs, states, strict=True):
            quality = measure_quality(cell, job, bench, store)
            rows.append(_assemble(cell, job, state, quality, bench, tiers))
        return tabulate_profiles(rows)

    states = measure_jobs(
        jobs, bench, store, context, choose=lambda states: choose(profile_all(states))
    )
    if bench.settings.tries_tiers:
        profiles = profile_all(states).to_dicts()
        states = [
            _try_tiers(job, state, profile, bench, tiers)
            for job, state, profile in zip(jobs, states, profiles, strict=True)
        ]
        for job, state in zip(jobs, states, strict=True):
            store.put(job.key(context), state)
    return profile_all(states)


def _try_tiers(job: Job, state: Json, profile: Json, bench: Bench, tiers: Sequence[Tier]) -> Json:
    if state["error"] or state["settled"] == SCREENED:
        return state
    return try_limits(
        job.subject,
        bench,
        state,
        tiers=tiers,
        peak_memory_mib=profile["peak_memory_mib"],
        batch_size=profile["best_batch_size"],
        device=job.serving.device,
    )


def measure_quality(cell: Cell, job: Job, bench: Bench, store: Store) -> Json:
    """Judge a candidate's answers to the test split in a serving runtime.

    Args:
        cell: Holds the labels and the metric.
        job: Candidate and serving configuration.
        bench: Where and how; its rows are the test split's.
        store: Keeps the result, for any number of threads: they do not change the answers.

    Returns:
        ``raw``, ``raw_low`` and ``raw_high``, or ``error``.
    """
    answering = replace(job, serving=replace(job.serving, n_threads=0))
    key = answering.key(
        {"quality": cell.quality.name, "data_version": cell.data_version, "seed": cell.seed}
    )
    kept = store.get(key)
    if kept is not None:
        return kept
    try:
        probabilities = check_probabilities(
            predict(job.subject, bench),
            n_rows=len(cell.labels),
            n_classes=job.bundle.schema.n_classes,
        )
    except (RuntimeError, ValueError) as err:
        return {"error": str(err)}
    low, high = quality_interval(cell.quality.name, cell.labels, probabilities, seed=cell.seed)
    raw = score(cell.quality.name, cell.labels, probabilities)
    result = {"raw": raw, "raw_low": low, "raw_high": high}
    store.put(key, result)
    return result


def set_costs(
    profile: Profile,
    job: Job,
    state: Json,
    bench: Bench,
    *,
    tiers: Sequence[Tier],
    devices: Iterable[str],
) -> str | None:
    """Set what serving costs: size, what measuring found, and hardware tiers.

    Args:
        profile: To fill.
        job: Candidate and serving configuration.
        state: Its measurement.
        bench: How it was measured.
        tiers: Hardware ladder, smallest first.
        devices: Devices this machine has.

    Returns:
        Name of the smallest tier it runs on; ``None`` if that is not known, or there is none.
    """
    size_bytes = sum(path.stat().st_size for path in runtime_files(job.bundle, job.serving.runtime))
    profile.set("model_size_mib", size_bytes / BYTES_PER_MIB)
    set_serving_metrics(
        profile, state, bench.settings, n_threads=job.serving.n_threads, is_final=is_over(state)
    )
    peak_mib = profile.values["peak_memory_mib"]
    judged = (
        []
        if peak_mib is None
        else judge_tiers(
            tiers,
            n_threads=job.serving.n_threads,
            device=job.serving.device,
            peak_memory_mib=peak_mib,
            trials=state["limits"],
            devices=devices,
        )
    )
    return set_tiers(profile, judged)


def _assemble(
    cell: Cell, job: Job, state: Json, quality: Json, bench: Bench, tiers: Sequence[Tier]
) -> Json:
    profile = Profile()
    profile.how["preset"] = bench.preset
    _set_quality(profile, quality, cell.quality)
    _set_fit(profile, job, cell.trials)
    tier = set_costs(profile, job, state, bench, tiers=tiers, devices=cell.devices)
    keys = {
        "dataset": cell.dataset,
        "model": job.bundle.family,
        "candidate": job.candidate,
        "runtime": job.serving.runtime,
        "n_threads": job.serving.n_threads,
        "device": job.serving.device,
        "environment_id": cell.environment_id,
        "min_hardware_tier_name": tier,
    }
    return profile_row(keys, profile)


def _set_quality(profile: Profile, quality: Json, metric: QualityMetric) -> None:
    if "error" in quality:
        profile.miss(["quality", "quality_raw"], quality["error"])
        return
    for suffix in ("", "_low", "_high"):
        raw = quality[f"raw{suffix}"]
        profile.values[f"quality_raw{suffix}"] = raw
        profile.values[f"quality{suffix}"] = metric.scale(raw)


def _set_fit(profile: Profile, job: Job, trials: Mapping[int, Mapping[str, Any]]) -> None:
    number = TRIAL_NUMBER.search(job.candidate)
    trial = trials.get(int(number[1]), {}) if number else {}
    for column in FIT_COLUMNS:
        value = trial.get(column)
        if value is None:
            profile.miss([column], "not measured in training")
        else:
            profile.set(column, value)
