"""Searches side by side: each has a scheduler of its own, and they share the workers.

All schedulers are in this process, so nothing that a worker knows is needed to go on without it.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rightfit._core.formatting import count
from rightfit._core.processes.leftovers import in_use, sweep_folders, temporary_folder
from rightfit._core.progress import report_trials
from rightfit_search.searching.cell import describe_job, share_rows, study_name
from rightfit_search.searching.parallel.dask_workers import DaskWorkers
from rightfit_search.searching.parallel.forked_workers import ForkedWorkers, forking
from rightfit_search.searching.parallel.planned_search import PlannedSearch, share_budget
from rightfit_search.searching.search import carry_out_all
from rightfit_search.searching.search_scheduler import SearchScheduler
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import Report, Task, TaskResult

logger = logging.getLogger(__name__)


class Executor(Protocol):
    """Workers of searches that run side by side; each carries out one task at a time."""

    @property
    def has_room(self) -> bool:
        """Whether there is a worker for another search."""

    def begin(self, search: str, job: str, *, family: str, n_workers: int) -> None:
        """Get ready for the tasks of a search.

        Args:
            search: Its name.
            job: What it is, for :func:`~rightfit_search.searching.cell.read_job`.
            family: Import path of its family.
            n_workers: Workers that it may have, where each search has its own.
        """

    def end(self, search: str, *, goes_on: bool = False) -> None:
        """Let go of a search that has no task out.

        Args:
            search: Its name.
            goes_on: Whether it begins once more, and its paused trainings are kept for that.
        """

    def find_idle(self, search: str) -> Sequence[str]:
        """Return the workers that may be given a task of a search now."""

    def submit(self, search: str, worker: str, task: Task) -> None:
        """Give an idle worker a task."""

    def take_overhead_s(self) -> float:
        """Return the CPU seconds since the last call of all that is no part of a task."""

    def wait(self) -> list[Report]:
        """Wait until something has happened, if only for a moment; return what came of tasks."""


def search_in_parallel(searches: Sequence[PlannedSearch]) -> dict[str, str]:
    """Carry out searches, as many at once as there are workers for.

    A search whose worker breaks is left as it is; so is one that another run searches.

    Args:
        searches: What to search, at least one; the rows of one dataset are the same.

    Returns:
        What broke a worker, which is no trial's fault, by cell.
    """
    logger.info("Searching %s", count(len(searches), "cell"))
    errors: dict[str, str] = {}
    try:
        with _open_executor(searches) as (executor, folder):
            queue = SearchQueue(
                [
                    replace(search, cell=share_rows(_rows(folder, search), search.cell))
                    for search in searches
                ]
            )
            _SideBySide(queue, executor, folder, errors).run()
        logger.debug("Searched %s", count(len(searches), "cell"))
    except BrokenPipeError:
        logger.warning("The process that starts the searches has died, the run goes on")
    return errors


def search_in_turn(searches: Sequence[PlannedSearch]) -> None:
    """Carry out searches in this process, one after the other; see :func:`search_in_parallel`."""
    queue, workers = SearchQueue(searches), dict[str, TaskWorker]()
    while queue.has_next:
        search = queue.next()
        name = study_name(search.cell, search.settings)
        with search.store.locked(name, waiting=f"Another run searches {search.cell.name}"):
            scheduler = search.open_scheduler()
            if name not in workers:  # one that trained the default may hold its paused training
                workers[name] = TaskWorker(search.cell, search.settings, search.store, name)
            carry_out_all(scheduler, workers[name])
        queue.end(search)


def carry_out(search: PlannedSearch, task: Task) -> TaskResult | None:
    """Carry out a task in a process of its own.

    Returns:
        ``None`` if that breaks, or dies each time (``n_retries``).
    """
    name = search.cell.name
    with _open_executor([search]) as (executor, folder):
        rows = _rows(folder, search)
        cell = share_rows(rows, search.cell)
        job = describe_job(rows, cell, search.settings, search.store)
        executor.begin(name, job, family=cell.family, n_workers=1)
        for _ in range(1 + search.settings.n_retries):
            executor.submit(name, executor.find_idle(name)[0], task)
            while not (reports := executor.wait()):
                pass
            if not reports[0].worker_died:
                break
        executor.end(name)
        result = reports[0].result
        if search.limit is not None:
            task_s = 0.0 if result is None else result.cpu_s
            search.limit.charge(task_s + executor.take_overhead_s())
    return result


def search_cut_off(searches: Sequence[PlannedSearch]) -> None:
    """Carry out the searches that a run left in the middle of a step, in processes of their own.

    Perhaps a model has killed that run; in a process of its own it loses its trial and no more.

    Args:
        searches: Searches that this process carries out alone; the others among them are left.
    """
    cut_off = [search for search in searches if search.is_cut_off]
    if cut_off:
        search_in_parallel(cut_off)


def _rows(folder: Path, search: PlannedSearch) -> Path:
    """Return the folder of the rows that the searches of a dataset share."""
    return folder / f"rows-{search.dataset}"


@contextlib.contextmanager
def _open_executor(searches: Sequence[PlannedSearch]) -> Iterator[tuple[Executor, Path]]:
    """Give workers, and a folder for rows that all of them can read."""
    first = searches[0]
    cluster, studies = first.settings.cluster, first.studies.folder
    if cluster is None:
        families = dict.fromkeys(search.cell.family for search in searches)
        with (
            temporary_folder("search") as folder,
            forking(families, first.settings.n_threads, exports=first.exports) as server,
            contextlib.closing(ForkedWorkers(server, n_at_once=first.n_at_once)) as forked_workers,
        ):
            yield forked_workers, folder
        return
    studies.mkdir(parents=True, exist_ok=True)
    sweep_folders(studies.glob(".rows-*"))
    with (
        tempfile.TemporaryDirectory(prefix=".rows-", dir=studies) as name,
        in_use(Path(name)),
        contextlib.closing(DaskWorkers(cluster)) as cluster_workers,
    ):
        yield cluster_workers, Path(name).absolute()


class SearchQueue:
    """Hands out the searches: first every family's default, then those with most left.

    A dataset's searches begin once the defaults of all its families are trained: limits that are
    relative to the best quality count from them. Those with most left to do begin first, so that no
    long one is left for the end, when cores have nothing else.

    Args:
        searches: What is due.
    """

    def __init__(self, searches: Sequence[PlannedSearch]) -> None:
        self._waiting = [search for search in searches if not search.has_default_first]
        first = [search for search in searches if search.has_default_first]
        self._defaults = [replace(search, only_default=True) for search in first]
        self._n_open = Counter(search.dataset for search in first)
        self._ready: list[PlannedSearch] = []
        self._move_ready()

    @property
    def has_next(self) -> bool:
        """Whether anything may begin now."""
        return bool(self._defaults or self._ready)

    def next(self) -> PlannedSearch:
        """Hand out what begins next."""
        if self._defaults:
            return self._defaults.pop(0)
        return self._ready.pop(0)

    def end(self, search: PlannedSearch) -> None:
        """Note that a search, or its first part, is over, however it ended."""
        if search.only_default:
            self._n_open[search.dataset] -= 1
            self._waiting.append(replace(search, only_default=False))
            self._move_ready()

    def _move_ready(self) -> None:
        free = [search for search in self._waiting if not self._n_open[search.dataset]]
        self._waiting = [search for search in self._waiting if self._n_open[search.dataset]]
        if free:
            self._ready += [search.with_sibling_quality() for search in share_budget(free)]
            self._ready.sort(key=PlannedSearch.rest_s, reverse=True)


@dataclass
class _OpenSearch:
    """A search that is under way.

    Args:
        search: What the queue has handed out.
        scheduler: Decides what it does next.
        lock: Keeps other runs from it.
        trainers: By trial, the worker that trained it last and may hold its paused training.
        worked_s: For how long workers have worked on it.
        n_told: How far its progress was told.
    """

    search: PlannedSearch
    scheduler: SearchScheduler
    lock: contextlib.ExitStack
    trainers: dict[int, str] = field(default_factory=dict)
    worked_s: float = 0.0
    n_told: int = -1

    @property
    def name(self) -> str:
        return self.search.cell.name


class _SideBySide:
    """Gives the workers of an executor tasks of searches until every search is over or broken."""

    def __init__(
        self, queue: SearchQueue, executor: Executor, folder: Path, errors: dict[str, str]
    ) -> None:
        self._queue, self._executor, self._folder = queue, executor, folder
        self._errors = errors
        self._open: dict[str, _OpenSearch] = {}

    def run(self) -> None:
        try:
            while self._open or self._queue.has_next:
                while self._queue.has_next and self._executor.has_room:
                    self._begin(self._queue.next())
                self._hand_out()
                if self._queue.has_next and self._executor.has_room:
                    continue  # a search has ended: another takes its place before the next wait
                for open_search in self._open.values():
                    open_search.scheduler.pool.write()  # while the workers work
                if self._open:  # also while a cluster has no workers, until some come
                    for report in self._executor.wait():
                        self._take(report)
        finally:
            for open_search in self._open.values():
                open_search.scheduler.release()
                open_search.lock.close()

    def _begin(self, search: PlannedSearch) -> None:
        lock = contextlib.ExitStack()
        name = study_name(search.cell, search.settings)
        try:
            lock.enter_context(search.store.locked(name, waiting=None))
        except BlockingIOError:
            logger.info("%s: another run searches it; this one takes it up later", search.cell.name)
            self._queue.end(search)
            return
        with lock:
            scheduler = search.open_scheduler()
            rows = _rows(self._folder, search)
            self._executor.begin(
                search.cell.name,
                describe_job(rows, search.cell, search.settings, search.store),
                family=search.cell.family,
                n_workers=1 if search.only_default else search.settings.n_jobs,
            )
            self._open[search.cell.name] = _OpenSearch(search, scheduler, lock.pop_all())

    def _hand_out(self) -> None:
        """Give idle workers tasks, searches on which least was worked first; end what is over.

        So searches of equal budgets are over at about the same time, and none works at the end
        alone.
        """
        waiting = deque(sorted(self._open.values(), key=lambda open_search: open_search.worked_s))
        while waiting:
            open_search = waiting.popleft()
            idle = self._executor.find_idle(open_search.name)
            is_broken = open_search.name in self._errors
            task = open_search.scheduler.next_task() if idle and not is_broken else None
            if open_search.scheduler.n_begun != open_search.n_told:
                open_search.n_told = open_search.scheduler.n_begun
                report_trials(
                    open_search.name, open_search.n_told, open_search.search.settings.n_trials
                )
            if task is not None:
                trainer = open_search.trainers.get(task.number)
                worker = trainer if trainer in idle else idle[0]
                self._executor.submit(open_search.name, str(worker), task)
                waiting.append(open_search)
            elif idle and not open_search.scheduler.n_out:
                open_search.scheduler.pool.write()
                del self._open[open_search.name]
                # Of a call the families are few; those of a project would wait in much memory.
                goes_on = open_search.search.only_default and open_search.search.limit is not None
                self._executor.end(open_search.name, goes_on=goes_on)
                open_search.lock.close()
                self._queue.end(open_search.search)

    def _take(self, report: Report) -> None:
        open_search = self._open[report.search]
        limit = open_search.search.limit
        if report.result is not None:
            open_search.worked_s += report.result.ended_s - report.result.started_s
            open_search.trainers[report.task.number] = report.worker
            open_search.scheduler.note(report.task, report.result)
        elif report.worker_died:
            n_retries = open_search.search.settings.n_retries
            logger.warning(
                "%s: a worker has died over a task, which is handed out again %d times at most. If "
                "memory ran out, search in fewer processes, or set max_train_rows lower",
                open_search.name,
                n_retries,
            )
            open_search.scheduler.record_worker_loss(report.task)
        else:
            self._errors[open_search.name] = report.error
            logger.debug("%s: a worker broke, the run goes on: %s", open_search.name, report.error)
            open_search.scheduler.release(report.task)
        if limit is not None:
            task_s = 0.0 if report.result is None else report.result.cpu_s
            limit.charge(task_s + self._executor.take_overhead_s())
