from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from factories import cells

from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.tuning.search.learning_curve import MAX_KEPT, Look, PausedTrainings, follow_training

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (lambda n_rows: np.full((n_rows, 3), np.nan), "NaN or infinity"),
        (lambda n_rows: np.ones((n_rows, 1)), "must answer shape"),
        (lambda n_rows: np.ones((n_rows, 3)), "must sum to 1"),
    ],
)
def test_training_whose_answers_are_no_probabilities_fails_with_the_reason(
    answers: Any, reason: str, blobs: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cells.make_cell(blobs)
    monkeypatch.setattr(get_family("linear"), "predict", lambda model, rows: answers(len(rows)))
    configuration = {
        "n_epochs": 2, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.01,
    }  # fmt: skip

    with pytest.raises(ValueError, match=reason):
        list(
            follow_training(cell, configuration, n_checkpoints=1, seed=0, n_threads=1, device="cpu")
        )


def make_no_training() -> Iterator[Look]:
    yield from ()


def test_paused_trainings_that_waited_longest_are_dropped_where_memory_ends() -> None:
    kept = PausedTrainings(cap_mib=3.0)

    for number in range(4):
        kept.keep(number, 1, make_no_training(), Look(None, {}, 1.0))

    assert [number for number in range(4) if kept.look_at(number, 1)] == [1, 2, 3]


def test_number_of_paused_trainings_is_bounded_however_small_they_are() -> None:
    kept = PausedTrainings(cap_mib=1e6)

    for number in range(MAX_KEPT + 5):
        kept.keep(number, 1, make_no_training(), Look(None, {}, 0.0))

    numbers = range(MAX_KEPT + 5)
    assert [number for number in numbers if kept.look_at(number, 1)] == list(numbers)[5:]
