from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker import single_stream
from rightfit.measuring.worker.meters.speed import SpeedProbe
from rightfit.measuring.worker.protocol import TimingLimits
from rightfit.measuring.worker.single_stream import (
    Block,
    SingleStream,
    select_clean,
    time_blocks,
)

ROWS = [np.full((1, 1), value, dtype=np.float32) for value in range(5)]
FAST, SLOW = 100, 180


def stream(call: Callable[[Any], object], *, n_windows: int) -> SingleStream:
    probe = SpeedProbe(known_ns=FAST)
    limits = TimingLimits(min_calls=10, min_ms=90e-6, max_ms=300e-6)
    return SingleStream(call, ROWS, probe, n_windows=n_windows, limits=limits)


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
    samples_ns, described = timed.finish(peak_memory_mib=7.0)

    assert first_rows == [0.0, 3.0]
    assert samples_ns.tolist() == [10, 20, 30, 40, 40, 40, 40, 40]
    assert (described.n_calls, described.n_calls_made) == (8, 12)
    assert (described.slow_share, described.probe_ns) == (0.0, FAST)


def test_core_beside_too_few_fast_calls_is_as_fast_as_in_most_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = [Block(np.array([10, 20, 30]), FAST), Block(np.array([99] * 8), SLOW)]
    monkeypatch.setattr(single_stream, "time_blocks", lambda *_, **__: blocks)
    timed = stream(lambda _: None, n_windows=1)

    timed.time_window()
    _, described = timed.finish(peak_memory_mib=7.0)

    assert (described.n_calls, described.probe_ns) == (11, (FAST + SLOW) / 2)


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


MS = 1_000_000
SEVEN_ROWS = [np.full((1, 1), value, dtype=np.float32) for value in range(7)]


class ScriptedProbe(SpeedProbe):
    """A probe that finds what it is told."""

    def __init__(self, found_ns: list[int]) -> None:
        super().__init__(known_ns=FAST)
        self._found_ns = iter(found_ns)

    def time_ns(self) -> int:
        return next(self._found_ns)


def time_some(
    call_ns: int, found_ns: list[int], *, min_calls: int, max_ns: int
) -> tuple[list[Block], list[float]]:
    now_ns = [0]
    answered = []

    def call(row: npt.NDArray[np.float32]) -> None:
        answered.append(float(row[0, 0]))
        now_ns[0] += call_ns

    blocks = time_blocks(
        call,
        SEVEN_ROWS,
        probe=ScriptedProbe(found_ns),
        min_calls=min_calls,
        min_ns=0,
        max_ns=max_ns,
        clock_ns=lambda: now_ns[0],
    )
    return blocks, answered


def test_blocks_go_on_through_the_rows() -> None:
    blocks, answered = time_some(MS, [FAST] * 9, min_calls=15, max_ns=1_000 * MS)

    assert [len(block.samples_ns) for block in blocks] == [10, 10]
    assert answered == [i % 7 for i in range(20)]


def test_blocks_beside_a_slow_probe_do_not_count() -> None:
    # Probes lie before the first block and after each: slow after the second one.
    blocks, _ = time_some(MS, [FAST, FAST, SLOW, FAST, FAST], min_calls=20, max_ns=1_000 * MS)

    assert [block.probe_ns for block in blocks] == [FAST, SLOW, SLOW, FAST]


@pytest.mark.parametrize(
    ("call_ns", "n_blocks", "n_calls"),
    [
        (MS, 3, 30),  # as many whole blocks as fit
        (100 * MS, 1, 1),  # one call exceeds everything
        (4 * MS, 3, 8),  # the last block is cut short
    ],
)
def test_blocks_end_with_the_time_allowed(call_ns: int, n_blocks: int, n_calls: int) -> None:
    blocks, _ = time_some(call_ns, [SLOW] * 9, min_calls=1, max_ns=30 * MS)

    assert len(blocks) == n_blocks
    assert sum(len(block.samples_ns) for block in blocks) == n_calls


def make_block(values: list[int], probe_ns: int) -> Block:
    return Block(np.array(values), probe_ns)


@pytest.mark.parametrize(
    ("min_calls", "expected", "slow_share"),
    [
        (2, [1, 2], 0.0),  # enough calls at full speed
        (3, [1, 2] + [9] * 8, 0.8),  # too few: all, and said so
    ],
)
def test_calls_at_full_speed_are_selected_when_there_are_enough(
    min_calls: int, expected: list[int], slow_share: float
) -> None:
    blocks = [make_block([1, 2], FAST), make_block([9] * 8, SLOW)]

    counted, share = select_clean(blocks, min_calls=min_calls, full_ns=FAST)

    assert [call for block in counted for call in block.samples_ns] == expected
    assert share == pytest.approx(slow_share)


def test_most_calls_are_enough_though_fewer_than_wanted() -> None:
    blocks = [make_block([1, 2, 3], FAST), make_block([9], SLOW)]

    assert select_clean(blocks, min_calls=100, full_ns=FAST) == (blocks[:1], 0.0)
