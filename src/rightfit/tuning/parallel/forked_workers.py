"""Workers in forked processes of this machine, some for each search; they share its cores."""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rightfit.processes.channel import Channel, wait_for
from rightfit.processes.starting import ForkServer
from rightfit.tuning.search.tasks import Ended, Logged, Report, Start, Task, TaskResult


@dataclass
class _Process:
    search: str
    name: str
    channel: Channel
    task: Task | None = None


class ForkedWorkers:
    """See :class:`rightfit.tuning.parallel.side_by_side.Executor`.

    A process that dies over a task is replaced.

    Args:
        server: Forks the processes.
        n_at_once: Processes that work at the same time.
    """

    def __init__(self, server: ForkServer, *, n_at_once: int) -> None:
        self._server, self._n_at_once = server, n_at_once
        self._processes: defaultdict[str, list[_Process]] = defaultdict(list)  # by search
        self._jobs: dict[str, tuple[str, str]] = {}  # with the families, by search
        self._names = map(str, itertools.count())

    @property
    def has_room(self) -> bool:
        """Whether there are cores for which no process is there."""
        return len(self._all()) < self._n_at_once

    def begin(self, search: str, job: str, *, family: str, n_workers: int) -> None:
        """Fork the processes of a search."""
        self._jobs[search] = (job, family)
        for _ in range(n_workers):
            self._fork(search)

    def end(self, search: str) -> None:
        """Have the processes of a search end."""
        for process in self._processes.pop(search, []):
            process.channel.close()

    def close(self) -> None:
        """Have all processes end."""
        for search in list(self._processes):
            self.end(search)

    def find_idle(self, search: str) -> Sequence[str]:
        """Return the search's processes without a task, if there is a core for another one."""
        if sum(process.task is not None for process in self._all()) >= self._n_at_once:
            return []
        return [process.name for process in self._processes[search] if process.task is None]

    def submit(self, search: str, worker: str, task: Task) -> None:
        """Give a process a task."""
        process = next(one for one in self._processes[search] if one.name == worker)
        process.task = task
        with suppress(OSError):  # it has died; its end is read next
            process.channel.send(task)

    def wait(self) -> list[Report]:
        """Wait for a message of any process."""
        processes = self._all()
        speaking = wait_for([process.channel for process in processes])
        return [
            report
            for process in processes
            if process.channel in speaking
            for report in self._hear(process)
        ]

    def _hear(self, process: _Process) -> Iterator[Report]:
        while True:
            task = process.task
            match process.channel.receive():
                case Logged(level, source, text):
                    logging.getLogger(source).log(level, "%s", text)
                case TaskResult() as result if task is not None:
                    process.task = None
                    yield Report(process.search, process.name, task, result)
                case ended:
                    error = ended.error if isinstance(ended, Ended) else ""
                    process.channel.close()
                    others = self._processes[process.search]
                    others.remove(process)
                    if task is not None or not others:  # another one takes its place
                        self._fork(process.search)
                    if task is not None:
                        yield Report(process.search, process.name, task, None, error)
                    return
            if not process.channel.has_more():
                return

    def _fork(self, search: str) -> None:
        job, family = self._jobs[search]
        channel = self._server.fork(family)
        with suppress(OSError):  # it has died; its end is read next
            channel.send(Start(job, logging.getLogger("rightfit").getEffectiveLevel()))
        self._processes[search].append(_Process(search, next(self._names), channel))

    def _all(self) -> list[_Process]:
        return [process for of_search in self._processes.values() for process in of_search]
