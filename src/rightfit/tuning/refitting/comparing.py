"""What refitting a model has changed: its quality on test rows, and whether its structure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy.typing as npt
from pydantic import ValidationError

from rightfit.families.bundle import ONNX_FILE, Bundle
from rightfit.families.family import Rows, TrainingData
from rightfit.families.predictions import check_predictions
from rightfit.families.runtimes import NATIVE, describe_code, open_model
from rightfit.preparation.describing import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.explanation.refits import RawQuality, RefitComparison, RefitQuality

ONNX = "onnx"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Judging:
    """Which test rows judge, and how surely.

    Args:
        final_share: Share of the test rows that nothing is chosen by.
        final_min_rows: Fewer test rows are not divided.
        seed: Of the intervals.
    """

    final_share: float
    final_min_rows: int
    seed: int


def compare_models(
    chosen: Bundle,
    refitted: Bundle,
    *,
    data_card: DataCard,
    test: TrainingData,
    judging: Judging,
    known: JsonStore,
) -> RefitComparison:
    """Compare a chosen model with its refit, unless that was done before.

    Args:
        chosen: Trained on train rows.
        refitted: Trained on train and validation rows.
        data_card: Of their dataset.
        test: Its encoded test rows.
        judging: How the rows are found that nothing was chosen by.
        known: Keeps comparisons by content.
    """
    key = fingerprint(
        {
            "comparison": [chosen.sha256, refitted.sha256],
            "code": describe_code(refitted, ONNX if _is_graph(refitted) else NATIVE),
            "metric": [data_card.quality.raw_parts, data_card.quality.raw_bounds],
            "data_version": data_card.data_version,
            "final": astuple(judging),
        }
    )
    with contextlib.suppress(ValidationError):  # an older version's form
        document = known.get(key)
        if document is not None:
            return RefitComparison.model_validate(document)
    answered = [_answer(one, test.rows) for one in (chosen, refitted)]
    structures = [structure for _, structure in answered]
    answers = [
        check_predictions(found, n_rows=len(test.labels), schema=test.schema)
        for found, _ in answered
    ]
    compared = RefitComparison(
        quality=_compare_quality(answers, data_card.quality, test, judging),
        structure_changed=_is_graph(refitted) or structures[0] != structures[1],
    )
    known.put(key, compared.model_dump(mode="json"))
    return compared


def _is_graph(bundle: Bundle) -> bool:
    """Tell whether a model exists as an ONNX file alone, as a cascade does."""
    return bundle.weights_file == ONNX_FILE


def _answer(bundle: Bundle, rows: Rows) -> tuple[Any, object]:
    """Return a model's answers, and its structure where its family knows one."""
    if _is_graph(bundle):
        return open_model(bundle, runtime=ONNX, n_threads=1, device="cpu")(rows), None
    family, model = bundle.load_family(), bundle.load_native()
    return family.predict(model, rows), family.describe_structure(model)


def _compare_quality(
    answers: Sequence[Array], metric: QualityMetric, test: TrainingData, judging: Judging
) -> RefitQuality:
    """Score both models on rows not used for the choice; on all test rows if there are none."""
    from rightfit.profiling.profiles.final_rows import find_final_rows
    from rightfit.profiling.profiles.quality_interval import quality_interval

    final = find_final_rows(test.labels, share=judging.final_share, min_rows=judging.final_min_rows)
    is_divided = bool(final.any())
    judges = final if is_divided else ~final

    def score(found: Array, rows: Array) -> RawQuality:
        known, found = test.labels[rows], found[rows]
        low, high = quality_interval(metric, known, found, seed=judging.seed)
        return RawQuality(raw=metric.score(known, found), low=low, high=high)

    chosen, refitted = (score(found, judges) for found in answers)
    others = score(answers[1], ~judges) if is_divided else refitted
    columns = {"quality_raw": others.raw, "quality_raw_low": others.low}
    columns["quality_raw_high"] = others.high
    columns |= {name.replace("_raw", ""): metric.scale(value) for name, value in columns.items()}
    return RefitQuality(
        n_rows=int(judges.sum()),
        chose_nothing=is_divided,
        chosen=chosen,
        refitted=refitted,
        columns=columns,
    )
