from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.blocks import Block, select_clean, time_blocks

MS = 1_000_000
ROWS = [np.full((1, 1), value, dtype=np.float32) for value in range(7)]


def run(
    call_ns: int, slow: list[bool], *, min_calls: int, min_ns: int, max_ns: int
) -> tuple[list[Block], list[float]]:
    now_ns = [0]
    answered = []
    looks = iter(slow)

    def call(row: npt.NDArray[np.float32]) -> None:
        answered.append(float(row[0, 0]))
        now_ns[0] += call_ns

    blocks = time_blocks(
        call,
        ROWS,
        is_slow=lambda: next(looks),
        min_calls=min_calls,
        min_ns=min_ns,
        max_ns=max_ns,
        clock_ns=lambda: now_ns[0],
    )
    return blocks, answered


def test_blocks_go_on_through_the_rows() -> None:
    blocks, answered = run(MS, [False] * 9, min_calls=15, min_ns=0, max_ns=1_000 * MS)

    assert [len(block.samples_ns) for block in blocks] == [10, 10]
    assert answered == [i % 7 for i in range(20)]


def test_blocks_beside_a_slow_look_do_not_count() -> None:
    # Looks lie before the first block and after each: slow after the second one.
    blocks, _ = run(
        MS, [False, False, True, False, False], min_calls=20, min_ns=0, max_ns=1_000 * MS
    )

    assert [block.is_slow for block in blocks] == [False, True, True, False]


@pytest.mark.parametrize(
    ("call_ns", "n_blocks", "n_calls"),
    [
        (MS, 3, 30),  # as many whole blocks as fit
        (100 * MS, 1, 1),  # one call exceeds everything
        (4 * MS, 3, 8),  # the last block is cut short
    ],
)
def test_blocks_end_with_the_time_allowed(call_ns: int, n_blocks: int, n_calls: int) -> None:
    blocks, _ = run(call_ns, [True] * 9, min_calls=1, min_ns=0, max_ns=30 * MS)

    assert len(blocks) == n_blocks
    assert sum(len(block.samples_ns) for block in blocks) == n_calls


def block(values: list[int], *, is_slow: bool) -> Block:
    return Block(np.array(values), is_slow)


def test_clean_calls_are_selected_when_there_are_enough() -> None:
    blocks = [block([1, 2], is_slow=False), block([9] * 8, is_slow=True)]

    samples_ns, slow_share = select_clean(blocks, min_calls=2)

    assert samples_ns.tolist() == [1, 2]
    assert slow_share == 0.0


def test_all_calls_are_kept_when_too_few_are_clean() -> None:
    blocks = [block([1, 2], is_slow=False), block([9] * 8, is_slow=True)]

    samples_ns, slow_share = select_clean(blocks, min_calls=3)

    assert samples_ns.tolist() == [1, 2] + [9] * 8
    assert slow_share == pytest.approx(0.8)


def test_most_calls_are_enough_though_fewer_than_wanted() -> None:
    blocks = [block([1, 2, 3], is_slow=False), block([9], is_slow=True)]

    samples_ns, _ = select_clean(blocks, min_calls=100)

    assert samples_ns.tolist() == [1, 2, 3]
