"""Nodes of the evaluation stage."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.datasets.json_store import JsonStore
from rightfit.families.bundle import Bundle
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.tuning.search.space import ModelBlock

if TYPE_CHECKING:
    from rightfit.profiling.measuring.bench import Bench
    from rightfit.profiling.profiles.cell_profiles import Cell
    from rightfit.profiling.profiles.jobs import Serving

logger = logging.getLogger(__name__)


def describe_environment() -> dict[str, Any]:
    """Fingerprint the machine and libraries that the measurements belong to."""
    from rightfit.profiling.hardware import environment

    return environment.describe_environment()


def profile_candidates(
    candidates: dict[str, Bundle],
    trials: pl.DataFrame,
    test: pl.DataFrame,
    data_card: dict[str, Any],
    environment: dict[str, Any],
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    model: ModelBlock,
) -> pl.DataFrame:
    """Measure a cell's candidates under all serving configurations.

    Args:
        candidates: Bundles by candidate name.
        trials: The cell's trials, for what training cost.
        test: Encoded test rows with the column ``label``.
        data_card: The dataset's card.
        environment: Fingerprint of this machine.
        measurements: Keeps each result as soon as it is there.
        params: What to measure and how.
        applications: Who will choose: what none of them could choose is measured only shortly.
        model: For the candidates' family.

    Returns:
        One row per candidate and serving configuration.
    """
    from rightfit.pipelines.evaluation.screening import could_be_chosen
    from rightfit.profiling.profiles.cell_profiles import profile_cell

    named = {name: replace(bundle, family=model.family) for name, bundle in candidates.items()}
    with _open_bench(test, data_card, params) as bench:
        return profile_cell(
            _make_cell(named, trials, test, data_card, environment, seed=params.seed),
            list_servings(params, environment),
            bench,
            measurements,
            tiers=params.tiers,
            choose=lambda profiles: could_be_chosen(profiles, applications),
        )


def collect_profiles(params: EvaluationParams, *profiles: pl.DataFrame) -> pl.DataFrame:
    """Put several tables of profiles into one.

    Args:
        params: Says whether profiles of different environments may stand side by side.
        *profiles: Profiles of the cells of a dataset, or of all datasets.

    Raises:
        ValueError: If they may not and do.
    """
    collected = pl.concat(profiles)
    found = sorted(collected["environment_id"].unique().drop_nulls().to_list())
    if len(found) > 1:
        message = f"The profiles come from {len(found)} different environments: {found}."
        if params.mixed_environments == "refuse":
            raise ValueError(
                f"{message} Measure again on one machine, or set evaluation.mixed_environments: "
                "label in parameters_evaluation.yml."
            )
        logger.warning("%s Compare them by the column environment_id only.", message)
    return collected


def compare_tiers(
    resource_profiles: pl.DataFrame, environment: dict[str, Any], params: EvaluationParams
) -> pl.DataFrame:
    """Say for each profile which tiers of the hardware ladder it runs on, and why not.

    Args:
        resource_profiles: All measured profiles.
        environment: What this machine has.
        params: Holds the ladder.

    Returns:
        One row per profile and tier.
    """
    from rightfit.profiling.hardware.tier_table import tabulate_tiers

    return tabulate_tiers(resource_profiles, params.tiers, devices=list_devices(environment))


def list_servings(params: EvaluationParams, environment: dict[str, Any]) -> list[Serving]:
    """Return the serving configurations this machine can run.

    Args:
        params: Wanted runtimes, threads and devices.
        environment: What the machine has.
    """
    from rightfit.profiling.profiles.jobs import plan_servings

    return plan_servings(
        params.runtimes,
        params.n_threads,
        params.devices,
        n_cores=environment["n_cores"],
        present=list_devices(environment),
    )


def list_devices(environment: dict[str, Any]) -> tuple[str, ...]:
    """Return the devices that a machine has."""
    return ("cpu", "cuda") if environment["gpus"] else ("cpu",)


@contextmanager
def _open_bench(
    test: pl.DataFrame, data_card: dict[str, Any], params: EvaluationParams
) -> Iterator[Bench]:
    from rightfit.profiling.measuring.bench import Bench
    from rightfit.profiling.measuring.worker_pool import shared_pool
    from rightfit.profiling.worker.speed import SpeedProbe

    with tempfile.TemporaryDirectory(prefix="rightfit-") as folder:
        rows = Path(folder) / "rows.npy"
        features = data_card["input_schema"]["features"]
        np.save(rows, np.ascontiguousarray(test.select(features).to_numpy(), dtype=np.float32))
        yield Bench(
            shared_pool(), rows, Path(folder), params.settings, params.preset, SpeedProbe(None)
        )


def _make_cell(
    candidates: dict[str, Bundle],
    trials: pl.DataFrame,
    test: pl.DataFrame,
    data_card: dict[str, Any],
    environment: dict[str, Any],
    *,
    seed: int,
) -> Cell:
    from rightfit.families.quality import QualityMetric
    from rightfit.profiling.profiles.cell_profiles import Cell

    return Cell(
        dataset=data_card["dataset"],
        data_version=data_card["data_version"],
        candidates=candidates,
        labels=test["label"].to_numpy().astype(np.int64),
        quality=QualityMetric(**data_card["quality"]),
        trials={row["number"]: row for row in trials.to_dicts()},
        environment_id=environment["environment_id"],
        devices=list_devices(environment),
        seed=seed,
    )
