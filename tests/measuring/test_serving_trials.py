from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rightfit.measuring.serving import Serving
from rightfit.measuring.serving_trials import ServingTrial, halve_trials


def make_trial(name: str) -> ServingTrial:
    rows = np.zeros((1, 2))
    return ServingTrial(name, Serving("onnx", 1), lambda rows: rows, [rows], rows, None, 0.1)


def test_the_better_half_stays_for_each_purpose_and_is_timed_twice_as_long() -> None:
    trials = [make_trial(name) for name in "abcdefgh"]
    rounds: list[tuple[int, str]] = []

    def select(alive: Sequence[ServingTrial], quota: int) -> list[int]:
        rounds.append((quota, "".join(trial.candidate for trial in alive)))
        first, last = range(quota), range(len(alive) - quota, len(alive))
        return sorted({*first, *last} - {0} if quota == 2 else {*first})

    finalists = halve_trials(trials, select, n_finalists=2, seed=0)

    assert rounds == [(4, "abcdefgh"), (2, "abcd")]
    assert [trial.candidate for trial in finalists] == ["b", "c", "d"]
    assert [len(trial.row_s) for trial in trials] == [9] * 4 + [3] * 4
    assert [len(trial.batch_s) for trial in trials] == [9] * 4 + [3] * 4


def test_inputs_of_one_row_rotate() -> None:
    trial = make_trial("a")
    seen: list[Any] = []
    trial.singles = [0, 1, 2]
    trial.predict = seen.append

    trial.run_slices(1)

    assert seen[:4] == [1, 2, 0, 1]
