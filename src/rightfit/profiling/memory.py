"""Memory of this process, as the kernel counts it.

The headline is the kernel's high-water mark of resident memory (``VmHWM``): it misses no peak,
however short, and repeats within 0.1 % between fresh processes. PSS and USS vary with what other
processes share pages, so they are not used.

A measuring process is forked from one that already holds the runtime's imports. Its resident
memory is therefore read as a difference: anonymous memory (``RssAnon``) for what stays after
loading, and for the peak of a phase the high-water mark, reset before it, less the resident
memory at its start. Pages of libraries are file-backed; a fork touches them again one by one, so
they are left out of the difference and counted once, in the base of the empty worker.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

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
    units_per_mib = 2**20 if sys.platform == "darwin" else KIB_PER_MIB
    return Memory(peak / units_per_mib, peak / units_per_mib, None)


def reset_peak() -> bool:
    """Set the high-water mark back to the resident memory; tell whether the system allowed it."""
    try:
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True
