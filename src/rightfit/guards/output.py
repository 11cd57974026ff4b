"""Standard output that never fails: a run of hours is not lost to a full or closed terminal."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import os
import sys
from pathlib import Path
from typing import Any, TextIO


class TolerantStream:
    """A text stream whose writes do not fail; once one has, the rest is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    def write(self, text: str) -> int:
        """Write a text, with ``?`` for what the stream's encoding lacks."""
        if not self._is_lost:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):  # full, or closed
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        with contextlib.suppress(OSError, ValueError):  # what waits goes nowhere, and fails no more
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tolerate_lost_output() -> None:
    """Let output that cannot be written be lost, for the rest of the process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before the start
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        if stream is None or isinstance(stream, TolerantStream):
            continue
        if not _is_unicode(stream) and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        tolerant = TolerantStream(stream)
        setattr(sys, name, tolerant)
        atexit.register(tolerant.flush)  # before the interpreter's own, which fails the process


def _is_unicode(stream: TextIO) -> bool:
    try:
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False
