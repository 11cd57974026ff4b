"""Starting measuring processes and talking to them (see ``worker/process.py``)."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from rightfit.profiling.worker.messages import (
    Failure,
    Hello,
    LeaveRequest,
    Paused,
    Task,
    VisitRequest,
    read_message,
    write_message,
)

Expected = TypeVar("Expected")

logger = logging.getLogger(__name__)

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
MAX_OPEN_WORKERS = 10  # an idle worker keeps its imports in memory: 50 to 220 MiB


@dataclass(frozen=True)
class WorkerKind:
    """What a worker is started with, because it cannot be changed after the imports.

    Args:
        imports: Modules it imports before the first fork.
        n_threads: Threads its libraries may use, and cores it may run on.
    """

    imports: tuple[str, ...]
    n_threads: int


class Worker:
    """A started worker: ask it, close it.

    Args:
        kind: What to start.
    """

    def __init__(self, kind: WorkerKind) -> None:
        self.kind = kind
        environment = os.environ | {name: str(kind.n_threads) for name in THREAD_VARIABLES}
        # Standard error goes to a file, not a pipe: an unread pipe would fill up and block it.
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [
                *(sys.executable, "-m", "rightfit.profiling.worker"),
                *(str(kind.n_threads), *kind.imports),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=environment,
        )
        self._hello: Hello | None = None
        self._children: set[int] = set()

    @property
    def hello(self) -> Hello:
        """The empty worker's description of itself, once its imports are done.

        Raises:
            RuntimeError: If it died before.
        """
        if self._hello is None:
            self._hello = self._read(Hello)
        return self._hello

    @property
    def is_closed(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def has_children(self) -> bool:
        """Whether forked children stay to be visited again; they would end with it."""
        return bool(self._children)

    def ask(
        self, request: Task | VisitRequest | LeaveRequest, kind: type[Expected]
    ) -> Expected | Failure:
        """Send a request and wait for its answer.

        Args:
            request: A task for a fresh child, or a visit to one that stayed.
            kind: Class of the answer of a child that does not fail.

        Raises:
            RuntimeError: If the worker itself, not only the child it forked, has died.
        """
        _ = self.hello
        stdin = _pipe(self._process.stdin)
        try:
            stdin.write(write_message(request))
            stdin.flush()
        except BrokenPipeError:
            pass  # the reason is read below
        answer: Expected | Failure = self._read((kind, Failure))
        if isinstance(request, VisitRequest | LeaveRequest):
            self._children.discard(request.child)
        if isinstance(answer, Paused):
            self._children.add(answer.child)
        return answer

    def close(self) -> None:
        """End the worker and wait for it."""
        for stream in (self._process.stdin, self._process.stdout):
            try:
                _pipe(stream).close()
            except BrokenPipeError:
                continue
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # still busy with a child whose answer is not needed
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _read(self, kind: Any) -> Any:
        line = _pipe(self._process.stdout).readline()
        if line:
            answer = read_message(line)
            if not isinstance(answer, kind):
                raise TypeError(f"A measuring process must answer with {kind}, but got {answer}.")
            return answer
        status = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(
            f"A measuring process for {self.kind} ended with status {status}. Its standard error "
            f"ends with:\n{self._errors.read()[-2_000:]}"
        )


class WorkerPool:
    """Workers kept ready for the next measurement of their kind, the least used ones closed.

    Args:
        max_open: Workers open at most, unless more have children that stay to be visited again.
    """

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open: OrderedDict[WorkerKind, Worker] = OrderedDict()

    def get(self, kind: WorkerKind) -> Worker:
        """Return a started worker of a kind."""
        if kind not in self._open:
            self._make_room()
            logger.debug("Starting a measuring process for %s.", kind)
            self._open[kind] = Worker(kind)
        self._open.move_to_end(kind)
        return self._open[kind]

    def start(self, kinds: Iterable[WorkerKind]) -> None:
        """Start workers side by side, so that their imports take the time of the slowest."""
        for worker in [self.get(kind) for kind in dict.fromkeys(kinds)]:
            _ = worker.hello

    def discard(self, kind: WorkerKind) -> None:
        """Close a worker, so that the next request starts afresh."""
        worker = self._open.pop(kind, None)
        if worker is not None:
            worker.close()

    def _make_room(self) -> None:
        for kind in [kind for kind, worker in self._open.items() if not worker.has_children]:
            if len(self._open) < self._max_open:
                return
            self.discard(kind)

    def close(self) -> None:
        """Close all workers."""
        while self._open:
            self._open.popitem()[1].close()


def shared_pool() -> WorkerPool:
    """Return this process' pool, closed when the process ends.

    Cells are measured one after another by separate calls; sharing the started workers saves
    them the imports.
    """
    if not _shared:
        _shared.append(WorkerPool(MAX_OPEN_WORKERS))
        atexit.register(_shared[0].close)
    return _shared[0]


_shared: list[WorkerPool] = []


def _pipe(stream: IO[Any] | None) -> IO[Any]:
    if stream is None:
        raise RuntimeError("The measuring process was started without pipes.")
    return stream
