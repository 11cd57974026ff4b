"""Forked children of a worker: most answer one request and end, some stay to be visited again.

A child that stays sleeps between its visits, so that other processes can be timed meanwhile. It
ends when its worker does, or when it is told to leave: its pipe is closed then.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

Json = dict[str, Any]

# Carries out a request: one answer, then one more for each visit that an answer has left.
Handle = Callable[[Json], Iterator[Json]]


@dataclass(frozen=True)
class Child:
    """A forked process.

    Args:
        pid: Its number.
        visits: A line into it wakes it.
        answers: One JSON object a line.
    """

    pid: int
    visits: IO[str]
    answers: IO[str]

    def read(self) -> Json:
        """Wait for its answer; a child that dies is an answer too."""
        text = self.answers.readline()
        if text:
            answer: Json = json.loads(text)
            return answer
        code = self.end()
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return {"ok": False, "error": f"the measuring process ended early ({reason})"}

    def wake(self) -> None:
        """Ask it for one more answer."""
        try:
            self.visits.write("\n")
            self.visits.flush()
        except BrokenPipeError:
            pass  # why it ended is read below

    def end(self) -> int:
        """Let it end; return its exit status, negative for a signal's number."""
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

    def ask(self, request: Json) -> Json:
        """Carry out a request in a fresh child, or visit the one that it names as ``child``.

        Args:
            request: For the handle; or ``child``, and ``leaves`` to let it go instead.

        Returns:
            The handle's answer and ``ok``, or ``error`` and ``detail``; with ``child``, its number,
            when it has ``visits_left`` and stays for them.
        """
        if "child" not in request:
            child = self._fork(request)
        else:
            child = self._staying.pop(request["child"])
            if request.get("leaves"):
                return {"ok": True, "status": child.end()}
            child.wake()
        answer = child.read()
        if not answer.get("visits_left"):
            if not child.answers.closed:
                child.end()
            return answer
        self._staying[child.pid] = child
        return answer | {"child": child.pid}

    def _fork(self, request: Json) -> Child:
        visits_out, visits_in = os.pipe()
        answers_out, answers_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(visits_in)
            os.close(answers_out)
            # Else an older child that is let go would not see the end of its pipe, and never end.
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


def _run(answers: Iterator[Json], visits_out: int, answers_in: int) -> None:
    status = 1
    try:
        with (
            os.fdopen(visits_out, encoding="utf-8") as visits,
            os.fdopen(answers_in, "w", encoding="utf-8") as pipe,
        ):
            while True:
                answer = _next(answers)
                pipe.write(json.dumps(answer) + "\n")
                pipe.flush()
                if not answer.get("visits_left") or not visits.readline():
                    break
        status = 0
    finally:
        os._exit(status)  # no clean-up of what the parent still owns


def _next(answers: Iterator[Json]) -> Json:
    try:
        return {"ok": True} | next(answers)
    except BaseException as err:  # whatever happens is the answer
        detail = traceback.format_exc(limit=-3)
        return {"ok": False, "error": f"{type(err).__name__}: {err}", "detail": detail}
