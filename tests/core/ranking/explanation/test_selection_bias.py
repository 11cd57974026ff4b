from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.rankings import make_application, make_profile, make_rules, number_of, rank

from rightfit.measuring.metrics import Figure
from rightfit.measuring.profiles.prediction_quality import share_interval
from rightfit.models.quality.standard_errors import pack_deviations
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.explanation.selection_bias import correct_winner

QUALITY_ALONE = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})
N_ROWS = 400


def answering(name: str, hits: np.ndarray, **values: Any) -> dict[str, Any]:
    """A profile whose quality is the accuracy of some hits; it spans 0.5 to 1.0."""
    raw = float(hits.mean())
    low, high = share_interval(int(hits.sum()), len(hits))
    scaled = {f"quality{end}": 2 * x - 1 for end, x in (("", raw), ("_low", low), ("_high", high))}
    return make_profile(
        name,
        quality_raw=raw,
        quality_raw_low=low,
        quality_raw_high=high,
        quality_deviations=pack_deviations((hits - raw) / len(hits)),
        **scaled,
        **values,
    )


def draw_hits(n_models: int, truth: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(size=N_ROWS) < truth for _ in range(n_models)]


def correct(ranked: ApplicationRanking) -> tuple[Figure, float]:
    corrected = correct_winner(ranked, int(ranked.order[0]))
    assert corrected is not None
    return corrected


def test_of_many_equal_models_the_winner_is_corrected_to_near_their_common_truth() -> None:
    errors, biases, n_held = [], [], 0
    for seed in range(20):
        rows = [answering(f"a-{i}", hits) for i, hits in enumerate(draw_hits(10, 0.8, seed))]
        corrected, bias = correct(rank(*rows, application=QUALITY_ALONE))
        assert corrected.low is not None
        assert corrected.high is not None
        errors.append(float(corrected) - 0.8)
        biases.append(bias)
        n_held += corrected.low <= 0.8 <= corrected.high

    assert np.mean(biases) == pytest.approx(0.0308, abs=0.01)  # 1.54 standard errors of 0.02
    assert abs(np.mean(errors)) < 0.012  # of means of 20: the standard error is 0.005
    assert n_held >= 17  # of 20, at 95 %


def test_a_winner_by_the_tie_rule_is_corrected_for_the_luck_of_that_choice() -> None:
    same_for_all = {"latency_p50_ms": {"weight": 1, "worst": 100, "best": 1}}
    by_quality = make_rules(ties={"rule": [{"by": "quality", "prefer": "higher"}]})
    errors = []
    for seed in range(20):
        models = enumerate(draw_hits(10, 0.8, seed))
        rows = [answering(f"a-{i}", hits, latency_p50_ms=9) for i, hits in models]
        application = make_application(objectives=same_for_all)
        corrected, _ = correct(rank(*rows, application=application, rules=by_quality))
        errors.append(float(corrected) - 0.8)

    assert abs(np.mean(errors)) < 0.012


def test_a_winner_is_corrected_by_its_own_luck_where_another_one_is_chosen_as_often() -> None:
    both = {"weight": 1, "worst": 0, "best": 1}
    application = make_application(objectives={"quality": both, "cpu_cores": both})
    good, bad = draw_hits(1, 0.9, 0)[0], draw_hits(1, 0.7, 1)[0]
    costs = [1.0 - (2 * hits.mean() - 1) for hits in (good, bad)]  # of the same utility

    rows = [answering("a-1", good, cpu_cores=costs[0]), answering("a-2", bad, cpu_cores=costs[1])]
    ranked = rank(*rows, application=application)
    corrected, _ = correct(ranked)

    assert ranked.assessment.utility == pytest.approx(ranked.assessment.utility[0])
    measured = ranked.assessment.table.values("quality_raw")[ranked.order[0]]
    assert corrected.value == pytest.approx(measured, abs=0.035)


def test_a_rival_of_wide_error_says_nothing_of_the_size_of_the_winners() -> None:
    precise = draw_hits(1, 0.8, 0)[0]
    wide = answering("b-1", draw_hits(1, 0.75, 1)[0])
    deviations = np.random.default_rng(2).normal(0, 0.5 / np.sqrt(N_ROWS), N_ROWS)
    wide |= {
        "quality_deviations": pack_deviations(deviations),
        "quality_low": -1,
        "quality_high": 1,
    }
    wide |= {"quality_raw_low": 0.0, "quality_raw_high": 1.0}

    ranked = rank(answering("a-1", precise), wide, application=QUALITY_ALONE)

    assert ranked.order[0] == number_of(ranked.assessment, "a-1")
    assert correct(ranked)[1] < 2 * precise.std() / np.sqrt(N_ROWS)


def test_a_winner_without_a_rival_is_as_good_as_measured() -> None:
    good, bad = draw_hits(1, 0.95, 0)[0], draw_hits(1, 0.6, 1)[0]

    corrected, bias = correct(
        rank(answering("a-1", good), answering("a-2", bad), application=QUALITY_ALONE)
    )

    assert bias == pytest.approx(0.0, abs=0.003)
    assert corrected.value == pytest.approx(good.mean(), abs=0.003)
    assert corrected.high is not None
    assert corrected.high - float(corrected) == pytest.approx(
        share_interval(int(good.sum()), N_ROWS)[1] - good.mean()
    )


def test_the_interval_of_a_corrected_quality_is_wider_than_the_measured_one() -> None:
    rows = [answering(f"a-{i}", hits) for i, hits in enumerate(draw_hits(10, 0.8, 0))]
    ranked = rank(*rows, application=QUALITY_ALONE)

    corrected, bias = correct(ranked)

    winner = int(ranked.assessment.chosen[ranked.order[0]])
    low, high = ranked.assessment.table.read_ends("quality_raw", winner)
    assert low is not None
    assert high is not None
    assert corrected.low is not None
    assert corrected.high is not None
    assert corrected.high - corrected.low > high - low
    assert corrected.value == ranked.assessment.table.values("quality_raw")[winner] - bias


def test_what_costs_decide_is_not_corrected() -> None:
    application = make_application(
        objectives={
            "quality": {"weight": 1e-6, "worst": 0, "best": 1},
            "latency_p50_ms": {"weight": 1, "worst": 100, "best": 1},
        }
    )
    one, other = draw_hits(2, 0.8, 0)

    ranked = rank(
        answering("a-1", one, latency_p50_ms=90),
        answering("a-2", other, latency_p50_ms=2),
        application=application,
    )

    assert ranked.order[0] == number_of(ranked.assessment, "a-2")
    assert correct(ranked)[1] == pytest.approx(0.0, abs=0.003)


def test_rows_that_were_held_out_change_no_correction() -> None:
    (hits,) = draw_hits(1, 0.8, 0)
    held_out = {"final_quality_raw": 0.77}

    apart, whole = (
        correct(rank(answering("a-1", hits) | values, application=QUALITY_ALONE))
        for values in (held_out, {})
    )

    assert apart == whole


def test_without_deviations_nothing_is_corrected() -> None:
    ranked = rank(make_profile("a-1", quality=0.5, quality_raw=0.5), application=QUALITY_ALONE)

    assert correct_winner(ranked, 0) is None
