"""The node that makes cascades of a dataset's measured candidates, and measures them."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

import polars as pl

from rightfit.cascades.building import DEFINING, build_cascade, check_cascade, find_members
from rightfit.cascades.choosing import choose_cascades
from rightfit.evaluation.candidate_measuring import (
    RawTest,
    add_settings,
    measure_candidates,
)

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.families.bundle import ONNX_ONLY, Bundle
from rightfit.naming import name_candidate
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.grid import CascadeBlock
from rightfit.preparation.data_card import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.request_path.encoder import Encoder

logger = logging.getLogger(__name__)

_folders = ExitStack()  # of cascades: the catalog copies what is in them
atexit.register(_folders.close)


def profile_cascades(
    validation: pl.DataFrame,
    test: pl.DataFrame,
    rows: pl.DataFrame,
    encoder: Encoder,
    data_card: DataCard,
    measurements: JsonStore,
    params: EvaluationParams,
    applications: ApplicationsParams,
    model: CascadeBlock,
    profiles: pl.DataFrame,
    *members: Mapping[str, Bundle],
    cell_name: str,
) -> tuple[dict[str, Bundle], pl.DataFrame]:
    """Make the cascades that promise most, and measure them as all other candidates are measured.

    What was predicted of them counts for nothing. ``profiles`` are those of the dataset's
    candidates, ``members`` the candidates of each searched model.

    Returns:
        Bundles by name; and one row per candidate, serving configuration and request path that an
        application names.
    """
    candidates = {name: bundle for one in members for name, bundle in one.items()}
    cascades = build_cascades(
        candidates, profiles, validation, data_card, model, cell_name=cell_name
    )
    measured = measure_candidates(
        {name: replace(bundle, family=ONNX_ONLY) for name, bundle in cascades.items()},
        {},
        test,
        data_card,
        raw=RawTest.take(rows, encoder),
        measurements=measurements,
        params=params,
        choosers=applications,
        rivals=profiles,
    )
    return cascades, add_settings(measured, cascades, fixed=DEFINING)


def build_cascades(
    candidates: Mapping[str, Bundle],
    profiles: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: DataCard,
    model: CascadeBlock,
    *,
    cell_name: str,
) -> dict[str, Bundle]:
    """Make the cascades of a dataset's candidates that promise most.

    Returns:
        Bundles by name; empty where no cascade promises more than single candidates.
    """
    if data_card.input_schema.task != "classification":
        logger.warning("%s: only classifiers say how sure they are; no cascade is made", cell_name)
        return {}
    labels = validation["label"].to_numpy()
    members = find_members(candidates, profiles, validation)
    chosen = choose_cascades(
        members,
        lambda answers: data_card.quality.score(labels, answers),
        n_cascades=model.n_candidates,
    )
    folder = _folders.enter_context(temporary_folder("cascades"))
    name, built = cell_name.partition(".")[2], {}
    for number, cascade in enumerate(chosen):
        label = name_candidate(name, number)
        try:
            bundle = build_cascade(cascade, candidates, folder / label, model=name)
            check_cascade(bundle, {one.name: one.answers for one in members}, validation)
        except ValueError as err:
            logger.warning("%s: left out %s: %s", cell_name, cascade, err)
            continue
        logger.debug("%s: %s is %s", cell_name, label, cascade)
        built[label] = bundle
    return built
