from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.profiling.worker.single_stream import Block, select_clean, time_blocks

MS = 1_000_000
ROWS = [np.full((1, 1), value, dtype=np.float32) for value in range(7)]
FAST, SLOW = 100, 180


class Probe(SpeedProbe):
    """A probe that finds what it is told."""

    def __init__(self, found_ns: list[int]) -> None:
        super().__init__(known_ns=FAST)
        self._found_ns = iter(found_ns)

    def time_ns(self) -> int:
        return next(self._found_ns)


def run(
    call_ns: int, found_ns: list[int], *, min_calls: int, max_ns: int
) -> tuple[list[Block], list[float]]:
    now_ns = [0]
    answered = []

    def call(row: npt.NDArray[np.float32]) -> None:
        answered.append(float(row[0, 0]))
        now_ns[0] += call_ns

    blocks = time_blocks(
        call,
        ROWS,
        probe=Probe(found_ns),
        min_calls=min_calls,
        min_ns=0,
        max_ns=max_ns,
        clock_ns=lambda: now_ns[0],
    )
    return blocks, answered


def test_blocks_go_on_through_the_rows() -> None:
    blocks, answered = run(MS, [FAST] * 9, min_calls=15, max_ns=1_000 * MS)

    assert [len(block.samples_ns) for block in blocks] == [10, 10]
    assert answered == [i % 7 for i in range(20)]


def test_blocks_beside_a_slow_probe_do_not_count() -> None:
    # Probes lie before the first block and after each: slow after the second one.
    blocks, _ = run(MS, [FAST, FAST, SLOW, FAST, FAST], min_calls=20, max_ns=1_000 * MS)

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
    blocks, _ = run(call_ns, [SLOW] * 9, min_calls=1, max_ns=30 * MS)

    assert len(blocks) == n_blocks
    assert sum(len(block.samples_ns) for block in blocks) == n_calls


def block(values: list[int], probe_ns: int) -> Block:
    return Block(np.array(values), probe_ns)


@pytest.mark.parametrize(
    ("min_calls", "expected", "slow_share", "probe_ns"),
    [
        (2, [1, 2], 0.0, FAST),  # enough calls at full speed
        (3, [1, 2] + [9] * 8, 0.8, (FAST + SLOW) / 2),  # too few: all, and said so
    ],
)
def test_calls_at_full_speed_are_selected_when_there_are_enough(
    min_calls: int, expected: list[int], slow_share: float, probe_ns: float
) -> None:
    blocks = [block([1, 2], FAST), block([9] * 8, SLOW)]

    selected = select_clean(blocks, min_calls=min_calls, full_ns=FAST)

    assert selected.samples_ns.tolist() == expected
    assert selected.slow_share == pytest.approx(slow_share)
    assert selected.probe_ns == probe_ns


def test_most_calls_are_enough_though_fewer_than_wanted() -> None:
    blocks = [block([1, 2, 3], FAST), block([9], SLOW)]

    assert select_clean(blocks, min_calls=100, full_ns=FAST).samples_ns.tolist() == [1, 2, 3]
