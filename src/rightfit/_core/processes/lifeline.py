"""No process outlives the one that started it.

On Linux the kernel signals a process when its parent ends, however that ended. Elsewhere a process
notices at the end of its channel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
START_FIELD = 19  # of /proc/PID/stat after the name: clock ticks from boot to the process' start


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have this process signalled when its parent ends.

    The kernel signals at the end of the parent's *thread* that started this process: the handler of
    a signal other than SIGKILL must check that the parent is gone. A fork does not inherit this.

    Args:
        parent: Process id of the parent; this process ends at once if another one is by now.
        number: Signal to get.
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be ended."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def list_children(pid: int | None = None) -> list[int]:
    """Return the children of a process, zombies included; empty where the system hides them.

    Args:
        pid: The process; ``None`` for this one.
    """
    children: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid or 'self'}/task").iterdir():
            with contextlib.suppress(OSError):  # the thread ended
                children += map(int, (task / "children").read_text(encoding="ascii").split())
    return children


def list_descendants(pid: int) -> list[int]:
    """Return all processes below a process."""
    children = list_children(pid)
    return children + [below for child in children for below in list_descendants(child)]


def end_tree(pid: int) -> None:
    """Kill a child of this process and all below it; the caller waits for the child."""
    below = list_descendants(pid)
    for child in (pid, *below):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)


def end_children(*, keep: Collection[int] = ()) -> None:
    """Kill and reap this process' children, and those that they leave to it."""
    while children := set(list_children()) - set(keep):
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def identify_machine() -> str:
    """Name this machine, or container, from its start to its end: its next start has another name.

    Empty where the system does not tell.
    """
    with contextlib.suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # of the first process, after its name, which may hold anything in brackets
        *_, fields = Path("/proc/1/stat").read_text(encoding="utf-8").rpartition(")")
        return f"{boot}.{fields.split()[START_FIELD]}"
    return ""


def end_marked(mark: str) -> None:
    """Kill all processes that were started with a variable, whoever their parent is by now.

    A process in a session of its own whose parent was killed is below nobody that could end it.

    Args:
        mark: ``NAME=value`` as in their environment; no other process may have it.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or ended
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
