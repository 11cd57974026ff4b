"""What refitting a model has changed: its quality on test rows, and whether its structure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from pydantic import ValidationError

from rightfit.families.answers import check_answers
from rightfit.families.bundle import Bundle
from rightfit.families.family import Family, TrainingData
from rightfit.families.runtimes import NATIVE, describe_code
from rightfit.preparation.describing import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.ranking.explanation.refits import RawQuality, RefitComparison, RefitQuality


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
            "code": describe_code(refitted, NATIVE),
            "metric": data_card.quality_metric.raw_parts,
            "data_version": data_card.data_version,
            "final": astuple(judging),
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
        quality=_compare_quality(family, models, data_card, test, judging),
        structure_changed=structures[0] != structures[1],
    )
    known.put(key, compared.model_dump(mode="json"))
    return compared


def _compare_quality(
    family: Family,
    models: Sequence[object],
    data_card: DataCard,
    test: TrainingData,
    judging: Judging,
) -> RefitQuality:
    """Score both models on rows not used for the choice; on all test rows if there are none."""
    from rightfit.profiling.profiles.final_rows import find_final_rows
    from rightfit.profiling.profiles.quality_interval import quality_interval

    metric = data_card.quality_metric
    judges = find_final_rows(
        test.labels, share=judging.final_share, min_rows=judging.final_min_rows
    )
    is_divided = bool(judges.any())
    judges = judges if is_divided else ~judges
    known, rows = test.labels[judges], test.rows[judges]

    def score(model: object) -> RawQuality:
        answers = check_answers(family.predict(model, rows), n_rows=len(known), schema=test.schema)
        low, high = quality_interval(metric, known, answers, seed=judging.seed)
        return RawQuality(raw=metric.score(known, answers), low=low, high=high)

    return RefitQuality(
        n_rows=len(known),
        chose_nothing=is_divided,
        chosen=score(models[0]),
        refitted=score(models[1]),
    )
