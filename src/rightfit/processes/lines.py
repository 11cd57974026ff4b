"""Lines from a pipe, with a time limit: its other end may hang, die or write anything."""

from __future__ import annotations

import os
import select
import time

CHUNK_BYTES = 2**16
MAX_LINE_BYTES = 2**26  # far above any answer; garbage must not fill the memory
MS_PER_S = 1_000


class LineReader:
    """Reads lines of UTF-8 from a file descriptor, which it closes.

    Args:
        descriptor: Reading end of a pipe; nothing else may read from it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = b""

    def read(self, limit_s: float | None) -> str | None:
        """Return the next line, ``None`` at the end of the pipe.

        Args:
            limit_s: Longest wait for the whole line; ``None`` for any.

        Raises:
            TimeoutError: If the line was not there in time.
            ValueError: If it is too long or not UTF-8.
        """
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while b"\n" not in self._held:
            if len(self._held) > MAX_LINE_BYTES:
                raise ValueError(f"more than {MAX_LINE_BYTES} bytes without an end of line")
            if not self._is_ready(end_s):
                raise TimeoutError(f"no answer within {limit_s:g} s")
            chunk = os.read(self._descriptor, CHUNK_BYTES)
            if not chunk:
                return None
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    def has_more(self) -> bool:
        """Tell whether anything that was not read waits, the end of the pipe aside."""
        if not self._held and self._is_ready(time.monotonic()):
            self._held = os.read(self._descriptor, CHUNK_BYTES)
        return bool(self._held)

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def is_closed(self) -> bool:
        """Whether the descriptor is closed."""
        return self._descriptor < 0

    def _is_ready(self, end_s: float | None) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        left_s = None if end_s is None else max(0.0, end_s - time.monotonic())
        return bool(poll.poll(None if left_s is None else left_s * MS_PER_S))
