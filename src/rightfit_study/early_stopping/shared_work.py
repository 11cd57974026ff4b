"""Work on many items in processes side by side, which share something large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_side_by_side(
    work: Callable[..., Result], items: Sequence[Item], *, shared: Sequence[object], n_jobs: int
) -> Iterator[Result]:
    """Yield ``work(*shared, item)`` of each item, in their order.

    Args:
        work: A function of a module, so that other processes find it.
        items: What to work on.
        shared: Handed to each process once.
        n_jobs: Processes; with one the work is done in this process.
    """
    if n_jobs == 1:
        yield from (work(*shared, item) for item in items)
        return
    with ProcessPoolExecutor(
        n_jobs,
        mp_context=get_context("spawn"),  # torch's threads do not survive a fork
        initializer=_share,
        initargs=(work, shared),
    ) as pool:
        yield from pool.map(_work, items)


_shared: list[Callable[[Any], Any]] = []


def _share(work: Callable[..., Any], shared: Sequence[object]) -> None:
    _shared[:] = [partial(work, *shared)]


def _work(item: Any) -> Any:
    return _shared[0](item)
