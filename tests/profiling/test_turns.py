from __future__ import annotations

from typing import Any

import pytest

from rightfit.profiling.turns import SCREENED, is_over, saved_by_screening_s


def state(n_rounds: int, settled: str | None, *, round_ms: float = 100.0) -> dict[str, Any]:
    return {"rounds": [{"total_ms": round_ms}] * n_rounds, "settled": settled, "error": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, False), ({"settled": "precise"}, True), ({"error": "it fails"}, True)],
)
def test_measurement_is_over_when_settled_or_failed(
    changes: dict[str, Any], expected: bool
) -> None:
    assert is_over(state(3, None) | changes) is expected


def test_savings_are_what_the_screened_would_have_taken() -> None:
    states = [
        state(6, "precise"),
        state(8, "processes"),
        state(2, SCREENED, round_ms=200.0),  # 5 processes of 0.2 s fewer than the usual 7
        state(2, SCREENED, round_ms=1_000.0),
    ]

    assert saved_by_screening_s(states) == pytest.approx(6.0)


def test_nothing_is_saved_when_all_were_screened() -> None:
    assert saved_by_screening_s([state(2, SCREENED)]) == 0.0
