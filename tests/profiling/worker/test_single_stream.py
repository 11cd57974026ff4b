from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.worker import single_stream
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.profiling.worker.single_stream import Block, SingleStream

ROWS = [np.full((1, 1), value, dtype=np.float32) for value in range(5)]
FAST, SLOW = 100, 180


def stream(call: Callable[[Any], object], *, n_windows: int) -> SingleStream:
    probe = SpeedProbe(known_ns=FAST)
    return SingleStream(call, ROWS, probe, n_windows=n_windows, min_calls=10, min_ns=90, max_ns=300)


def test_windows_share_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def time_blocks(*_: Any, **limits: Any) -> list[Block]:
        asked.append({name: limits[name] for name in ("min_calls", "min_ns", "max_ns")})
        return [Block(np.array([7, 7]), FAST)]

    monkeypatch.setattr(single_stream, "time_blocks", time_blocks)
    timed = stream(lambda _: None, n_windows=3)

    timed.time_window()

    assert asked == [{"min_calls": 4, "min_ns": 30, "max_ns": 100}]


def test_windows_go_on_through_the_rows_and_are_judged_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first_rows = []
    windows = iter(
        [
            [Block(np.array([10, 20, 30]), FAST)],
            [Block(np.array([99, 99, 99, 99]), SLOW), Block(np.array([40] * 5), FAST)],
        ]
    )

    def time_blocks(_call: Any, rows: list[npt.NDArray[np.float32]], **_: Any) -> list[Block]:
        first_rows.append(float(rows[0][0, 0]))
        return next(windows)

    monkeypatch.setattr(single_stream, "time_blocks", time_blocks)
    timed = stream(lambda _: None, n_windows=2)

    timed.time_window()
    timed.time_window()
    selected = timed.select()
    described = timed.describe(selected, peak_memory_mib=7.0)

    assert first_rows == [0.0, 3.0]
    assert selected.samples_ns.tolist() == [10, 20, 30, 40, 40, 40, 40, 40]
    assert (described.n_calls, described.n_calls_made) == (8, 12)
    assert described.slow_share == 0.0


def test_warming_up_takes_other_rows_than_the_window_and_is_reported() -> None:
    answered = []
    timed = stream(lambda row: answered.append(float(row[0, 0])), n_windows=2)

    timed.warm_up(max_ns=1)
    timed.warm_up(max_ns=1)
    described = timed.sum_warm_ups()

    assert answered[:3] == [2.0, 3.0, 4.0]  # of five rows, the window begins with 0
    assert described.n_calls == len(answered)
    assert described.ms > 0
    assert not described.is_steady  # the first block has none to be compared with
    assert timed.n_calls == 0
