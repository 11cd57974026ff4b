"""What refitting a model has changed: its quality on test rows, and whether its structure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import ValidationError

from rightfit.families.answers import check_answers
from rightfit.families.bundle import Bundle
from rightfit.families.family import Family
from rightfit.families.runtimes import NATIVE, describe_code
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.preparation.describing import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.ranking.explanation.refits import RawQuality, RefitComparison, RefitQuality


def compare_models(
    chosen: Bundle,
    refitted: Bundle,
    *,
    data_card: DataCard,
    test: pl.DataFrame,
    evaluation: EvaluationParams,
    known: JsonStore,
) -> RefitComparison:
    """Compare a chosen model with its refit, unless that was done before.

    Args:
        chosen: Trained on train rows.
        refitted: Trained on train and validation rows.
        data_card: Of their dataset.
        test: Its encoded test rows.
        evaluation: How the rows are found that nothing was chosen by.
        known: Keeps comparisons by content.
    """
    key = fingerprint(
        {
            "comparison": [chosen.sha256, refitted.sha256],
            "code": describe_code(refitted, NATIVE),
            "metric": data_card.quality_metric.raw_parts,
            "data_version": data_card.data_version,
            "final": [evaluation.final_share, evaluation.final_min_rows, evaluation.seed],
        }
    )
    with contextlib.suppress(ValidationError):  # an older version's form
        document = known.get(key)
        if document is not None:
            return RefitComparison.model_validate(document)
    family = refitted.load_family()
    models = [one.load_native() for one in (chosen, refitted)]
    structures = [family.describe_structure(model) for model in models]
    compared = RefitComparison(
        quality=_compare_quality(family, models, data_card, test, evaluation),
        structure_changed=structures[0] != structures[1],
    )
    known.put(key, compared.model_dump(mode="json"))
    return compared


def _compare_quality(
    family: Family,
    models: Sequence[object],
    data_card: DataCard,
    test: pl.DataFrame,
    evaluation: EvaluationParams,
) -> RefitQuality:
    """Score both models on rows not used for the choice; on all test rows if there are none."""
    from rightfit.profiling.profiles.final_rows import find_final_rows
    from rightfit.profiling.profiles.quality_interval import quality_interval

    schema, metric = data_card.input_schema, data_card.quality_metric
    labels = schema.cast_labels(test["label"].to_numpy())
    judging = find_final_rows(
        labels, share=evaluation.final_share, min_rows=evaluation.final_min_rows
    )
    is_divided = bool(judging.any())
    judging = judging if is_divided else ~judging
    known = labels[judging]
    rows = np.ascontiguousarray(test.select(schema.features).to_numpy(), dtype=np.float32)

    def score(model: object) -> RawQuality:
        answers = check_answers(
            family.predict(model, rows[judging]), n_rows=len(known), schema=schema
        )
        low, high = quality_interval(metric, known, answers, seed=evaluation.seed)
        return RawQuality(raw=metric.score(known, answers), low=low, high=high)

    return RefitQuality(
        n_rows=len(known),
        chose_nothing=is_divided,
        chosen=score(models[0]),
        refitted=score(models[1]),
    )
