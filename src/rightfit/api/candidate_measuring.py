"""How candidates of a dataset are measured: their rows, serving configurations and machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import polars as pl

from rightfit._core.plugins import load_plugins
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.data.dataset_card import DatasetCard
from rightfit.data.request_path import MODEL, REQUEST, RequestPath
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.data.request_path.row_reading import write_raw_rows
from rightfit.measuring.hardware.environment import (
    Environment,
    describe_environment,
    find_changes,
    fingerprint,
)
from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.measuring.naming import name_candidate
from rightfit.measuring.profile import tabulate_profiles
from rightfit.measuring.profiles.candidate_profiles import (
    profile_set,
    profile_unmeasured,
)
from rightfit.measuring.profiles.prediction_quality import find_final_rows
from rightfit.measuring.rounds.jobs import (
    CandidateSet,
    FitCosts,
    RawRequests,
    plan_servings,
    with_paths,
    write_model_rows,
)
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.measuring.serving import ELSEWHERE, Serving
from rightfit.models.bundle import Bundle
from rightfit.models.imported.row_table import RowTable
from rightfit.models.served_family import Rows
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.explanation.decisions import SERVING_FIELDS, SETTINGS, Settings
from rightfit.ranking.screening import could_be_chosen

logger = logging.getLogger(__name__)

ENVIRONMENT_KEY = "environment-{id}"


class Varied(Protocol):
    """The values that a search chose a setting from."""

    def is_edge(self, value: Any) -> bool:
        """Tell whether a value lies at an end of them, so that better ones may lie beyond."""


@dataclass(frozen=True)
class RawTest:
    """Raw rows of the test split, in the order of the encoded ones, and how they are encoded."""

    rows: pl.DataFrame
    encoder: EncoderJson

    @property
    def columns(self) -> pl.DataFrame:
        """The raw columns, without what was added to them."""
        return self.rows.drop("label", "part", strict=False)

    @classmethod
    def take(cls, rows: pl.DataFrame, encoder: Encoder) -> RawTest:
        """Take the test split of a dataset's rows, whose parts are in the column ``part``."""
        return cls(rows.filter(pl.col("part") == "test"), encoder.to_json())


class Machine(Protocol):
    """Another machine, of which a package keeps measurements (``rightfit.profiles``)."""

    def read(self) -> object:
        """Return what it has found.

        Raises:
            ValueError: If they are damaged.
        """

    def profile(
        self,
        candidate_set: CandidateSet,
        paths: Sequence[RequestPath],
        bench: MeasurementContext,
        params: EvaluationParams,
    ) -> pl.DataFrame:
        """Return the profiles of candidates as the machine has measured them.

        Raises:
            ValueError: If the measurements are damaged.
        """


def find_machines(measurements: JsonStore) -> dict[str, Machine]:
    """Return the other machines by name, as all installed packages keep them."""
    machines: dict[str, Machine] = {}
    for find in load_plugins("rightfit.profiles", purpose="Measuring").values():
        machines |= find(measurements)
    return machines


def require_machine(name: str, machines: Mapping[str, Machine]) -> Machine:
    """Return the machine that an application names.

    Raises:
        ValueError: If nothing was imported under that name.
    """
    if name not in machines:
        raise ValueError(
            f"No measurements of the environment {name!r} were imported (known: "
            f"{', '.join(machines) or 'none'}). Measure it there with rightfit remote pack and "
            "rightfit remote import, or correct the name."
        )
    return machines[name]


def measure_candidates(
    candidates: Mapping[str, Bundle],
    costs: FitCosts,
    test: pl.DataFrame,
    data_card: DatasetCard,
    *,
    raw: RawTest,
    measurements: JsonStore,
    params: EvaluationParams,
    choosers: ApplicationsParams,
    equal_within: float,
    table: RowTable | None = None,
    rivals: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Measure candidates of a dataset, beside each other, under all serving configurations.

    Args:
        candidates: Bundles by name, of one model or several, all of the same columns.
        costs: What training them cost; see :func:`read_fit_costs`.
        test: The test split: encoded columns, and ``label``.
        data_card: The dataset.
        raw: Raw rows and how they are encoded.
        measurements: Keeps what was measured.
        params: How to measure.
        choosers: Applications that choose among the profiles.
        equal_within: Utilities that differ by less are practically equal to them.
        table: Rows of imported models, in place of the encoded columns of ``test``.
        rivals: Profiles of the dataset that are measured already, which these compete with.

    Returns:
        One row per candidate, serving configuration and request path that an application names.
    """
    if not candidates:  # its search has failed
        return tabulate_profiles([])
    environment = describe_environment()
    _note_environment(environment, measurements)
    features = () if table else next(bundle.schema.features for bundle in candidates.values())
    paths, default_path = list_paths(choosers, params), find_default_path(choosers, params)

    if rivals is not None:  # another machine's are no rivals of those that are measured here
        rivals = rivals.filter(~pl.col("device").str.contains(ELSEWHERE, literal=True))

    def choose(profiles: pl.DataFrame) -> Sequence[bool]:
        together = profiles if rivals is None else pl.concat([profiles, rivals], how="diagonal")
        could_be = could_be_chosen(together, choosers, default_path, equal_within=equal_within)
        return could_be[: profiles.height]

    with temporary_folder("rows") as folder:
        rows = folder / "rows.npy"
        np.save(rows, np.ascontiguousarray(test.select(features).to_numpy(), dtype=np.float32))
        bench = MeasurementContext(shared_pool(), rows, folder, params.settings, params.preset)
        candidate_set = _make_set(
            candidates, costs, test["label"], data_card, environment, params, raw
        )
        if table is not None:
            candidate_set = replace(
                candidate_set,
                rows=write_model_rows(
                    candidates, dict.fromkeys(candidates, table), folder, params.runtimes
                ),
            )
        if REQUEST in paths:
            candidate_set = replace(
                candidate_set, requests=_make_requests(raw, folder, measurements.folder)
            )
        local_profiles = profile_set(
            candidate_set,
            with_paths(list_servings(params, environment), paths),
            bench,
            measurements,
            tiers=params.tiers,
            choose=choose,
            is_apart=rivals is not None,
            choosers=fingerprint(
                choosers.model_dump(mode="json")
                | {"request_path": default_path, "equal_within": equal_within}
                | (
                    {}
                    if rivals is None
                    else {"rivals": rivals.select("candidate", *SERVING_FIELDS).rows()}
                )
            ),
        )
        machines = find_machines(measurements)
        named = {application.environment for application in choosers.values()}
        remote_profiles = [
            require_machine(name, machines).profile(candidate_set, paths, bench, params)
            for name in sorted({*filter(None, named), *machines})
        ]
    return pl.concat([local_profiles, *remote_profiles])


def _note_environment(environment: Environment, measurements: JsonStore) -> None:
    """Store a machine's description; say why what another one measured is measured again."""
    key = ENVIRONMENT_KEY.format(id=environment.environment_id)
    if measurements.get(key) is None:
        prefix = ENVIRONMENT_KEY.format(id="")
        stored = [name for name in measurements.keys() if name.startswith(prefix)]  # noqa: SIM118 - no dict
        records = (measurements.get_record(name, Environment) for name in stored)
        changes = [find_changes(earlier, environment) for earlier in records if earlier is not None]
        if changes:  # since the one that is most like it
            logger.info(
                "Everything is measured anew, because the environment has changed: %s",
                ", ".join(
                    f"{name} {now} instead of {before}"
                    for name, (before, now) in min(changes, key=len).items()
                ),
            )
    measurements.put(key, asdict(environment))


def read_fit_costs(trials: Mapping[str, pl.DataFrame]) -> FitCosts:
    """Return what training cost, by candidate, from the trials of each model."""
    return {
        name_candidate(model, row.pop("number")): row
        for model, table in trials.items()
        for row in table.select("number", *FIT_COLUMNS).to_dicts()
    }


def judge_candidates(
    candidates: Mapping[str, Bundle],
    costs: FitCosts,
    judges: pl.DataFrame,
    data_card: DatasetCard,
    params: EvaluationParams,
    *,
    predict: Callable[[Bundle], Rows],
    raw: RawTest,
    measurements: JsonStore,
) -> pl.DataFrame:
    """Judge candidates of a dataset, where quality alone decides.

    Args:
        candidates: Bundles by name.
        costs: What training them cost.
        judges: Encoded rows that choose, with the column ``label``.
        data_card: The dataset's card.
        params: How the test rows are divided.
        predict: Returns what a candidate predicts for the rows; may fail.
        raw: The same rows, not encoded.
        measurements: Keeps the predictions.

    Returns:
        One row per candidate; what only measuring finds is null.
    """
    environment = describe_environment()
    candidate_set = _make_set(
        candidates, costs, judges["label"], data_card, environment, params, raw
    )
    return profile_unmeasured(candidate_set, predict, measurements)


def list_servings(params: EvaluationParams, environment: Environment) -> list[Serving]:
    """Return the serving configurations that a machine can run."""
    return plan_servings(
        params.runtimes,
        params.n_threads,
        params.devices,
        n_cores=environment.n_cores,
        present=environment.devices,
    )


def list_paths(applications: Applications, params: EvaluationParams) -> list[RequestPath]:
    """Return the request paths that applications name, in a fixed order."""
    otherwise = find_default_path(applications, params)
    paths = {application.request_path or otherwise for application in applications.values()}
    return [path for path in (MODEL, REQUEST) if path in paths]


def find_default_path(applications: Applications, params: EvaluationParams) -> RequestPath:
    """Return the path of applications that name none.

    The ranking gives them whole requests wherever those are measured, so where one application
    names them, they hold for all that name none.
    """
    paths = {application.request_path for application in applications.values()}
    return REQUEST if REQUEST in paths else params.request_path


def _make_requests(raw: RawTest, folder: Path, measurements: Path) -> RawRequests:
    """Write the raw test rows."""
    file = folder / "raw_rows.npy"
    write_raw_rows(file, raw.rows, list_inputs(raw.encoder))
    return RawRequests(file, raw.encoder, folder, measurements)


def _make_set(
    candidates: Mapping[str, Bundle],
    costs: FitCosts,
    labels: pl.Series,
    data_card: DatasetCard,
    environment: Environment,
    params: EvaluationParams,
    raw: RawTest,
) -> CandidateSet:
    targets = data_card.input_schema.cast_labels(labels.to_numpy())
    return CandidateSet(
        dataset=data_card.dataset,
        data_version=data_card.data_version,
        candidates=candidates,
        targets=targets,
        quality=data_card.quality,
        fit_costs=costs,
        environment_id=environment.environment_id,
        devices=environment.devices,
        seed=params.seed,
        columns=raw.columns,
        final_rows=find_final_rows(
            targets, share=params.final_share, min_rows=params.final_min_rows
        ),
    )


def add_settings(
    profiles: pl.DataFrame,
    candidates: Mapping[str, Bundle],
    *,
    searched: Mapping[str, Mapping[str, Varied]] = MappingProxyType({}),
    fixed: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> pl.DataFrame:
    """Add the settings that each candidate was trained with, as JSON.

    Args:
        profiles: Of these candidates.
        candidates: Their bundles, by name.
        searched: Settings that were searched, by name, of each model that was.
        fixed: The others that count, of models of which not all do.
    """
    texts = {}
    for name in profiles["candidate"].unique():
        values = candidates[name].configuration
        varied = searched.get(candidates[name].model, {})
        counted = fixed.get(candidates[name].model, values)
        texts[name] = Settings(
            searched={key: value for key, value in values.items() if key in varied},
            fixed={
                key: value for key, value in values.items() if key not in varied and key in counted
            },
            at_edge=[key for key in varied if key in values and varied[key].is_edge(values[key])],
        ).model_dump_json()
    column = pl.col("candidate").replace_strict(texts, default=None, return_dtype=pl.String)
    return profiles.with_columns(column.alias(SETTINGS))
