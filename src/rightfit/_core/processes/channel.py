"""Records between two processes: one JSON object a line, over a socket.

A line is an object of one key, the name of the record's class: ``{"Predicted": {"n_rows": 3}}``.
The other end may hang, die or write anything, as it may run a model from elsewhere: a wait has a
limit, a line has one too, and only records of named classes are made of it. Hence no pickles, which
``multiprocessing.connection`` sends.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from rightfit._core.processes.codec import from_plain, to_plain

CHUNK_BYTES = 2**16
MAX_LINE_BYTES = 2**26  # far above any answer; garbage must not fill the memory
MS_PER_S = 1_000

Kinds = Mapping[str, type[Any]]  # of the records that may arrive, by name


def name_kinds(*kinds: type[Any]) -> Kinds:
    """Return classes of records by their names."""
    return {kind.__name__: kind for kind in kinds}


class Channel:
    """One end of a connection between two processes.

    Args:
        end: Its socket.
        kinds: Classes of the records that may arrive.
        max_bytes: Longest line.
        takes_descriptors: Whether file descriptors may arrive along with records.
    """

    def __init__(
        self,
        end: socket.socket,
        kinds: Kinds,
        *,
        max_bytes: int = MAX_LINE_BYTES,
        takes_descriptors: bool = False,
    ) -> None:
        self._socket = end
        self._kinds = kinds
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._takes_descriptors = takes_descriptors
        self._descriptors: deque[int] = deque()
        self._sending = threading.Lock()  # logs and signs of life come from several threads

    def fileno(self) -> int:
        """Return the descriptor to wait for; -1 once it is closed."""
        return self._socket.fileno()

    def send(self, record: object, *, descriptor: int | None = None) -> None:
        """Send a record, and a file descriptor along with it.

        Raises:
            OSError: If the other end is gone.
        """
        line = json.dumps({type(record).__name__: to_plain(record)}).encode() + b"\n"
        with self._sending:
            if descriptor is not None:
                line = line[socket.send_fds(self._socket, [line], [descriptor]) :]
            self._socket.sendall(line)

    def receive(self, limit_s: float | None = None) -> Any:
        """Wait for a record; return ``None`` if the other end is gone.

        Args:
            limit_s: Longest wait for the whole record; ``None`` for any.

        Raises:
            TimeoutError: If it was not there in time.
            ValueError: If what arrived is no record of a known class.
        """
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > self._max_bytes:
                raise ValueError(f"more than {self._max_bytes} bytes without an end of line")
            if not self._is_ready(end_s):
                raise TimeoutError(f"no answer within {limit_s:g} s")
            if not self._read_chunk():
                return None
        line = self._held[:end].decode()
        del self._held[: end + 1]
        try:
            [(name, plain)] = json.loads(line).items()
            return from_plain(self._kinds[name], plain)
        except (AttributeError, KeyError, TypeError) as err:
            raise ValueError(f"no record of {sorted(self._kinds)}: {line:.200}") from err

    def receive_descriptor(self) -> int:
        """Return the file descriptor that came along with a record; each once, in order."""
        return self._descriptors.popleft()

    def has_more(self) -> bool:
        """Tell whether anything that was not read waits, the end of the connection aside."""
        if not self._held and self._is_ready(time.monotonic()):
            self._read_chunk()
        return bool(self._held)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _read_chunk(self) -> bool:
        """Read what has arrived; tell whether it was anything but the end."""
        try:
            if self._takes_descriptors:
                chunk, descriptors, _, _ = socket.recv_fds(self._socket, CHUNK_BYTES, 1)
                self._descriptors += descriptors
            else:
                chunk = self._socket.recv(CHUNK_BYTES)
        except ConnectionError:
            return False
        self._held += chunk
        return bool(chunk)

    def _is_ready(self, end_s: float | None) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        left_s = None if end_s is None else max(0.0, end_s - time.monotonic())
        return bool(poll.poll(None if left_s is None else left_s * MS_PER_S))


def wait_for(channels: Sequence[Channel]) -> list[Channel]:
    """Wait until something arrives; return the channels at which it does."""
    by_descriptor = {channel.fileno(): channel for channel in channels}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll()]
