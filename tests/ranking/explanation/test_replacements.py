from __future__ import annotations

import pytest
from factories.rankings import around, make_application, make_profile, rank

from rightfit.ranking.explanation.decisions import Decision, Replacement
from rightfit.ranking.explanation.rankings import tabulate_rankings, tabulate_robust_choices
from rightfit.ranking.explanation.recommendation import Sensitivities, recommend
from rightfit.ranking.sensitivity.limit_effects import tabulate_limit_effects
from rightfit.ranking.sensitivity.weights import tabulate_weight_intervals

OLD = {"quality_raw": 0.6, "quality": 0.6, "latency_p50_ms": 10.0}
NEW = {"quality_raw": 0.9, "quality": 0.9, "latency_p50_ms": 10.0}


def decide(*rows: dict[str, object], **limits: dict[str, float]) -> Decision:
    ranked = [rank(*rows, application=make_application(constraints=limits))]
    tables = Sensitivities(
        tabulate_weight_intervals(ranked),
        tabulate_limit_effects(ranked),
        tabulate_robust_choices(tabulate_rankings(ranked)),
    )
    return recommend(ranked, tables, imported={"incumbent"})["test"].datasets["landsat"]


def compare(*rows: dict[str, object], **limits: dict[str, float]) -> Replacement:
    (found,) = decide(*rows, **limits).replacements
    return found


def test_gain_is_the_difference_of_utilities_with_the_metrics_asked_for() -> None:
    found = compare(make_profile("incumbent", **OLD), make_profile("net-1", **NEW))

    assert found.utility_gain == pytest.approx(0.15)  # half the weight on 0.3 of quality
    assert [(one.metric, one.now, one.then) for one in found.changes] == [
        ("quality_raw", 0.6, 0.9),
        ("latency_p50_ms", 10.0, 10.0),
    ]
    assert found.sentence == (
        "Changing from incumbent (onnx, 1 thread), imported, to net-1 (onnx, 1 thread): utility "
        "0.550 \N{RIGHTWARDS ARROW} 0.700, quality 0.600 \N{RIGHTWARDS ARROW} 0.900 and "
        "latency p50 10 ms \N{RIGHTWARDS ARROW} 10 ms."
    )


def test_imported_winner_gains_nothing_by_changing() -> None:
    found = compare(make_profile("incumbent", **NEW), make_profile("net-1", **OLD))

    assert found.utility_gain == 0
    assert found.changes == []
    assert "nothing to gain" in found.sentence


def test_broken_limit_is_named() -> None:
    found = compare(
        make_profile("incumbent", **OLD),
        make_profile("net-1", **NEW),
        quality={"min": 0.8},
    )

    assert [one.metric for one in found.violations] == ["quality"]
    assert found.sentence.endswith("It breaks the application's limit on scaled quality.")


def test_tie_is_said() -> None:
    found = compare(
        make_profile(
            "incumbent", **around("quality", 0.6, 0.2), quality_raw=0.6, latency_p50_ms=10.0
        ),
        make_profile(
            "net-1", **around("quality", 0.65, 0.2), quality_raw=0.65, latency_p50_ms=10.0
        ),
    )

    assert found.is_tied
    assert "cannot distinguish" in found.sentence


def test_searched_models_are_not_compared() -> None:
    assert decide(make_profile("forest-1", **OLD), make_profile("net-1", **NEW)).replacements == []
