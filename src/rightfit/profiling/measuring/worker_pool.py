"""Starting and talking to measuring processes (see ``worker.py``)."""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any

from rightfit.profiling.worker.process import Json

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
        # Its words go to a file, not a pipe: an unread pipe would fill up and block it.
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
        self._hello: Json | None = None
        self._children: set[int] = set()

    @property
    def hello(self) -> Json:
        """What the empty worker says of itself, once its imports are done.

        Raises:
            RuntimeError: If it died before.
        """
        if self._hello is None:
            self._hello = self._read()
        return self._hello

    @property
    def is_closed(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def has_children(self) -> bool:
        """Whether forked children stay to be visited again; they would end with it."""
        return bool(self._children)

    def ask(self, request: Json) -> Json:
        """Send a request and wait for its answer.

        Args:
            request: See ``worker.handle`` and ``children.Children.ask``.

        Raises:
            RuntimeError: If the worker itself, not only the child it forked, has died.
        """
        _ = self.hello
        stdin = _pipe(self._process.stdin)
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # the reason is read below
        answer = self._read()
        self._children.discard(request.get("child", 0))
        if "child" in answer:
            self._children.add(answer["child"])
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
        except subprocess.TimeoutExpired:  # still busy with a child: nobody waits for its answer
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _read(self) -> Json:
        line = _pipe(self._process.stdout).readline()
        if line:
            answer: Json = json.loads(line)
            return answer
        status = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(
            f"A measuring process for {self.kind} ended with status {status}. Its last words:\n"
            f"{self._errors.read()[-2_000:]}"
        )


class WorkerPool:
    """Workers kept ready for the next measurement of their kind, the least used ones closed.

    Args:
        max_open: More than so many are open only while their children stay to be visited again.
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
        """Close a worker that has failed, so that the next request starts afresh."""
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


def close_shared_pool() -> None:
    """Close this process' pool, if it was used; the next use opens another one."""
    while _shared:
        pool = _shared.pop()
        atexit.unregister(pool.close)
        pool.close()


_shared: list[WorkerPool] = []


def _pipe(stream: IO[Any] | None) -> IO[Any]:
    if stream is None:
        raise RuntimeError("The measuring process was started without pipes.")
    return stream
