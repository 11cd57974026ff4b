"""The wall time of training, less the time for which this process was stopped.

Trainings that run side by side are stopped while something is timed. Who stops a process notes in a
file how long it was stopped; the process itself cannot know.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

_RECORD = struct.Struct("<q")
_open_files: list[int] = []


def note_stops(file: Path, stopped_ns: int) -> None:
    """Note for how long a process has been stopped so far, before it goes on.

    Args:
        file: The process' file.
        stopped_ns: Nanoseconds in all.
    """
    file.write_bytes(_RECORD.pack(stopped_ns))


def follow_stops(file: Path) -> None:
    """Leave out of this process' training time what is noted in a file from now on."""
    note_stops(file, 0)
    _open_files.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))


def training_time_ns() -> int:
    """Return a monotonic time in nanoseconds that stands still while this process is stopped."""
    now_ns = time.perf_counter_ns()
    for file in _open_files:
        now_ns -= int(_RECORD.unpack(os.pread(file, _RECORD.size, 0))[0])
    return now_ns
