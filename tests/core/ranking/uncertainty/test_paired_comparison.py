from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.rankings import make_application, make_profile, rank

from rightfit.measuring.profiles.prediction_quality import share_interval
from rightfit.models.quality.standard_errors import pack_deviations
from rightfit.ranking.uncertainty.paired_comparison import draw_together
from rightfit.ranking.uncertainty.selection_probability import simulate

QUALITY_ALONE = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})
N_ROWS = 1_000


def answering(name: str, hits: np.ndarray, *, paired: bool = True) -> dict[str, Any]:
    """A profile whose quality is the accuracy of some hits."""
    low, high = share_interval(int(hits.sum()), len(hits))
    deviations = {"quality_deviations": pack_deviations(hits - hits.mean())} if paired else {}
    return make_profile(
        name, quality=float(hits.mean()), quality_low=low, quality_high=high, **deviations
    )


def hits_but(*wrong: int) -> np.ndarray:
    hits = np.ones(N_ROWS, dtype=bool)
    hits[list(wrong)] = False
    return hits


def test_two_that_differ_on_few_rows_all_in_favour_of_one_are_ordered_only_when_paired() -> None:
    both_wrong = range(100)
    better, worse = hits_but(*both_wrong), hits_but(*both_wrong, *range(200, 220))

    alone = rank(
        answering("a-1", better, paired=False),
        answering("a-2", worse, paired=False),
        application=QUALITY_ALONE,
    )
    paired = rank(answering("a-1", better), answering("a-2", worse), application=QUALITY_ALONE)

    assert alone.may_be_best.tolist() == [True, True]  # 0.90 and 0.88 of 1,000 rows
    assert paired.may_be_best.tolist() == [True, False]
    assert paired.p_best[0] > alone.p_best[0]
    assert paired.p_best[0] > 0.999


def test_three_rows_of_difference_are_no_proof() -> None:
    both_wrong = range(100)
    better, worse = hits_but(*both_wrong), hits_but(*both_wrong, 200, 201, 202)

    paired = rank(answering("a-1", better), answering("a-2", worse), application=QUALITY_ALONE)

    assert paired.may_be_best[1]


def test_pairing_changes_no_interval_of_a_single_candidate() -> None:
    hits = hits_but(*range(100))

    alone, paired = (
        rank(answering("a-1", hits, paired=paired), application=QUALITY_ALONE)
        for paired in (False, True)
    )

    assert paired.utility_low.tolist() == alone.utility_low.tolist()


def test_a_loss_against_the_best_is_judged_by_the_difference() -> None:
    application = make_application(
        objectives={"quality": {"weight": 1, "worst": 0, "best": 1}},
        constraints={"quality": {"max_degradation": 0.02}},
    )
    best, other = hits_but(*range(100)), hits_but(*range(100), 200, 201)  # 0.002 worse

    alone, paired = (
        rank(
            answering("a-1", best, paired=paired),
            answering("a-2", other, paired=paired),
            application=application,
        )
        for paired in (False, True)
    )

    p_feasible = [
        simulate(
            ranked.assessment, np.arange(2), n_draws=4_000, rng=np.random.default_rng(0)
        ).p_feasible[1]
        for ranked in (alone, paired)
    ]
    assert p_feasible[0] < 0.95
    assert p_feasible[1] > 0.999


def test_profiles_of_other_rows_and_of_none_count_as_independent() -> None:
    better, worse = hits_but(*range(100)), hits_but(*range(120))
    of_other_rows = answering("a-2", worse) | {
        "quality_deviations": pack_deviations(np.array([1.0, -1.0]))
    }

    with_none = answering("a-2", worse, paired=False) | {"quality_deviations": None}

    for other in (of_other_rows, with_none):
        ranked = rank(answering("a-1", better), other, application=QUALITY_ALONE)
        assert ranked.may_be_best[1]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_errors_are_drawn_as_correlated_as_the_deviations(share: float) -> None:
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((2, 5_000))
    rows = np.stack([common, share * common + (1 - share) * own])
    scaled = rows - rows.mean(axis=1, keepdims=True)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)

    drawn = draw_together(scaled, (20_000, 2), rng)

    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(float(scaled[0] @ scaled[1]), abs=0.02)
    assert drawn.std(axis=0) == pytest.approx([1.0, 1.0], abs=0.02)


def test_deviations_of_another_version_end_in_one_message_with_the_way_out() -> None:
    profile = answering("a-1", hits_but(1)) | {"quality_deviations": "AAAAPAA8"}

    with pytest.raises(ValueError, match=r"written by another version.*pipelines evaluation,rank"):
        rank(profile, application=QUALITY_ALONE)
