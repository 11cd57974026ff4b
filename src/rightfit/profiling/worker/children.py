"""Forked children of a worker: most answer one request and end, some stay to be visited again.

A child that stays sleeps between its visits, so that other processes can be timed meanwhile. It
ends when its worker ends or closes its pipe.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO

from rightfit.profiling.worker.messages import (
    Answer,
    Failure,
    LeaveRequest,
    Left,
    Paused,
    Task,
    VisitRequest,
    read_message,
    write_message,
)

# Carries out a task: one answer, and another visit's answer after each that is Paused.
Handle = Callable[[Task], Iterator[Answer]]


@dataclass(frozen=True)
class Child:
    """A forked process.

    Args:
        pid: Its process id.
        visits: Pipe to it; a line wakes it.
        answers: Pipe from it; one message a line.
    """

    pid: int
    visits: IO[str]
    answers: IO[str]

    def read(self) -> Answer:
        """Wait for its answer; the death of a child is a :class:`Failure`."""
        text = self.answers.readline()
        if text:
            answer: Answer = read_message(text)
            return answer
        code = self.end()
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Failure(f"the measuring process ended early ({reason})")

    def wake(self) -> None:
        """Ask it for one more answer."""
        try:
            self.visits.write("\n")
            self.visits.flush()
        except BrokenPipeError:
            pass  # why it ended is read below

    def end(self) -> int:
        """Close its pipes and wait; return its exit status, negative for a signal's number."""
        for pipe in (self.visits, self.answers):
            try:
                pipe.close()
            except BrokenPipeError:  # it ended before it read what was written
                continue
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


class Children:
    """The children of this process.

    Args:
        handle: Carries out a request in the child.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._staying: dict[int, Child] = {}

    def ask(self, request: Task | VisitRequest | LeaveRequest) -> Answer:
        """Carry out a task in a fresh child, or visit or end one that stayed."""
        if isinstance(request, LeaveRequest):
            return Left(self._staying.pop(request.child).end())
        if isinstance(request, VisitRequest):
            child = self._staying.pop(request.child)
            child.wake()
        else:
            child = self._fork(request)
        answer = child.read()
        if isinstance(answer, Paused):
            self._staying[child.pid] = child
            return replace(answer, child=child.pid)
        if not child.answers.closed:
            child.end()
        return answer

    def _fork(self, request: Task) -> Child:
        visits_out, visits_in = os.pipe()
        answers_out, answers_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(visits_in)
            os.close(answers_out)
            # An open copy here would hide the end of an older child's pipe, and keep it alive.
            for other in self._staying.values():
                os.close(other.visits.fileno())
            _run(self._handle(request), visits_out, answers_in)
        os.close(visits_out)
        os.close(answers_in)
        return Child(
            pid,
            os.fdopen(visits_in, "w", encoding="utf-8"),
            os.fdopen(answers_out, encoding="utf-8"),
        )


def _run(answers: Iterator[Answer], visits_out: int, answers_in: int) -> None:
    status = 1
    try:
        with (
            os.fdopen(visits_out, encoding="utf-8") as visits,
            os.fdopen(answers_in, "w", encoding="utf-8") as pipe,
        ):
            while True:
                answer = _next(answers)
                pipe.write(write_message(answer))
                pipe.flush()
                if not isinstance(answer, Paused) or not visits.readline():
                    break
        status = 0
    finally:
        os._exit(status)  # no clean-up of what the parent still owns


def _next(answers: Iterator[Answer]) -> Answer:
    try:
        return next(answers)
    except BaseException as err:  # whatever happens is the answer
        return Failure(f"{type(err).__name__}: {err}", traceback.format_exc(limit=-3))
