"""Forked children of a worker: most answer one request and end, some stay to be visited again.

A child that stays sleeps between its visits, so that other processes can be timed meanwhile. It
ends when its worker ends or closes its pipe.

Whatever a child does, it ends no more than itself: a child that hangs is killed at its time limit,
and one that dies or writes anything but an answer has failed. What it has started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, cast, get_args

from rightfit.processes.lifeline import end_children, end_with_parent
from rightfit.processes.lines import LineReader
from rightfit.profiling.worker.messages import (
    STOPPED,
    Answer,
    Described,
    DescribeRequest,
    Failure,
    LeaveRequest,
    Left,
    Paused,
    Task,
    Visited,
    VisitRequest,
    read_message,
    write_message,
)
from rightfit.profiling.worker.results import ServerResult

END_MAX_S = 2.0  # for a child to end by itself once its pipes are closed
END_LOOK_S = 0.001
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
    answers: LineReader

    def read(self, limit_s: float | None) -> Answer:
        """Wait for its answer; a child that gives none is killed, and has failed.

        Args:
            limit_s: Longest wait; ``None`` for any.
        """
        try:
            text = self.answers.read(limit_s)
            if text is not None:
                return _read_answer(text)
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            self.end()
            return Failure(
                f"the measuring process gave no answer within {limit_s:g} s (answer_max_s)"
            )
        except Exception as err:  # a child can write anything
            os.kill(self.pid, signal.SIGKILL)
            self.end()
            return Failure(f"the measuring process wrote what is no answer ({err!r:.200})")
        code = self.end()
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Failure(f"the measuring process ended early ({reason})")

    def has_stopped(self) -> bool:
        """Tell whether a signal has stopped it, and another let it go on, since the last call."""
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WCONTINUED)
        return pid == self.pid and os.WIFCONTINUED(status)

    def wake(self) -> None:
        """Ask it for one more answer."""
        try:
            self.visits.write("\n")
            self.visits.flush()
        except BrokenPipeError:
            pass  # why it ended is read below

    def end(self) -> int:
        """Close its pipes and wait; return its exit status, negative for a signal's number."""
        with contextlib.suppress(BrokenPipeError):  # it ended before it read what was written
            self.visits.close()
        self.answers.close()
        end_s = time.monotonic() + END_MAX_S
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end_s:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(END_LOOK_S)


def _read_answer(text: str) -> Answer:
    answer = read_message(text)
    if isinstance(answer, get_args(Answer)):
        return cast("Answer", answer)
    raise TypeError(f"{type(answer).__name__} is no answer")


class Children:
    """The children of this process.

    Args:
        handle: Carries out a request in the child.
        own: File descriptors that no child may have, such as the worker's pipe to its parent.
    """

    def __init__(self, handle: Handle, own: Sequence[int] = ()) -> None:
        self._handle = handle
        self._own = tuple(own)
        self._staying: dict[int, Child] = {}

    def ask(self, request: Task | VisitRequest | LeaveRequest) -> Iterator[Answer]:
        """Carry out a task in a fresh child, or visit or end one that stayed.

        Yields:
            The answer to a task or a visit; then, unless the child stays, that it has ended.
        """
        if isinstance(request, LeaveRequest):
            child = self._staying.pop(request.child)
        else:
            child, answer = self._carry_out(request)
            yield answer
            if isinstance(answer, Paused):
                return
        status = 0 if child.answers.is_closed else child.end()
        end_children(keep=self._staying)
        yield Left(status)

    def _carry_out(self, request: Task | VisitRequest) -> tuple[Child, Answer]:
        if isinstance(request, VisitRequest):
            child = self._staying.pop(request.child)
            if child.answers.has_more():
                os.kill(child.pid, signal.SIGKILL)
                child.end()
                return child, Failure("the measuring process wrote without being asked")
            child.wake()
        else:
            child = self._fork(request)
        answer = child.read(request.limit_s)
        if isinstance(answer, Visited):
            answer = replace(answer, was_stopped=child.has_stopped())
        elif _is_spoilt_by_a_stop(request, answer) and child.has_stopped():
            answer = Failure(STOPPED)
        if isinstance(answer, Paused):
            self._staying[child.pid] = child
            answer = replace(answer, child=child.pid)
        return child, answer

    def _fork(self, request: Task) -> Child:
        visits_out, visits_in = os.pipe()
        answers_out, answers_in = os.pipe()
        worker = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with_parent(worker)
            self._give_up_inherited()
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
            LineReader(answers_out),
        )

    def _give_up_inherited(self) -> None:
        """Let go of the worker's handlers and of its pipes to its own parent."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._own:
            os.dup2(nothing, descriptor)
        os.close(nothing)


def _is_spoilt_by_a_stop(request: Task | VisitRequest, answer: Answer) -> bool:
    is_timed = isinstance(request, DescribeRequest) and request.is_timed
    return isinstance(answer, ServerResult) or (is_timed and isinstance(answer, Described))


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
                # Even after the last answer it stays until it may end: its parent looks at it.
                if not visits.readline() or not isinstance(answer, Paused):
                    break
        status = 0
    finally:
        os._exit(status)  # no clean-up of what the parent still owns


def _next(answers: Iterator[Answer]) -> Answer:
    try:
        return next(answers)
    except BaseException as err:  # whatever happens is the answer
        return Failure(f"{type(err).__name__}: {err}", traceback.format_exc(limit=-3))
