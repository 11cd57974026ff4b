"""Nodes of the evaluation stage."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import from_plain

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.api.candidate_measuring import (
    ENVIRONMENT_KEY,
    RawTest,
    add_settings,
    measure_candidates,
    read_fit_costs,
)
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.raw_inputs import pass_columns
from rightfit.measuring.hardware.environment import Environment, describe_environment
from rightfit.measuring.hardware.tiers import tabulate_tiers
from rightfit.measuring.naming import name_candidate
from rightfit.measuring.serving import ELSEWHERE
from rightfit.models.bundle import ONNX_ONLY, Bundle
from rightfit.models.imported.kinds import find_family
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.assessment.profile_table import complete_paths
from rightfit_kedro.grid import CascadeBlock
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_search.families.cascades import (
    DEFINING,
    check_cascade,
    choose_cascades,
    find_members,
    join_members,
)
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.tables.data_card import DataCard
from rightfit_search.tables.model_inputs import take_columns

logger = logging.getLogger(__name__)

_folders = ExitStack()  # of cascades: the catalog copies what is in them
atexit.register(_folders.close)


def make_cascades(
    validation: pl.DataFrame,
    data_card: DataCard,
    model: CascadeBlock,
    *,
    cell_name: str,
    models: tuple[str, ...],
    **of_models: Any,
) -> dict[str, Bundle]:
    """Make the cascades of a dataset's candidates that promise most.

    Thresholds are chosen by the predictions that candidates made for the validation rows before
    they learnt from them, members by what their structure usually costs: nothing measured decides
    which cascades there are. ``of_models`` holds ``candidates_of_{model}``, ``trials_of_{model}``
    and ``predictions_of_{model}`` of each of ``models``.

    Returns:
        Bundles by name; empty where no cascade promises more than single candidates.
    """
    if data_card.input_schema.task != "classification":
        logger.warning("%s: only classifiers say how sure they are; no cascade is made", cell_name)
        return {}
    candidates: dict[str, Bundle] = {}
    for searched in models:
        candidates |= of_models[f"candidates_of_{searched}"]
    rows_per_s = {
        name_candidate(searched, number): rate
        for searched in models
        for number, rate in of_models[f"trials_of_{searched}"]
        .select("number", "usual_rows_per_s")
        .iter_rows()
    }
    predictions = [of_models[f"predictions_of_{searched}"] for searched in models]
    labels = validation["label"].to_numpy()
    chosen = choose_cascades(
        find_members(candidates, rows_per_s, pl.concat(predictions, how="horizontal")),
        lambda answers: data_card.quality.score(labels, answers),
        n_cascades=model.n_candidates,
    )
    folder = _folders.enter_context(temporary_folder("cascades"))
    name, built = cell_name.partition(".")[2], {}
    for cascade in chosen:
        number = cascade.number
        while (label := name_candidate(name, number)) in built:
            number += 1
        try:
            bundle = join_members(asdict(cascade), candidates, folder / label, model=name)
            check_cascade(bundle, candidates, validation)
        except ValueError as err:
            logger.warning("%s: left out %s: %s", cell_name, cascade, err)
            continue
        logger.debug("%s: %s is %s", cell_name, label, cascade)
        built[label] = bundle
    return built


def profile_candidates(
    test: pl.DataFrame,
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    studies: StudyStore,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    equal_within: float,
    *,
    models: tuple[str, ...],
    cascades: tuple[str, ...] = (),
    **of_models: Any,
) -> pl.DataFrame:
    """Measure the candidates of a dataset's searches and its cascades, beside each other.

    The profiles belong to the machine that runs this node; its description is stored with them.
    Native weights that no search of ``studies`` has written are not opened. ``of_models`` holds
    ``candidates_of_{model}``, ``trials_of_{model}`` and ``block_of_{model}`` of each of ``models``,
    and ``candidates_of_{model}`` of each of ``cascades``.

    Returns:
        One row per candidate, serving configuration and request path that an application names.
    """
    candidates: dict[str, Bundle] = {}
    # Kedro leaves them raw where no node of the requested pipelines has an argument for each
    blocks = {model: ModelBlock.model_validate(of_models[f"block_of_{model}"]) for model in models}
    for model, block in blocks.items():
        for name, bundle in of_models[f"candidates_of_{model}"].items():
            of_family = replace(bundle, family=block.family)
            candidates[name] = trust_written(of_family, data_card.dataset, studies)
    for model in cascades:
        for name, bundle in of_models[f"candidates_of_{model}"].items():
            candidates[name] = replace(bundle, family=ONNX_ONLY)
    profiles = measure_candidates(
        candidates,
        read_fit_costs({model: of_models[f"trials_of_{model}"] for model in models}),
        test,
        data_card,
        raw=RawTest.take(rows, encoder),
        measurements=measurements,
        params=params,
        choosers=applications,
        equal_within=equal_within,
    )
    return add_settings(
        profiles,
        candidates,
        searched={model: block.space for model, block in blocks.items()},
        fixed=dict.fromkeys(cascades, DEFINING),
    )


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


def profile_imported(
    candidates: Mapping[str, Bundle],
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    equal_within: float,
    model: ImportedBlock,
) -> pl.DataFrame:
    """Measure an imported model on the columns that it reads, as the searched ones are measured.

    Returns:
        One row per serving configuration.
    """
    named_candidates = {
        name: replace(
            bundle,
            family=find_family(bundle.weights_file, trust=model.trust, module=model.module),
            is_trusted=True,  # or that would have been refused
        )
        for name, bundle in candidates.items()
    }
    (schema,) = (bundle.schema for bundle in named_candidates.values())
    test = rows.filter(pl.col("part") == "test")
    table = take_columns(schema, encoder, test, kind=model.input)
    texts = [name for name in table.columns if table.column(name).dtype.kind not in "biuf"]
    return measure_candidates(
        named_candidates,
        {},
        test.select("label"),
        data_card,
        raw=RawTest(
            test,
            pass_columns(schema.features, texts) if model.input == "raw" else encoder.to_json(),
        ),
        measurements=measurements,
        params=params,
        choosers=applications,
        equal_within=equal_within,
        table=table,
    )


def collect_profiles(
    params: EvaluationParams, measurements: JsonStore, *profiles: pl.DataFrame
) -> tuple[pl.DataFrame, Environment, pl.DataFrame]:
    """Put all profiles into one table, and say which hardware they fit.

    Returns:
        The profiles; the machine that most of them were measured on, as it described itself; and
        for each profile and hardware tier a row that says whether it runs there, and why not.

    Raises:
        ValueError: If the profiles were measured on several machines and may not be mixed.
    """
    collected = pl.concat(map(complete_paths, profiles), how="diagonal")
    local_profiles = collected.filter(~pl.col("device").str.contains(ELSEWHERE, literal=True))
    ids = local_profiles["environment_id"].drop_nulls()
    environments = sorted(ids.unique())
    if len(environments) > 1:
        message = (
            f"The profiles come from {len(environments)} different environments: {environments}."
        )
        if params.mixed_environments == "refuse":
            raise RightfitError(
                f"{message} Measure again on one machine, or set evaluation.mixed_environments: "
                "label.",
                key="evaluation",
            )
        logger.warning("%s Compare them by the column environment_id only.", message)
    stored = measurements.get(ENVIRONMENT_KEY.format(id=ids.mode().sort().first()))
    environment = describe_environment() if stored is None else from_plain(Environment, stored)
    return collected, environment, tabulate_tiers(collected, params.tiers)
