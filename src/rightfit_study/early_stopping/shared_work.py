"""Work on many items in processes side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], *, n_jobs: int, n_at_once: int = 1
) -> Iterator[Result]:
    """Yield what the work on each item returns, in their order.

    Args:
        work: A function of a module, or a ``partial`` of one: other processes get it pickled.
        items: What to work on.
        n_jobs: Processes; with one the work is done in this process.
        n_at_once: Items that go to a process together, with one copy of the function.
    """
    if n_jobs == 1:
        yield from map(work, items)
        return
    # torch's threads do not survive a fork
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=n_at_once)
