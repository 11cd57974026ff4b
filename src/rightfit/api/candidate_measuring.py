"""How candidates of a dataset are measured: their rows, serving configurations and machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.data.data_card import DataCard
from rightfit.data.model_inputs import write_raw_rows
from rightfit.data.request_path import MODEL, REQUEST, RequestPath
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.measuring.hardware.environment import (
    Environment,
    describe_environment,
    fingerprint,
)
from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.measuring.naming import name_candidate
from rightfit.measuring.profile import tabulate_profiles
from rightfit.measuring.profiles.candidate_profiles import (
    profile_measured,
    profile_set,
    profile_unmeasured,
)
from rightfit.measuring.profiles.prediction_quality import find_final_rows
from rightfit.measuring.remote_documents import (
    RUNTIME,
    list_imported,
    load_measured,
    select_measured,
)
from rightfit.measuring.rounds.block_timing import reference_key
from rightfit.measuring.rounds.jobs import (
    CandidateSet,
    FitCosts,
    RawRequests,
    plan_jobs,
    plan_servings,
    with_paths,
    write_model_rows,
)
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.measuring.serving import ELSEWHERE, Serving, name_device
from rightfit.models.bundle import Bundle
from rightfit.models.family import Rows
from rightfit.models.imported.row_table import RowTable
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.explanation.decisions import SERVING_FIELDS, SETTINGS, Settings
from rightfit.ranking.screening import could_be_chosen
from rightfit.searching.space import Space
from rightfit.searching.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

ENVIRONMENT_KEY = "environment-{id}"


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


def measure_candidates(
    candidates: Mapping[str, Bundle],
    costs: FitCosts,
    test: pl.DataFrame,
    data_card: DataCard,
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
    measurements.put(ENVIRONMENT_KEY.format(id=environment.environment_id), asdict(environment))
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
            candidate_set = replace(candidate_set, requests=_make_requests(raw, folder))
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
        named = {application.environment for application in choosers.values()}
        remote_profiles = [
            profile_elsewhere(candidate_set, name, paths, bench, measurements, params)
            for name in sorted({*filter(None, named), *list_imported(measurements)})
        ]
    return pl.concat([local_profiles, *remote_profiles])


def trust_written(bundle: Bundle, dataset: str, studies: StudyStore) -> Bundle:
    """Return a candidate, trusted if a search of this data root has written its native weights.

    A candidate without such a record is measured as ONNX alone, which is logged.
    """
    trusted = studies.cell(f"{dataset}.{bundle.model}").trust_recorded(bundle)
    if not trusted.may_open(trusted.weights_file):
        logger.warning(
            "%s is measured as ONNX only: no search of this data root has written its %s",
            bundle.path,
            bundle.weights_file,
        )
    return trusted


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
    data_card: DataCard,
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


def profile_elsewhere(
    candidate_set: CandidateSet,
    name: str,
    paths: Sequence[RequestPath],
    bench: MeasurementContext,
    measurements: JsonStore,
    params: EvaluationParams,
) -> pl.DataFrame:
    """Return the profiles of candidates as another machine has measured them.

    Raises:
        ValueError: If nothing was imported under that name.
    """
    measured = load_measured(name, measurements)
    remote_environment = measured.environment
    servings = [
        serving
        for serving in list_servings(params, remote_environment)
        if serving.runtime == RUNTIME
    ]
    jobs = plan_jobs(
        candidate_set.dataset,
        candidate_set.candidates,
        with_paths(servings, paths),
        candidate_set.requests,
    )
    remote_jobs, states = select_measured(
        measured, jobs, bench.settings, candidate_set.data_version
    )
    if len(remote_jobs) < len(jobs):
        logger.warning(
            "%s: %d of %d configurations were not measured on %s; pack them with "
            "rightfit remote pack",
            candidate_set.dataset,
            len(jobs) - len(remote_jobs),
            len(jobs),
            name,
        )
    profiles = profile_measured(
        replace(
            candidate_set,
            environment_id=remote_environment.environment_id,
            devices=remote_environment.devices,
        ),
        remote_jobs,
        states,
        bench,
        measurements,
        tiers=params.tiers,
        reference=measured.states.get(reference_key(remote_environment.environment_id)),
    )
    return profiles.with_columns(pl.format(name_device("{}", name), "device").alias("device"))


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


def _make_requests(raw: RawTest, folder: Path) -> RawRequests:
    """Write the raw test rows."""
    file = folder / "raw_rows.npy"
    write_raw_rows(file, raw.rows, list_inputs(raw.encoder))
    return RawRequests(file, raw.encoder, folder)


def _make_set(
    candidates: Mapping[str, Bundle],
    costs: FitCosts,
    labels: pl.Series,
    data_card: DataCard,
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
    searched: Mapping[str, Space] = MappingProxyType({}),
    fixed: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> pl.DataFrame:
    """Add the settings that each candidate was trained with, as JSON.

    Args:
        profiles: Of these candidates.
        candidates: Their bundles, by name.
        searched: Search space of each model that was searched.
        fixed: The others that count, of models of which not all do.
    """
    texts = {}
    for name in profiles["candidate"].unique():
        values = candidates[name].configuration
        varied = searched.get(candidates[name].model, Space({}))
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
