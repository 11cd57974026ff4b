from __future__ import annotations

from typing import Any

import pytest
from factories.rankings import make_application, make_refit_quality

from rightfit.ranking.explanation.shipping import (
    ChosenServing,
    Refit,
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


def make_row(**metrics: float | None) -> dict[str, Any]:
    """What was measured of a model, as in resource_profiles."""
    serving = {"runtime": "onnx", "n_threads": 1, "device": "cpu", "request_path": "request"}
    names = dict.fromkeys(("dataset", "model", "candidate", "environment_id"), "-")
    return names | serving | metrics


def judge(refitted: float) -> RefitQuality:
    return make_refit_quality(refitted, 0.0392)


def make_refit(**changes: Any) -> Refit:
    made: dict[str, Any] = {
        "candidate": "forest-003",
        "model": "forest",
        "quality_raw": (0.7, 0.8),
        "n_rows_chosen": 4_000,
        "n_rows": 5_000,
        "quality": judge(0.81),
    }
    return Refit(**made | changes)


def ship(**changes: Any) -> Shipped:
    return decide_shipping(WINNER, LIMITED, Refits(found=(make_refit(**changes),)))


def test_refitted_model_is_shipped_with_both_qualities() -> None:
    shipped = ship()

    assert shipped.is_refitted
    assert shipped.sentence == (
        "trained again on 5,000 train and validation rows, 4,000 when it was chosen; 0.810 (0.771 "
        "to 0.849) on test rows not used for the choice, 0.790 before"
    )


def test_model_that_has_learnt_from_all_rows_says_by_what_it_was_judged() -> None:
    shipped = ship(quality=None, learnt_from_test=True)

    assert shipped.is_refitted
    assert shipped.sentence == (
        "trained again on 5,000 train, validation and test rows, 4,000 when it was chosen; its "
        "quality was measured as it was chosen, by rows it had not seen"
    )


@pytest.mark.parametrize(("refitted", "is_worse"), [(0.771, False), (0.769, True)])
def test_refit_that_is_worse_by_more_than_its_standard_error_says_so(
    refitted: float, is_worse: bool
) -> None:
    shipped = ship(quality=judge(refitted))  # the standard error is 0.0392 / 1.96 = 0.02

    assert shipped.is_refitted
    assert ("WORSE by more than its standard error" in shipped.sentence) is is_worse
    assert shipped.is_notable is is_worse


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"why_not": "it is imported"}, "it is imported"),
        (
            {"structure_changed": True, "profiles": (make_row(latency_p50_ms=5.1),)},
            "it would break a limit, latency p50 at most 5 ms",
        ),
        (
            {"structure_changed": True, "profiles": (make_row(latency_p50_ms=None),)},
            "break a limit",
        ),
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
    assert ship(structure_changed=True, profiles=(make_row(latency_p50_ms=4.9),)).is_refitted


def test_without_refits_none_was_wanted() -> None:
    shipped = decide_shipping(WINNER, LIMITED, None)

    assert shipped.sentence == "as it was chosen: no refit was wanted"
    assert not shipped.is_notable
