"""Forked processes of this machine that carry out searches, and what forks them.

The process that forks imports for seconds, so a run starts it before it needs any, and keeps it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rightfit._core.processes.channel import Channel, wait_for
from rightfit._core.processes.starting import ForkServer, limit_threads
from rightfit_search.searching.tasks import KINDS, Ended, Logged, Report, Start, Task, TaskResult

logger = logging.getLogger(__name__)

LOOK_S = 0.1  # in which what forks has ended, if it has died before its process
MAX_RESTARTS = 3  # of what forks: a library may kill it each time that it is imported
EXPORTS = "exports"  # argument of a server that imports what exports models as well
_shared: list[tuple[ForkServer, int | None]] = []  # with the threads of its libraries


def start_fork_server(
    families: Iterable[str], n_threads: int | None, *, exports: bool = True
) -> ForkServer:
    """Start a fork server.

    Args:
        families: Import paths of the families whose libraries it imports, in this order unless
            a process of another one is asked for first.
        n_threads: Threads that the libraries may use; ``None``: as many as they like.
        exports: Whether it imports what exports models as well, which takes seconds.
    """
    return ForkServer(
        "rightfit_search.searching.parallel.worker",
        EXPORTS if exports else "",
        *dict.fromkeys(families),
        kinds=KINDS,
        variables={} if n_threads is None else limit_threads(n_threads),
    )


def shared_fork_server(
    families: Iterable[str], n_threads: int | None, *, exports: bool = True
) -> ForkServer:
    """Return this process' fork server, another one if it has ended or has other threads.

    It is closed when the process ends. A family that it has not imported is imported by the
    processes that need it.

    Args:
        families: See :func:`start_fork_server`.
        n_threads: As there; ``None`` if the processes limit their threads themselves.
        exports: As there.
    """
    for server, n_given in _shared:
        if not server.is_closed and n_threads in (None, n_given):
            return server
    close_shared_fork_server()
    _shared.append((start_fork_server(families, n_threads, exports=exports), n_threads))
    atexit.register(close_shared_fork_server)
    return _shared[0][0]


def close_shared_fork_server() -> None:
    """Close this process' fork server, if there is one; the next use starts another one."""
    atexit.unregister(close_shared_fork_server)
    while _shared:
        server, _ = _shared.pop()
        server.close()


@contextlib.contextmanager
def forking(
    families: Iterable[str], n_threads: int | None, *, exports: bool
) -> Iterator[ForkServer]:
    """Lend this process' fork server; an error ends it, and all that still work."""
    try:
        yield shared_fork_server(families, n_threads, exports=exports)
    except BaseException:
        close_shared_fork_server()
        raise


def receive_replies(channel: Channel) -> Iterator[TaskResult | Ended | None]:
    """Log what a forked process has logged, and yield what else it has sent.

    An ``Ended``, or ``None`` for a process that has died, comes last; then the caller closes the
    channel.
    """
    while True:
        record = channel.receive()
        if isinstance(record, Logged):
            logging.getLogger(record.name).log(record.level, "%s", record.text)
        else:
            yield record
        if record is None or isinstance(record, Ended) or not channel.has_more():
            return


@dataclass
class _Process:
    search: str
    name: str
    channel: Channel
    n_restarts: int  # that were left when it was forked
    task: Task | None = None
    counted_s: float = 0.0  # CPU seconds so far


class ForkedWorkers:
    """See :class:`rightfit_search.searching.parallel.side_by_side.Executor`.

    Each process works for one search; all of them share the machine's cores. A process that dies
    over a task is replaced, and so is what forks, with which all of them die.

    Args:
        server: Forks the processes.
        n_at_once: Processes that work at the same time.
    """

    def __init__(self, server: ForkServer, *, n_at_once: int) -> None:
        self._server, self._n_at_once = server, n_at_once
        self._processes: defaultdict[str, list[_Process]] = defaultdict(list)  # by search
        self._waiting: dict[str, list[_Process]] = {}  # for a further part of their search
        self._jobs: dict[str, tuple[str, str]] = {}  # with the families, by search
        self._names = map(str, itertools.count())
        self._overhead_s = 0.0
        self._n_restarts = MAX_RESTARTS

    def take_overhead_s(self) -> float:
        """Return the CPU seconds since the last call of what forks, and of workers beside tasks."""
        overhead_s, self._overhead_s = self._overhead_s + self._server.take_cpu_s(), 0.0
        return overhead_s

    @property
    def has_room(self) -> bool:
        """Whether there are cores for which no process is there."""
        return len(self._all()) < self._n_at_once

    def begin(self, search: str, job: str, *, family: str, n_workers: int) -> None:
        """Fork the processes of a search, beside those that wait for it."""
        self._jobs[search] = (job, family)
        self._processes[search] += self._waiting.pop(search, [])
        for _ in range(n_workers - len(self._processes[search])):
            self._fork(search)

    def end(self, search: str, *, goes_on: bool = False) -> None:
        """Have the processes of a search end, or wait with their paused trainings."""
        processes = self._processes.pop(search, [])
        if goes_on:
            self._waiting[search] = processes
            return
        for process in processes:
            self._close(process)

    def close(self) -> None:
        """Have all processes end."""
        for search in list(self._waiting):
            self._processes[search] += self._waiting.pop(search)
        for search in list(self._processes):
            self.end(search)

    def find_idle(self, search: str) -> Sequence[str]:
        """Return the search's processes without a task, if there is a core for another one."""
        if sum(process.task is not None for process in self._all()) >= self._n_at_once:
            return []
        return [process.name for process in self._processes[search] if process.task is None]

    def submit(self, search: str, worker: str, task: Task) -> None:
        """Give a process a task."""
        process = next(process for process in self._processes[search] if process.name == worker)
        process.task = task
        with contextlib.suppress(OSError):  # it has died; its end is read next
            process.channel.send(task)

    def wait(self) -> list[Report]:
        """Wait for a message of any process."""
        processes = self._all()
        speaking = wait_for([process.channel for process in processes])
        reports: list[Report] = []
        for process in processes:
            if process.channel not in speaking:
                continue
            for message in receive_replies(process.channel):
                task, process.task = process.task, None
                if isinstance(message, TaskResult) and task is not None:
                    self._overhead_s += message.process_cpu_s - process.counted_s - message.cpu_s
                    process.counted_s = message.process_cpu_s
                    reports.append(Report(process.search, process.name, task, message))
                    if not message.ends_worker:
                        continue
                elif task is not None and message is None and self._has_died_below(process):
                    process.task = task  # which has not ended it: another process gets it
                elif task is not None:  # it has ended over it
                    error = message.error if isinstance(message, Ended) else ""
                    reports.append(Report(process.search, process.name, task, None, error))
                self._replace(process, had_task=task is not None)
                break
        return reports

    def _has_died_below(self, process: _Process) -> bool:
        """Tell whether a process has died with what has forked it."""
        return process.n_restarts != self._n_restarts or self._server.ends_within(LOOK_S)

    def _replace(self, process: _Process, *, had_task: bool) -> None:
        """Put another process in the place of one that has ended, or ends."""
        self._close(process)
        siblings = self._processes[process.search]
        siblings.remove(process)
        if had_task or not siblings:
            self._fork(process.search)
        if process.task is not None:
            self.submit(process.search, siblings[-1].name, process.task)

    def _close(self, process: _Process) -> None:
        process.channel.close()
        self._server.note_end(process.counted_s)

    def _fork(self, search: str) -> None:
        job, family = self._jobs[search]
        try:
            channel = self._server.fork(family)
        except BrokenPipeError:
            if not self._n_restarts:
                raise
            self._n_restarts -= 1
            logger.warning("The process that starts the searches has died; another one is started")
            self._server.close()
            self._server.start()
            channel = self._server.fork(family)
        with contextlib.suppress(OSError):  # it has died; its end is read next
            channel.send(Start(job, logging.getLogger("rightfit").getEffectiveLevel()))
        self._processes[search].append(
            _Process(search, next(self._names), channel, self._n_restarts)
        )

    def _all(self) -> list[_Process]:
        return [process for of_search in self._processes.values() for process in of_search]
