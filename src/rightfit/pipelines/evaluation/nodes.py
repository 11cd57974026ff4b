"""Nodes of the evaluation stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.datasets.json_store import JsonStore
from rightfit.families.bundle import Bundle
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.imported import ImportedBlock
from rightfit.preparation.describing import DataCard
from rightfit.preparation.encoding import Encoder
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.hardware.environment import Environment
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.contest.profile_table import complete_paths
from rightfit.request_path.paths import MODEL, REQUEST, RequestPath
from rightfit.request_path.raw_inputs import EncoderJson, list_inputs, pass_numbers
from rightfit.tuning.search.space import ModelBlock

if TYPE_CHECKING:
    from rightfit.profiling.measuring.bench import Bench
    from rightfit.profiling.measuring.jobs import Serving
    from rightfit.profiling.measuring.raw_requests import RawRequests
    from rightfit.profiling.profiles.cell_profiles import ProfiledCell

logger = logging.getLogger(__name__)

ENVIRONMENT_KEY = "environment-{id}"


def describe_environment(resource_profiles: pl.DataFrame, measurements: JsonStore) -> Environment:
    """Describe the machine that most profiles were measured on, as it described itself.

    Args:
        resource_profiles: All measured profiles.
        measurements: Holds the description of each measuring machine.
    """
    from rightfit.profiling.hardware import environment
    from rightfit.profiling.worker.codec import from_plain

    ids = resource_profiles["environment_id"].drop_nulls()
    stored = measurements.get(ENVIRONMENT_KEY.format(id=ids.mode().sort().first()))
    if stored is None:
        return environment.describe_environment()
    return from_plain(environment.Environment, stored)


def profile_candidates(
    candidates: dict[str, Bundle],
    trials: pl.DataFrame,
    test: pl.DataFrame,
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    model: ModelBlock,
) -> pl.DataFrame:
    """Measure a cell's candidates under all serving configurations.

    The profiles belong to the machine that runs this node; its description is stored with them.

    Args:
        candidates: Bundles by candidate name.
        trials: The cell's trials, for what training cost.
        test: Encoded test rows with the column ``label``.
        rows: Assembled rows of all parts, not encoded.
        encoder: How they are encoded.
        data_card: The dataset's card.
        measurements: Keeps each result as soon as it is known.
        params: What to measure and how.
        applications: They choose: what none of them could choose is measured only shortly.
        model: For the candidates' family.

    Returns:
        One row per candidate, serving configuration and request path that an application names.
    """
    named = {name: replace(bundle, family=model.family) for name, bundle in candidates.items()}
    return _profile(
        named,
        trials,
        test,
        data_card,
        raw=_RawTest(rows.filter(pl.col("part") == "test"), _to_json(encoder)),
        measurements=measurements,
        params=params,
        choosers=applications,
    )


def profile_imported(
    candidates: dict[str, Bundle],
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    model: ImportedBlock,
) -> pl.DataFrame:
    """Measure an imported model on the columns that it reads, as the searched ones are measured.

    Args:
        candidates: Its bundle, by name.
        rows: The dataset's rows, not encoded.
        encoder: The dataset's encoder.
        data_card: The dataset's card.
        measurements: Keeps each result as soon as it is known.
        params: What to measure and how.
        applications: They choose.
        model: The file, and what the configuration says of it.

    Returns:
        One row per serving configuration.
    """
    from rightfit.families.imported.kinds import find_family
    from rightfit.preparation.model_columns import take_columns

    named = {
        name: replace(
            bundle,
            family=find_family(bundle.weights_file, trust=model.trust, module=model.module),
        )
        for name, bundle in candidates.items()
    }
    (schema,) = (bundle.schema for bundle in named.values())
    test = rows.filter(pl.col("part") == "test")
    read = take_columns(schema, encoder, test, kind=model.input)
    return _profile(
        named,
        None,
        pl.DataFrame(read, schema=list(schema.features)).with_columns(test["label"]),
        data_card,
        raw=_RawTest(
            test, pass_numbers(schema.features) if model.input == "raw" else _to_json(encoder)
        ),
        measurements=measurements,
        params=params,
        choosers=applications,
    )


def profile_cascades(
    candidates: dict[str, Bundle],
    test: pl.DataFrame,
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
) -> pl.DataFrame:
    """Measure cascades as all other candidates are measured; what was predicted counts for nothing.

    Args:
        candidates: Bundles by candidate name; none gives a table without rows.
        test: Encoded test rows with the column ``label``.
        rows: Assembled rows of all parts, not encoded.
        encoder: How they are encoded.
        data_card: The dataset's card.
        measurements: Keeps each result as soon as it is known.
        params: What to measure and how.
        applications: They choose.

    Returns:
        One row per candidate, serving configuration and request path that an application names.
    """
    from rightfit.cascades.building import FAMILY
    from rightfit.profiling.profiles.profile import tabulate_profiles

    if not candidates:
        return tabulate_profiles([])
    return _profile(
        {name: replace(bundle, family=FAMILY) for name, bundle in candidates.items()},
        None,
        test,
        data_card,
        raw=_RawTest(rows.filter(pl.col("part") == "test"), _to_json(encoder)),
        measurements=measurements,
        params=params,
        choosers=applications,
    )


@dataclass(frozen=True)
class _RawTest:
    """Raw rows of the test split, in the order of the encoded ones, and how they are encoded."""

    rows: pl.DataFrame
    encoder: EncoderJson


def _to_json(encoder: Encoder) -> EncoderJson:
    return cast("EncoderJson", encoder.model_dump(mode="json"))


def _profile(
    candidates: dict[str, Bundle],
    trials: pl.DataFrame | None,
    test: pl.DataFrame,
    data_card: DataCard,
    *,
    raw: _RawTest,
    measurements: JsonStore,
    params: EvaluationParams,
    choosers: ApplicationsParams,
) -> pl.DataFrame:
    from rightfit.pipelines.evaluation.screening import could_be_chosen
    from rightfit.profiling.hardware import environment
    from rightfit.profiling.measuring.jobs import with_paths
    from rightfit.profiling.profiles.cell_profiles import profile_cell
    from rightfit.profiling.profiles.profile import tabulate_profiles

    if not candidates:  # its search has failed
        return tabulate_profiles([])
    here = environment.describe_environment()
    measurements.put(ENVIRONMENT_KEY.format(id=here.environment_id), asdict(here))
    features = next(bundle.schema.features for bundle in candidates.values())
    paths, default_path = list_paths(choosers, params), find_default_path(choosers, params)
    with _open_bench(test, features, params) as bench:
        cell = _make_cell(candidates, trials, test, data_card, here, params)
        if REQUEST in paths:
            cell = replace(cell, requests=_make_requests(raw, bench.folder))
        return profile_cell(
            cell,
            with_paths(list_servings(params, here), paths),
            bench,
            measurements,
            tiers=params.tiers,
            choose=lambda profiles: could_be_chosen(profiles, choosers, default_path),
            choosers=environment.fingerprint(
                choosers.model_dump(mode="json") | {"request_path": default_path}
            ),
        )


def collect_profiles(params: EvaluationParams, *profiles: pl.DataFrame) -> pl.DataFrame:
    """Put several tables of profiles into one.

    Args:
        params: Says whether profiles of different environments may stand side by side.
        *profiles: Profiles of the cells of a dataset, or of all datasets.

    Raises:
        ValueError: If they may not and do.
    """
    collected = pl.concat(map(complete_paths, profiles), how="diagonal")  # also of older runs
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


def compare_tiers(resource_profiles: pl.DataFrame, params: EvaluationParams) -> pl.DataFrame:
    """Say for each profile which tiers of the hardware ladder it runs on, and why not.

    Args:
        resource_profiles: All measured profiles.
        params: Holds the ladder.

    Returns:
        One row per profile and tier.
    """
    from rightfit.profiling.hardware.tier_table import tabulate_tiers

    return tabulate_tiers(complete_paths(resource_profiles), params.tiers)


def list_servings(params: EvaluationParams, environment: Environment) -> list[Serving]:
    """Return the serving configurations that a machine can run.

    Args:
        params: Wanted runtimes, threads and devices.
        environment: The machine.
    """
    from rightfit.profiling.measuring.jobs import plan_servings

    return plan_servings(
        params.runtimes,
        params.n_threads,
        params.devices,
        n_cores=environment.n_cores,
        present=environment.devices,
    )


def list_paths(applications: Applications, params: EvaluationParams) -> list[RequestPath]:
    """Return the request paths that applications name, in a fixed order.

    Args:
        applications: Who will choose.
        params: Says the path of those that name none.
    """
    otherwise = find_default_path(applications, params)
    named = {one.request_path or otherwise for one in applications.root.values()}
    return [path for path in (MODEL, REQUEST) if path in named]


def find_default_path(applications: Applications, params: EvaluationParams) -> RequestPath:
    """Return the path of applications that name none.

    The ranking gives them whole requests wherever those are measured, so where one application
    names them, they hold for all that name none.
    """
    named = {one.request_path for one in applications.root.values()}
    return REQUEST if REQUEST in named else params.request_path


def _make_requests(raw: _RawTest, folder: Path) -> RawRequests:
    """Write the raw test rows."""
    from rightfit.preparation.raw_rows import make_raw_rows
    from rightfit.profiling.measuring.raw_requests import RawRequests

    file = folder / "raw_rows.npy"
    np.save(file, make_raw_rows(raw.rows, list_inputs(raw.encoder)))
    return RawRequests(file, raw.encoder, folder)


@contextmanager
def _open_bench(
    test: pl.DataFrame, features: tuple[str, ...], params: EvaluationParams
) -> Iterator[Bench]:
    from rightfit.profiling.measuring.bench import Bench
    from rightfit.profiling.measuring.worker_pool import shared_pool
    from rightfit.profiling.worker.meters.speed import SpeedProbe

    with temporary_folder("rows") as folder:
        rows = folder / "rows.npy"
        np.save(rows, np.ascontiguousarray(test.select(features).to_numpy(), dtype=np.float32))
        yield Bench(shared_pool(), rows, folder, params.settings, params.preset, SpeedProbe(None))


def _make_cell(
    candidates: dict[str, Bundle],
    trials: pl.DataFrame | None,
    test: pl.DataFrame,
    data_card: DataCard,
    environment: Environment,
    params: EvaluationParams,
) -> ProfiledCell:
    from rightfit.profiling.metrics import FIT_COLUMNS
    from rightfit.profiling.profiles.cell_profiles import ProfiledCell
    from rightfit.profiling.profiles.final_rows import find_final_rows

    labels = data_card.input_schema.cast_labels(test["label"].to_numpy())
    costs = [] if trials is None else trials.select("number", *FIT_COLUMNS).to_dicts()
    return ProfiledCell(
        dataset=data_card.dataset,
        data_version=data_card.data_version,
        candidates=candidates,
        labels=labels,
        quality=data_card.quality_metric,
        fit_metrics={row.pop("number"): row for row in costs},
        environment_id=environment.environment_id,
        devices=environment.devices,
        seed=params.seed,
        final_rows=find_final_rows(
            labels, share=params.final_share, min_rows=params.final_min_rows
        ),
    )
