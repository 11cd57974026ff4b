"""Starting measuring processes and talking to them (see ``worker/process.py``).

A forked process that does not answer in time, dies or writes what is no answer is killed with all
it has started, and its request has failed. So is a worker that does not fork or dies; the next
request of its kind starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from rightfit._core.processes.channel import Channel
from rightfit._core.processes.fork_server import Left
from rightfit._core.processes.lifeline import end_marked, end_tree
from rightfit._core.processes.starting import ForkServer, limit_threads
from rightfit.measuring.worker.protocol import (
    KINDS,
    Answered,
    Failure,
    Follow,
    Forked,
    Hello,
    Ready,
    SliceTimed,
    Task,
)

Expected = TypeVar("Expected")

logger = logging.getLogger(__name__)

MAX_OPEN_WORKERS = 10  # an idle worker keeps its imports in memory: 50 to 220 MiB
MARK = "RIGHTFIT_WORKER"  # variable of a worker and of what it starts
GRACE_S = 10.0  # beyond a limit, for a worker to fork
LEAVE_MAX_S = 10.0  # for a forked process to end
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


@dataclass
class Child:
    """A forked process, by its process id, and the channel to it.

    One of several threads is stopped between its slices: the threads of a pool go on looking for
    work after a call, those of onnxruntime for some 35 ms.
    """

    pid: int
    channel: Channel

    def signal(self, number: int) -> None:
        """Stop, wake or kill all of its threads; its worker has still to await its end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Worker:
    """A started worker: ask it, close it.

    Args:
        kind: What to start.
    """

    def __init__(self, kind: WorkerKind) -> None:
        self.kind = kind
        self._token = uuid.uuid4().hex
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._server = ForkServer(
            "rightfit.measuring.worker.process",
            str(kind.n_threads),
            *kind.imports,
            kinds=KINDS,
            variables=limit_threads(kind.n_threads) | {MARK: self._token},
            output=self._errors,
        )
        self._hello: Hello | None = None
        self._staying: dict[int, Child] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._server.process.pid

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
            answer = self._receive(self._server.control, Hello, limit_s)
            if isinstance(answer, Failure):
                return answer
            self._hello = answer
        return None

    @property
    def is_closed(self) -> bool:
        """Whether the process has ended."""
        return self._server.is_closed

    @property
    def has_children(self) -> bool:
        """Whether forked processes stay for slices; they would end with it."""
        return bool(self._staying)

    def ask(self, request: Task | Follow, kind: type[Expected]) -> Expected | Failure:
        """Send a request and wait for its answer.

        Args:
            request: A task for a fresh process, or what one that stayed is asked.
            kind: Class of the answer of a process that does not fail.

        Returns:
            The answer, or why there is none.
        """
        if self.is_closed:
            return Failure(
                f"its measuring process has ended (status {self._server.process.poll()})"
            )
        failure = self.await_hello(request.limit_s)
        if failure is not None:
            return failure
        try:
            if isinstance(request, Follow):
                child = self._staying.pop(request.child)
                child.signal(signal.SIGCONT)
                return self._hear(child, request, kind)
            try:
                channel = self._server.fork()
            except BrokenPipeError:
                return self._explain_end()
            limit_s = None if request.limit_s is None else request.limit_s + GRACE_S
            forked = self._receive(channel, Forked, limit_s)
            if isinstance(forked, Failure):
                channel.close()
                return forked
            return self._hear(Child(forked.pid, channel), request, kind)
        except BaseException:  # Ctrl-C: nobody would read the answer
            self.kill()
            raise

    def leave(self, child: int) -> None:
        """End a process that stayed, by its number."""
        staying = self._staying.pop(child)
        staying.signal(signal.SIGCONT)
        self._end(staying)

    def close(self) -> None:
        """End the worker with all it has started, and wait for it."""
        self.terminate()
        # One that is stopped, or whose libraries do not let it go, is killed.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.process.wait(timeout=CLOSE_MAX_S)
        self._server.close()
        for child in self._staying.values():
            child.channel.close()
        self._staying.clear()
        self._errors.close()

    def terminate(self) -> None:
        """Ask the worker to end with all it has started."""
        self._server.process.terminate()

    def kill(self) -> None:
        """Kill the worker and all below it at once."""
        if not self.is_closed:
            end_tree(self.pid)
            self._server.process.wait()

    def end_now(self) -> None:
        """Kill the worker and all below it from a signal's handler, which must not wait."""
        if self._server.process.returncode is None:
            end_tree(self.pid)

    def _hear(
        self, child: Child, request: Task | Follow, kind: type[Expected]
    ) -> Expected | Failure:
        """Send a process its request; a process that does not answer has failed."""
        try:
            if child.channel.has_more():
                raise ValueError("it was not asked")
            with contextlib.suppress(BrokenPipeError):  # why it ended is found below
                child.channel.send(request)
            answer = child.channel.receive(request.limit_s)
        except TimeoutError:
            answer = Failure(
                f"the measuring process gave no answer within {request.limit_s:g} s (answer_max_s)"
            )
            child.signal(signal.SIGKILL)
        except Exception as err:  # it can write anything
            answer = Failure(f"the measuring process wrote what is no answer ({err!r:.200})")
            child.signal(signal.SIGKILL)
        if isinstance(answer, kind) and isinstance(answer, Ready | SliceTimed | Answered):
            self._staying[child.pid] = child
            if self.kind.n_threads > 1:
                child.signal(signal.SIGSTOP)
            if not isinstance(answer, SliceTimed):
                answer = replace(answer, child=child.pid)
            return cast("Expected", answer)
        ended = self._end(child)
        if isinstance(answer, kind | Failure):
            return answer
        if answer is not None:
            return Failure(f"the measuring process answered with {type(answer).__name__}")
        if isinstance(ended, Failure):
            return ended
        status = ended.status
        reason = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        if status == -signal.SIGKILL:
            reason += ", as when the machine's memory runs out"
        return Failure(f"the measuring process ended early ({reason})")

    def _end(self, child: Child) -> Left | Failure:
        """Close the channel, whose end ends the process, and wait until it has ended."""
        child.channel.close()
        with contextlib.suppress(BrokenPipeError):  # the worker has died; that is found next
            self._server.end(child.pid)
        return self._receive(self._server.control, Left, LEAVE_MAX_S)

    def _receive(
        self, channel: Channel, kind: type[Expected], limit_s: float | None
    ) -> Expected | Failure:
        """Receive what the worker itself, or a process before its task, has to say."""
        try:
            answer = channel.receive(limit_s)
            if answer is None:
                return self._explain_end()
            if isinstance(answer, kind):
                return answer
            reason = f"answered with {type(answer).__name__}"
        except TimeoutError:
            reason = f"gave no answer within {limit_s:g} s (answer_max_s)"
        except ValueError as err:  # what it imports can write anything
            reason = f"wrote what is no answer ({err!r:.200})"
        self.kill()
        return Failure(f"its measuring process {reason}")

    def _explain_end(self) -> Failure:
        """Say with which status the worker ended, and what it wrote last."""
        process = self._server.process
        try:
            status = process.wait(timeout=CLOSE_MAX_S)
        except subprocess.TimeoutExpired:  # it closed its channel and goes on
            self.kill()
            status = process.wait()
        end_marked(f"{MARK}={self._token}")  # who was killed could not end what it had started
        self._errors.seek(0)
        tail = self._errors.read()[-2_000:].strip()
        lines = tail.splitlines()
        reason = f": {lines[-1]}" if lines else ""
        return Failure(f"its measuring process ended with status {status}{reason}", detail=tail)


class WorkerPool:
    """Workers kept ready for the next measurement of their kind, the least used ones closed.

    Args:
        max_open: Workers open at most, unless more have children that stay for slices, or
            are started together.
    """

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open: OrderedDict[WorkerKind, Worker] = OrderedDict()

    def get(self, kind: WorkerKind) -> Worker:
        """Return a started worker of a kind, another one if it has ended."""
        if kind in self._open and self._open[kind].is_closed:
            self.discard(kind)
        if kind not in self._open:
            for idle in [kind for kind, worker in self._open.items() if not worker.has_children]:
                if len(self._open) >= self._max_open:
                    self.discard(idle)
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
        distinct_kinds = dict.fromkeys(kinds)
        self._max_open = max(
            self._max_open, len(distinct_kinds)
        )  # or each would close another's worker
        for worker in [self.get(kind) for kind in distinct_kinds]:
            worker.await_hello(limit_s)

    def discard(self, kind: WorkerKind) -> None:
        """Close a worker, so that the next request starts afresh."""
        worker = self._open.pop(kind, None)
        if worker is not None:
            worker.close()

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

    Datasets are measured one after another by separate calls; sharing the started workers saves
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
