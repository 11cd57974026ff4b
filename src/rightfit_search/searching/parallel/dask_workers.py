"""Workers of a Dask cluster, on any number of machines, which all searches of a run share.

The workers need no database: a task tells all, and its result goes back to the run. They read the
rows, and write models, in the folder of the studies, which every machine mounts at the same path.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from rightfit._core.errors import RightfitError
from rightfit._core.extras import require
from rightfit_search.searching.cell import read_job
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import Report, Task, TaskResult

if TYPE_CHECKING:
    from distributed import Future

logger = logging.getLogger(__name__)

CONNECT_MAX_S = 30
LOOK_S = 1.0  # between two looks at which workers there are
RESULT_MAX_S = 10.0  # for a result of some kilobytes to arrive
WORD_S = 60.0  # without any worker, between two words about it


class DaskWorkers:
    """See :class:`rightfit_search.searching.parallel.side_by_side.Executor`.

    A task is for one worker alone: there the trial's paused training may wait. If the worker is
    lost, so is the task.

    Args:
        address: Of the cluster's scheduler, such as ``tcp://host:8786``.

    Raises:
        RightfitError: If Dask is missing, or nothing answers at the address.
    """

    def __init__(self, address: str) -> None:
        require("distributed", purpose="training.cluster", extra="dask")
        from distributed import Client

        self._address = address
        try:
            self._client = Client(address, timeout=CONNECT_MAX_S, set_as_default=False)
        except (OSError, ValueError) as err:
            raise RightfitError(
                f"training.cluster: no Dask scheduler answers at {address} ({err}). Start one with "
                "`dask scheduler`, or correct the address.",
                key="training.cluster",
            ) from err
        self._jobs: dict[str, str] = {}  # by search
        # with the search and the worker
        self._out: dict[Future[TaskResult], tuple[str, str, Task]] = {}
        self._done: queue.SimpleQueue[Future[TaskResult]] = queue.SimpleQueue()
        self._workers: list[str] = []
        self._seen_s = time.monotonic()
        self._look()

    def take_overhead_s(self) -> float:
        """Return 0: what a cluster takes beside its tasks is not known here."""
        return 0.0

    @property
    def has_room(self) -> bool:
        """Whether there are more workers than searches."""
        return len(self._jobs) < max(1, len(self._workers))

    def begin(
        self,
        search: str,
        job: str,
        *,
        family: str,  # noqa: ARG002 - each worker imports it with its first task
        n_workers: int,  # noqa: ARG002 - they share
    ) -> None:
        """Note a search's job; workers read it with their first task of it."""
        self._jobs[search] = job

    def end(self, search: str, *, goes_on: bool = False) -> None:
        """Have the workers forget a search, and the trainings that wait, unless it goes on."""
        del self._jobs[search]
        if not goes_on:
            self._client.run(_forget, search, on_error="ignore")

    def close(self) -> None:
        """Leave the cluster; its workers go on with what others give them."""
        self._client.cancel(list(self._out))
        self._client.close()

    def find_idle(self, search: str) -> Sequence[str]:  # noqa: ARG002 - all may have it
        """Return the workers without a task."""
        busy = {worker for _, worker, _ in self._out.values()}
        return [worker for worker in self._workers if worker not in busy]

    def submit(self, search: str, worker: str, task: Task) -> None:
        """Give a worker a task."""
        future = self._client.submit(
            carry_out_on_cluster,
            search,
            self._jobs[search],
            task,
            workers=[worker],
            allow_other_workers=False,
            pure=False,
        )
        self._out[future] = (search, worker, task)
        future.add_done_callback(self._done.put)

    def wait(self) -> list[Report]:
        """Wait for a task, for a second at most, and look which workers are lost."""
        try:
            self._done.get(timeout=LOOK_S)
        except queue.Empty:
            self._look()
        reports = []
        for future, (search, worker, task) in list(self._out.items()):
            if not future.done() and worker in self._workers:
                continue
            del self._out[future]
            result, error = _read(future)
            reports.append(Report(search, worker, task, result, error))
            if reports[-1].worker_died:
                future.cancel()
                self._look()
        return reports

    def _look(self) -> None:
        """See which workers there are now; others may come and go at any time."""
        self._workers = sorted(self._client.nthreads())
        if self._workers:
            self._seen_s = time.monotonic()
        elif time.monotonic() - self._seen_s > WORD_S:
            self._seen_s = time.monotonic()
            logger.warning("The cluster at %s has no workers; waiting for some", self._address)


def _read(future: Future[TaskResult]) -> tuple[TaskResult | None, str]:
    """Return what came of a task, or what broke it; neither if its worker is lost."""
    if future.status == "finished":
        with contextlib.suppress(TimeoutError, CancelledError):
            return future.result(timeout=RESULT_MAX_S), ""
        return None, ""  # it was on a worker that died before it was fetched
    from distributed import KilledWorker

    error = future.exception() if future.status == "error" else None
    if error is None or isinstance(error, KilledWorker):
        return None, ""
    return None, f"{type(error).__name__}: {error}"


_searches: dict[str, tuple[str, TaskWorker]] = {}  # with their jobs; in a process of the cluster


def carry_out_on_cluster(search: str, job: str, task: Task) -> TaskResult:
    """Carry out a task in a worker process of the cluster."""
    current_job, worker = _searches.get(search, ("", None))
    if worker is None or current_job != job:  # or it is of a run that is gone
        worker = TaskWorker(*read_job(job))
        _searches[search] = (job, worker)
    return worker.carry_out(task)


def _forget(search: str) -> None:
    _searches.pop(search, None)
