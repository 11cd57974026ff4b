"""Parts of a request are told as shares of a whole call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker.request_parts import time_parts
from rightfit.measuring.worker.results import PARTS

REQUESTS = [{"a": [1.5], "b": [None], "image": [b"\x00\xff"]}] * 3


class Model:
    """Answers at once what it was given."""

    def __init__(self, answer: npt.NDArray[Any]) -> None:
        self._answer = answer

    def feed(self, columns: dict[str, list[Any]]) -> object:
        return sorted(columns)

    def __call__(self, columns: dict[str, list[Any]]) -> npt.NDArray[Any]:
        self.feed(columns)
        return self._answer.copy()


@pytest.mark.parametrize("answer", [[[0.25, 0.75]], [[7.5]]], ids=["classes", "value"])
def test_feeding_and_graph_are_the_whole_call(answer: list[list[float]]) -> None:
    parts = time_parts(Model(np.array(answer, np.float32)), REQUESTS)

    assert parts is not None
    assert set(parts) == set(PARTS)
    assert min(parts.values()) >= 0
    assert parts["feeding"] + parts["graph"] == pytest.approx(1)


def test_encoded_rows_have_no_parts() -> None:
    assert time_parts(lambda rows: rows, [np.zeros((1, 2))]) is None


def test_answers_that_json_does_not_hold_leave_the_parts_out() -> None:
    assert time_parts(Model(np.array([[np.nan]], np.float32)), REQUESTS) is None
