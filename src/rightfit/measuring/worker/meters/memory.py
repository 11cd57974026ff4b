"""Memory of this process, as the kernel counts it.

The headline is the kernel's high-water mark of resident memory (``VmHWM``): it misses no peak,
however short, and repeats within 0.1 % between fresh processes. PSS and USS vary with what other
processes share pages, so they are not used.

A measuring process is forked from one that already holds the runtime's imports. Its resident
memory is therefore read as a difference: anonymous memory (``RssAnon``) for what stays after
loading, and for the peak of a phase the high-water mark, reset before it, less the resident
memory at its start. Pages of libraries are file-backed; a fork touches them again one by one.
Those that the empty worker had are counted once, in its base; those that only serving touches (8
MiB of onnxruntime's code) are found by comparing the two processes page by page.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rightfit.measuring.worker.units import BYTES_PER_MIB

KIB_PER_MIB = 1024
STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): writing 5 resets the high-water mark to the current value


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process.

    Args:
        resident_mib: Resident memory now.
        peak_mib: High-water mark of the resident memory.
        anonymous_mib: Resident memory that no file backs, ``None`` where the system hides it.
    """

    resident_mib: float
    peak_mib: float
    anonymous_mib: float | None


def parse_status(text: str) -> Memory:
    r"""Read the memory lines of a ``/proc/<pid>/status`` file.

    >>> parse_status("VmHWM:\t 4096 kB\nVmRSS:\t 2048 kB\nRssAnon:\t 1024 kB\n")
    Memory(resident_mib=2.0, peak_mib=4.0, anonymous_mib=1.0)
    """
    kib = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM", "RssAnon"):
            kib[name] = int(value.split()[0])
    return Memory(
        resident_mib=kib["VmRSS"] / KIB_PER_MIB,
        peak_mib=kib["VmHWM"] / KIB_PER_MIB,
        anonymous_mib=kib["RssAnon"] / KIB_PER_MIB if "RssAnon" in kib else None,
    )


def read_memory() -> Memory:
    """Read this process's memory; outside Linux the peak stands in for the resident memory."""
    if STATUS.exists():
        return parse_status(STATUS.read_text(encoding="ascii", errors="replace"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    units_per_mib = BYTES_PER_MIB if sys.platform == "darwin" else KIB_PER_MIB
    return Memory(peak / units_per_mib, peak / units_per_mib, None)


def return_free_memory() -> None:
    """Give memory that was freed back to the system, so that using it again counts as growth.

    Does nothing where the C library has no ``malloc_trim`` (only glibc has it).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak() -> bool:
    """Set the high-water mark back to the resident memory; tell whether the system allowed it."""
    try:
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


FilePages = Mapping[int, bytes]
"""For each file-backed mapping's address, a byte for each page: 1 when it is resident."""

BYTES_PER_ENTRY = 8  # of /proc/self/pagemap, see proc_pid_pagemap(5)
PRESENT_BIT, FILE_BIT = 63, 61


def read_file_pages() -> FilePages | None:
    """Return which pages of files are resident in this process, ``None`` where unknown."""
    import numpy as np  # a worker imports this module before it is confined to its cores

    mask = np.uint64((1 << PRESENT_BIT) | (1 << FILE_BIT))
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    pages_by_start: dict[int, bytes] = {}
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
            for line in maps.splitlines():
                addresses, _, _, _, inode, *_ = line.split(maxsplit=5)
                if inode == "0":
                    continue
                start, end = (int(address, 16) for address in addresses.split("-"))
                pagemap.seek(start // page_bytes * BYTES_PER_ENTRY)
                entries = pagemap.read((end - start) // page_bytes * BYTES_PER_ENTRY)
                flags = np.frombuffer(entries, dtype=np.uint64)
                pages_by_start[start] = bytes(((flags & mask) == mask).astype(np.uint8))
    except OSError:
        return None
    return pages_by_start


def new_file_pages_mib(before: FilePages | None, now: FilePages | None) -> float:
    r"""Return the resident memory of files that another process did not have.

    Args:
        before: Pages of the process this one was forked from, ``None`` when unknown.
        now: Pages of this process.

    >>> page_mib = os.sysconf("SC_PAGE_SIZE") / 2**20
    >>> new_file_pages_mib({64: b"\1\0\0"}, {64: b"\1\1\0", 99: b"\1"}) / page_mib
    2.0
    """
    if before is None or now is None:
        return 0.0
    n_new = 0
    for start, pages in now.items():
        pages_before = before.get(start, b"")
        shared = int.from_bytes(pages_before, "little") & int.from_bytes(pages, "little")
        n_new += pages.count(1) - shared.bit_count()
    return n_new * os.sysconf("SC_PAGE_SIZE") / BYTES_PER_MIB


class MemoryMeter:
    """Growth of this process' memory since the meter was made.

    Args:
        base_pages: Pages of files of the worker this process was forked from.
    """

    def __init__(self, base_pages: FilePages | None) -> None:
        self._base_pages = base_pages
        reset_peak()
        self._start = read_memory()

    def loaded_mib(self) -> float:
        """Return how much more memory is resident now."""
        return self._growth_mib(read_memory())

    def peak_mib(self, phase_start: Memory) -> float:
        """Return the highest growth since a phase began.

        Args:
            phase_start: Memory read at the phase's start, right after :func:`reset_peak`.
        """
        now = read_memory()
        of_files_mib = max(0.0, _files_mib(now) - _files_mib(phase_start))  # counted by files_mib
        return (
            self._growth_mib(phase_start) + now.peak_mib - phase_start.resident_mib - of_files_mib
        )

    def files_mib(self) -> float:
        """Return the resident memory of files that the empty worker did not have."""
        return new_file_pages_mib(self._base_pages, read_file_pages())

    def _growth_mib(self, now: Memory) -> float:
        if now.anonymous_mib is None or self._start.anonymous_mib is None:
            return now.resident_mib - self._start.resident_mib
        return now.anonymous_mib - self._start.anonymous_mib


def _files_mib(memory: Memory) -> float:
    return 0.0 if memory.anonymous_mib is None else memory.resident_mib - memory.anonymous_mib
