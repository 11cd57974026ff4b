"""Starting measuring processes and talking to them (see ``worker/process.py``).

A worker keeps its children to their time limits. If it does not answer itself, or dies, or writes
what is no answer, it is killed with all it has started, and the request has failed; the next one
of its kind starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import subprocess
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from rightfit.processes.lifeline import end_marked, end_tree
from rightfit.processes.lines import LineReader
from rightfit.processes.starting import run_module, share_imports
from rightfit.profiling.worker.messages import (
    Failure,
    Hello,
    LeaveRequest,
    Left,
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
MARK = "RIGHTFIT_WORKER"  # variable of a worker and of what it starts
GRACE_S = 10.0  # beyond a limit, for the worker to kill its child and say so
LEAVE_MAX_S = 10.0  # for a child to end
CLOSE_MAX_S = 1.0  # for a worker to end by itself


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
        self._token = uuid.uuid4().hex
        environment = os.environ | {name: str(kind.n_threads) for name in THREAD_VARIABLES}
        environment |= {MARK: self._token} | share_imports()  # a model's own modules
        # Standard error goes to a file, not a pipe: an unread pipe would fill up and block it.
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            run_module(
                "rightfit.profiling.worker", str(os.getpid()), str(kind.n_threads), *kind.imports
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the worker
        )
        self._answers = LineReader(os.dup(_pipe(self._process.stdout).fileno()))
        self._hello: Hello | None = None
        self._children: set[int] = set()
        self._is_ending = False  # the child that answered last

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def hello(self) -> Hello:
        """The empty worker's description of itself.

        Raises:
            RuntimeError: If it died before.
        """
        failure = self.await_hello(None)
        if self._hello is None:
            raise RuntimeError(failure)
        return self._hello

    def await_hello(self, limit_s: float | None) -> Failure | None:
        """Wait until its imports are done; say why if they never will be.

        Args:
            limit_s: Longest wait; ``None`` for any.
        """
        if self._hello is None:
            answer = self._read(Hello, limit_s)
            if isinstance(answer, Failure):
                return answer
            self._hello = answer
        return None

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

        Returns:
            The answer, or why there is none.
        """
        answer = self.ask_ahead(request, kind)
        self.await_end()
        return answer

    def ask_ahead(
        self, request: Task | VisitRequest | LeaveRequest, kind: type[Expected]
    ) -> Expected | Failure:
        """Do as :meth:`ask`, but return while the child that has answered may still be ending.

        Before anything else is timed, :meth:`await_end` is due.
        """
        self.await_end()
        if self.is_closed:
            return Failure(f"its measuring process has ended (status {self._process.poll()})")
        limit_s = LEAVE_MAX_S if isinstance(request, LeaveRequest) else request.limit_s
        failure = self.await_hello(limit_s)
        if failure is not None:
            return failure
        stdin = _pipe(self._process.stdin)
        try:
            with contextlib.suppress(BrokenPipeError):  # the reason is read below
                stdin.write(write_message(request).encode())
                stdin.flush()
            answer = self._read(kind, None if limit_s is None else limit_s + GRACE_S)
        except BaseException:  # Ctrl-C: the next request must not get this one's answer
            self.kill()
            raise
        if isinstance(request, VisitRequest | LeaveRequest):
            self._children.discard(request.child)
        if isinstance(answer, Paused):
            self._children.add(answer.child)
        return answer

    def await_end(self) -> None:
        """Wait until the child that answered last has ended, unless it stays."""
        if self._is_ending and not self.is_closed:
            self._read(Left, LEAVE_MAX_S)  # a worker that does not say so is killed
        self._is_ending = False

    def close(self) -> None:
        """End the worker with all it has started, and wait for it."""
        self.terminate()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                _pipe(stream).close()
        try:
            self._process.wait(timeout=CLOSE_MAX_S)
        except subprocess.TimeoutExpired:  # it is stopped, or its libraries do not let it go
            self.kill()
        self._answers.close()
        self._errors.close()

    def terminate(self) -> None:
        """Ask the worker to end with all it has started."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the worker and all below it at once."""
        if self._process.poll() is None:
            end_tree(self._process.pid)
            self._process.wait()

    def end_now(self) -> None:
        """Kill the worker and all below it from a signal's handler, which must not wait."""
        if self._process.returncode is None:
            end_tree(self._process.pid)

    def _read(self, kind: type[Expected], limit_s: float | None) -> Expected | Failure:
        try:
            line = self._answers.read(limit_s)
            if line is not None:
                answer = read_message(line)
                if isinstance(answer, kind | Failure):
                    self._is_ending = not isinstance(answer, Hello | Paused | Left)
                    return answer
                raise TypeError(f"{type(answer).__name__} instead of {kind.__name__}")
        except TimeoutError:
            self.kill()
            return Failure(
                f"its measuring process gave no answer within {limit_s:g} s (answer_max_s)"
            )
        except Exception as err:  # what it measures can write anything
            self.kill()
            return Failure(f"its measuring process wrote what is no answer ({err!r:.200})")
        return self._explain_end()

    def _explain_end(self) -> Failure:
        """Say with which status it ended, and what it wrote last."""
        try:
            status = self._process.wait(timeout=CLOSE_MAX_S)
        except subprocess.TimeoutExpired:  # it closed its pipe and goes on
            self.kill()
            status = self._process.wait()
        end_marked(f"{MARK}={self._token}")  # who was killed could not end what it had started
        self._errors.seek(0)
        tail = self._errors.read()[-2_000:].strip()
        lines = tail.splitlines()
        reason = f": {lines[-1]}" if lines else ""
        return Failure(f"its measuring process ended with status {status}{reason}", detail=tail)


class WorkerPool:
    """Workers kept ready for the next measurement of their kind, the least used ones closed.

    Args:
        max_open: Workers open at most, unless more have children that stay to be visited again.
    """

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open: OrderedDict[WorkerKind, Worker] = OrderedDict()

    def get(self, kind: WorkerKind) -> Worker:
        """Return a started worker of a kind, another one if it has ended."""
        if kind in self._open and self._open[kind].is_closed:
            self.discard(kind)
        if kind not in self._open:
            self._make_room()
            logger.debug("Starting a measuring process for %s.", kind)
            self._open[kind] = Worker(kind)
        self._open.move_to_end(kind)
        return self._open[kind]

    def start(self, kinds: Iterable[WorkerKind], *, limit_s: float | None = None) -> None:
        """Start workers side by side, so that their imports take the time of the slowest.

        One that cannot start says so when it is asked.

        Args:
            kinds: Their kinds.
            limit_s: Longest wait for each; ``None`` for any.
        """
        for worker in [self.get(kind) for kind in dict.fromkeys(kinds)]:
            worker.await_hello(limit_s)

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

    def kill(self) -> None:
        """Kill all workers at once, without waiting for them."""
        for worker in list(self._open.values()):
            worker.end_now()

    def close(self) -> None:
        """Close all workers."""
        for worker in self._open.values():
            worker.terminate()  # side by side
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
