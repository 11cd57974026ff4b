"""Searches side by side, in processes: as many train at a time as there are cores.

A process asks for a core before each step of its search. What these processes have searched is kept
like any search. Should one die, whoever searches the cell next goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rightfit.formatting import count
from rightfit.processes.channel import Channel, wait_for
from rightfit.processes.leftovers import temporary_folder
from rightfit.processes.starting import ForkServer
from rightfit.tuning.parallel.forks import forking
from rightfit.tuning.parallel.messages import (
    CoreGranted,
    CoreWanted,
    Ended,
    Idle,
    Logged,
    Progress,
    Start,
)
from rightfit.tuning.parallel.search_queue import PlannedSearch, SearchQueue, SearchTask
from rightfit.tuning.search.search_job import describe_job, map_rows, write_cell_rows

State = Literal["trains", "awaits core", "idle"]

logger = logging.getLogger(__name__)

OnTrial = Callable[[str, int, int | None], None]


def search_in_parallel(searches: Sequence[PlannedSearch], *, on_trial: OnTrial) -> None:
    """Carry out searches, as many at once as there are cores for.

    A search that breaks, or whose process dies, is left as it is, with a warning.

    Args:
        searches: What to search, at least one; the rows of one dataset are the same.
        on_trial: Called with the cell's name, the trials begun and ``n_trials``.
    """
    with temporary_folder("search") as folder:
        queue = SearchQueue(_write_rows(searches, folder))
        families = dict.fromkeys(one.cell.family for one in searches)
        n_threads, n_at_once = searches[0].settings.n_threads, searches[0].n_at_once
        logger.info("Searching %s, %d at a time", count(len(searches), "cell"), n_at_once)
        try:
            with forking(families, n_threads) as server, contextlib.ExitStack() as stack:
                Scheduler(queue, folder, server, stack, n_at_once, on_trial).run()
            logger.debug("Searched %s", count(len(searches), "cell"))
        except BrokenPipeError:
            logger.warning("The process that starts the searches has died, the run goes on")


class Scheduler:
    """The processes of some searches.

    Args:
        queue: What is to be searched.
        folder: For files that pass between the processes.
        server: Forks the processes.
        stack: Closes the channels.
        n_at_once: Processes that train at the same time.
        on_trial: See :func:`search_in_parallel`.
    """

    def __init__(
        self,
        queue: SearchQueue,
        folder: Path,
        server: ForkServer,
        stack: contextlib.ExitStack,
        n_at_once: int,
        on_trial: OnTrial,
    ) -> None:
        self._queue = queue
        self._folder = folder
        self._server = server
        self._stack = stack
        self._n_at_once = n_at_once
        self._on_trial = on_trial
        self._workers: list[WorkerHandle] = []

    def run(self) -> None:
        """Work until every search is over."""
        while self._workers or self._queue.has_next:
            while self._queue.has_next and len(self._workers) < self._n_at_once:
                self._begin(self._queue.next())
            self._give_cores()
            self._listen()

    def _begin(self, task: SearchTask) -> None:
        search = task.search
        n = 1 if task.only_default else search.n_workers
        job = describe_job(
            _rows_folder(self._folder, search), search.cell, search.settings, search.store
        )
        for _ in range(n):
            worker = WorkerHandle(task, self._server.fork(search.cell.family))
            self._stack.callback(worker.channel.close)
            worker.channel.send(
                Start(
                    job,
                    task.only_default,
                    search.n_candidates if search.exports else 0,
                    logger.getEffectiveLevel(),
                )
            )
            self._workers.append(worker)

    def _give_cores(self) -> None:
        """Let as many train as may."""
        for one in next_to_train(self._workers, self._n_at_once):
            one.enter("trains")
            with contextlib.suppress(OSError):  # it has died; its end is read next
                one.channel.send(CoreGranted())

    def _listen(self) -> None:
        """Wait for messages and note what they say."""
        speaking = wait_for([one.channel for one in self._workers])
        for worker in [one for one in self._workers if one.channel in speaking]:
            while worker in self._workers:
                self._hear(worker)
                if worker not in self._workers or not worker.channel.has_more():
                    break

    def _hear(self, worker: WorkerHandle) -> None:
        name = worker.task.search.cell.name
        match worker.channel.receive():
            case CoreWanted():
                worker.enter("awaits core")
            case Idle():
                worker.enter("idle")
            case Progress(n_begun, n_trials):
                self._on_trial(name, n_begun, n_trials)
            case Logged(level, source, text):
                logging.getLogger(source).log(level, "%s", text)
            case Ended(error):
                self._remove(worker)
                if error:  # the run meets it again, unless others come to the search's end
                    level = logging.WARNING if self._is_worked_on(worker.task) else logging.DEBUG
                    text = "%s: a search process broke, the run goes on with it: %s"
                    logger.log(level, text, name, error)
            case None:
                logger.warning("%s: a search process has died, the run goes on with it", name)
                self._remove(worker)

    def _remove(self, worker: WorkerHandle) -> None:
        worker.channel.close()
        self._workers.remove(worker)
        if not self._is_worked_on(worker.task):
            self._queue.end(worker.task)

    def _is_worked_on(self, task: SearchTask) -> bool:
        return any(one.task is task for one in self._workers)


def _write_rows(searches: Sequence[PlannedSearch], folder: Path) -> list[PlannedSearch]:
    """Write each dataset's rows once; return the searches with rows that are mapped."""
    mapped = []
    for search in searches:
        own = _rows_folder(folder, search)
        if not own.exists():
            own.mkdir()
            write_cell_rows(own, search.cell)
        mapped.append(replace(search, cell=map_rows(own, search.cell)))
    return mapped


def _rows_folder(folder: Path, search: PlannedSearch) -> Path:
    return folder / f"rows-{search.dataset}"


@dataclass
class WorkerHandle:
    """A process that works on a search.

    Args:
        task: What it works on.
        channel: To it.
        state: What it does, see :meth:`enter`.
        since_s: Since when, on the monotonic clock.
        trained_s: For how long it had a core before that.
    """

    task: SearchTask
    channel: Channel
    state: State = "trains"
    since_s: float = field(default_factory=time.monotonic)
    trained_s: float = 0.0

    def enter(self, state: State) -> None:
        """Note what it does from now on."""
        now_s = time.monotonic()
        if self.state == "trains":
            self.trained_s += now_s - self.since_s
        self.state, self.since_s = state, now_s


def next_to_train(workers: Sequence[WorkerHandle], n_at_once: int) -> list[WorkerHandle]:
    """Return who gets a core: of those that wait for one, those that have trained least.

    So searches of equal budgets are over at about the same time, and none trains at the end alone.

    Args:
        workers: All that work.
        n_at_once: How many may train at the same time.
    """
    n_free = n_at_once - sum(one.state == "trains" for one in workers)
    waiting = [one for one in workers if one.state == "awaits core"]
    return sorted(waiting, key=lambda one: one.trained_s)[: max(0, n_free)]
