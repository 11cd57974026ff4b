"""What a run and the processes of its searches tell each other: one JSON object a line."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rightfit.processes.codec import from_plain, to_plain
from rightfit.processes.lines import LineReader


@dataclass(frozen=True)
class Start:
    """What a process is to work on.

    Args:
        job: A search, see ``search_job.describe_job``.
        only_default: Whether to train the family's default alone.
        n_candidates: Complete trials to export to ONNX when the search is over, at most.
        log_level: Lowest level that it tells.
    """

    job: str
    only_default: bool
    n_candidates: int
    log_level: int


@dataclass(frozen=True)
class StartRefit:
    """What a process is to train again.

    Args:
        job: A ``RefitJob`` as JSON.
        log_level: Lowest level that it tells.
    """

    job: str
    log_level: int


@dataclass(frozen=True)
class AwaitsCore:
    """It would train; the answer is :class:`GoOn`."""


@dataclass(frozen=True)
class GoOn:
    """It may train."""


@dataclass(frozen=True)
class Rests:
    """It has nothing to do until others of its search are further."""


@dataclass(frozen=True)
class Progress:
    """How far its search is.

    Args:
        n_begun: Trials that have ended or were looked at.
        n_trials: At how many the search ends; ``None`` if it ends otherwise.
    """

    n_begun: int
    n_trials: int | None


@dataclass(frozen=True)
class Logged:
    """A line of its log."""

    level: int
    name: str
    text: str


@dataclass(frozen=True)
class Ended:
    """Its work is over.

    Args:
        error: What broke it; empty if nothing did.
    """

    error: str


FromRun = Start | StartRefit | GoOn
FromMember = AwaitsCore | Rests | Progress | Logged | Ended
Message = FromRun | FromMember
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Start, StartRefit, AwaitsCore, GoOn),
        *(Rests, Progress, Logged, Ended),
    )
}


class Channel:
    """One end of a connection between a run and a search's process.

    Args:
        end: Its socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lines = LineReader(end.dup().detach())
        self._sending = threading.Lock()  # signs of life are logged from a thread of their own

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send a message."""
        line = json.dumps({type(message).__name__: to_plain(message)}) + "\n"
        with self._sending:
            self._socket.sendall(line.encode())

    def receive(self) -> Message | None:
        """Wait for a message; ``None`` if the other end is gone."""
        try:
            line = self._lines.read(None)
        except ConnectionError:
            return None
        if line is None:
            return None
        [(name, plain)] = json.loads(line).items()
        message: Message = from_plain(KINDS[name], plain)
        return message

    def has_more(self) -> bool:
        """Tell whether another message waits."""
        return self._lines.has_more()

    def close(self) -> None:
        """Close this end."""
        self._lines.close()
        self._socket.close()


def wait_for(channels: Sequence[Channel]) -> list[Channel]:
    """Wait until something arrives; return the channels at which it does."""
    by_descriptor = {one.fileno(): one for one in channels}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll()]
