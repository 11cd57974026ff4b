from __future__ import annotations

from typing import Any

import pytest
from contests import make_application

from rightfit.ranking.explanation.refits import (
    ChosenServing,
    RawQuality,
    Refit,
    RefitCosts,
    RefitQuality,
    Refits,
    Shipped,
    decide_shipping,
)

WINNER = ChosenServing(
    candidate="forest-003",
    runtime="onnx",
    n_threads=1,
    device="cpu",
    request_path="request",
    quality_raw=0.8,
)
LIMITED = make_application(constraints={"latency_p50_ms": {"max": 5}, "quality": {"min": 0.5}})


def make_costs(**metrics: float | None) -> RefitCosts:
    return RefitCosts(
        runtime="onnx", n_threads=1, device="cpu", request_path="request", metrics=metrics
    )


def ship(**changes: Any) -> Shipped:
    quality = RefitQuality(
        n_rows=500,
        chose_nothing=True,
        chosen=RawQuality(raw=0.79, low=0.75, high=0.83),
        refitted=RawQuality(raw=0.81, low=0.77, high=0.85),
    )
    made: dict[str, Any] = {
        "candidate": "forest-003",
        "model": "forest",
        "quality_raw": (0.7, 0.8),
        "n_rows_chosen": 4_000,
        "n_rows": 5_000,
        "quality": quality,
    }
    return decide_shipping(WINNER, LIMITED, Refits(found=(Refit(**made | changes),)))


def test_refitted_model_is_shipped_with_both_qualities() -> None:
    shipped = ship()

    assert shipped.is_refitted
    assert shipped.sentence == (
        "trained again on 5,000 train and validation rows, 4,000 when it was chosen; 0.810 (0.770 "
        "to 0.850) on test rows not used for the choice, 0.790 before"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"why_not": "cascades are not refitted"}, "cascades are not refitted"),
        (
            {"structure_changed": True, "costs": (make_costs(latency_p50_ms=5.1),)},
            "it would break a limit, latency p50 at most 5 ms",
        ),
        ({"structure_changed": True, "costs": (make_costs(latency_p50_ms=None),)}, "break a limit"),
        ({"structure_changed": True}, "it was not measured as onnx"),
        ({"quality_raw": (0.9,)}, "not been refitted yet"),  # another model of that name
        ({"candidate": "forest-004"}, "not been refitted yet"),
    ],
)
def test_model_is_shipped_as_chosen_for_a_reason(changes: dict[str, Any], reason: str) -> None:
    shipped = ship(**changes)

    assert not shipped.is_refitted
    assert shipped.sentence.startswith("as it was chosen: ")
    assert reason in shipped.sentence


def test_changed_structure_within_the_limits_is_shipped() -> None:
    assert ship(structure_changed=True, costs=(make_costs(latency_p50_ms=4.9),)).is_refitted


def test_without_refits_the_reason_is_the_switch() -> None:
    assert "refit.when" in decide_shipping(WINNER, LIMITED, None).sentence
