"""The average of a dataset's candidates: a search of one trial, which is put together, not trained.

As a search it is kept, exported, measured and trained on more rows like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import polars as pl
from optuna.trial import TrialState

from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.models import averages
from rightfit.models.averages import ROWS, choose_weights, join_exports, pack_members
from rightfit.models.bundle import ONNX_FILE, Bundle, read_bundle, write_bundle_files
from rightfit.models.bundle_exports import keep_onnx, offer_export
from rightfit.models.family import Configuration
from rightfit.models.quality.standard_errors import standard_error
from rightfit.searching.cell import study_name
from rightfit.searching.parallel.planned_search import PlannedSearch, SearchOutcome
from rightfit.searching.search_scheduler import open_study, read_trials
from rightfit.searching.search_tables import tabulate_curves, tabulate_trials
from rightfit.searching.space import ModelParams
from rightfit.searching.studies.trial_attributes import CONFIGURATION, CURVE, INDEX

logger = logging.getLogger(__name__)

AVERAGE = "average"  # as a model of the dataset
_ADDED = ("fit_time_s", "fit_cpu_s", "validate_cpu_s", "work_s")  # of members: trained in turn


def average_candidates(
    searches: Sequence[PlannedSearch], outcomes: Mapping[str, SearchOutcome]
) -> tuple[PlannedSearch, SearchOutcome] | None:
    """Average the candidates of a dataset's searches, with greedy weights by validation rows.

    Args:
        searches: Complete searches of one dataset.
        outcomes: What they found, by model, with predictions for the validation rows.

    Returns:
        The average as a complete search, and what that found; ``None`` where no average of several
        candidates predicts the validation rows better than the best of them.
    """
    first = searches[0]
    validation, quality = first.cell.validation, first.cell.quality
    predictions = {
        series.name: series.to_numpy()
        for outcome in outcomes.values()
        for series in outcome.validation_predictions
    }
    targets = validation.labels[:, None].astype(np.float64)
    if classes := validation.schema.n_classes:
        targets = (targets == np.arange(classes)).astype(np.float64)

    def score(mean: npt.NDArray[Any]) -> tuple[float, float]:  # Brier's score, or the squared error
        return quality.score(validation.labels, mean), -float(((mean - targets) ** 2).sum())

    weights = choose_weights(predictions, score)
    if len(weights) < 2:
        return None
    by_model = {search.cell.model: search for search in searches}
    bundles = {name: b for outcome in outcomes.values() for name, b in outcome.candidates.items()}
    trials = {name: _read_trial(by_model[bundles[name].model], name) for name in weights}
    members = [
        {
            "name": name,
            "family": by_model[bundles[name].model].cell.family,
            "configuration": trials[name].user_attrs[CONFIGURATION],
            "weight": weight,
            "temperature": bundles[name].temperature,
            "checkpoints": [
                trials[name].user_attrs[CURVE][-1]["kept_checkpoint"],
                first.settings.n_checkpoints,
            ],
        }
        for name, weight in weights.items()
    ]
    cell = replace(
        first.cell,
        name=f"{first.dataset}.{AVERAGE}",
        family=averages.__name__,
        params=ModelParams.model_validate({"fixed": {"members": members}, "space": {}}),
    )
    planned = replace(first, cell=cell, siblings={}, first_look=None)
    study = open_study(cell, planned.settings, planned.store)
    mean = np.sum([weight * predictions[name] for name, weight in weights.items()], axis=0)
    if not study.get_trials(deepcopy=False):
        curves = [trial.user_attrs[CURVE][-1] for trial in trials.values()]
        raw = quality.score(validation.labels, mean)
        point = _add_up(curves) | {
            "quality_raw": raw,
            "quality_raw_error": standard_error(quality, validation.labels, mean, raw=raw),
        }
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE,
                value=raw,
                user_attrs={INDEX: 0, CONFIGURATION: dict(cell.params.fixed), CURVE: [point]},
            )
        )
    bundle = _join_bundles(planned, [bundles[name] for name in weights], list(weights.values()))
    name = f"{AVERAGE}-000"
    logger.info("%s is the mean of %s", name, ", ".join(weights))
    outcome = SearchOutcome(
        tabulate_trials(study, cell, n_checkpoints=planned.settings.n_checkpoints),
        tabulate_curves(study, quality),
        pl.DataFrame(),
        {name: bundle},
        pl.DataFrame([pl.Series(name, mean)]),
    )
    return planned, outcome


def _read_trial(search: PlannedSearch, candidate: str) -> optuna.trial.FrozenTrial:
    number = int(candidate.rpartition("-")[2])
    return read_trials(search.cell, search.settings, search.store)[number]


def _add_up(curves: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the last checkpoint of an average from those of its members."""
    names = ("n_parameters", "n_operations")
    peaks = [curve["fit_peak_memory_mib"] for curve in curves]
    added = {name: sum(curve[name] for curve in curves) for name in _ADDED}
    return {
        **dict.fromkeys(FIT_COLUMNS),
        **added,
        "fit_peak_memory_mib": None if None in peaks else max(peaks),
        "structure": {n: sum(curve["structure"][n] for curve in curves) for n in names},
        "checkpoint": 1,
        "kept_checkpoint": 1,
        "n_steps": len(curves),
    }


def _join_bundles(
    planned: PlannedSearch, members: Sequence[Bundle], weights: Sequence[float]
) -> Bundle:
    """Write the average of bundles as one, exported to ONNX where all of them are."""
    cell, store = planned.cell, planned.store
    configuration: Configuration = cell.params.fixed
    name = study_name(cell, planned.settings)
    file = averages.FAMILY.weights_file
    with store.new_bundle(name, 0) as folder:
        pack_members([bundle.path / bundle.weights_file for bundle in members], folder / file)
        written = write_bundle_files(
            folder,
            model=cell.model,
            family=cell.family,
            weights_file=file,
            configuration=configuration,
            schema=cell.train.schema,
            data_version=cell.data_version,
            n_training_rows=max(bundle.n_training_rows or 0 for bundle in members),
        )
    store.record_weights(written)
    path = store.bundle_folder(name, 0)
    bundle = store.trust_recorded(read_bundle(path, family=cell.family))
    if not planned.exports or not all(member.onnx for member in members):
        return bundle
    rows = cell.validation.rows
    exports = [member.locate(ONNX_FILE).read_bytes() for member in members]

    def export() -> Bundle:
        native = averages.FAMILY.predict(bundle.load_native(), rows.copy())
        joined = join_exports(exports, weights, cell.train.schema)
        return keep_onnx(bundle, joined, native, {ROWS: rows})

    return offer_export(bundle, export)
