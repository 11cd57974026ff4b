"""A forked process lacks the threads of polars, and would wait for them for ever."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from rightfit._core.errors import RightfitError

WORKER = re.compile(r"polars-\d+")  # as polars names the threads that it computes with


class _Forks:
    """Whether this process' parent had such threads when it forked this one."""

    had_threads = False
    are_lost = False

    @classmethod
    def look(cls) -> None:
        cls.had_threads = False
        with contextlib.suppress(OSError):  # not every system lists threads
            names = [task / "comm" for task in Path("/proc/self/task").iterdir()]
            cls.had_threads = any(WORKER.match(name.read_text()) for name in names)

    @classmethod
    def note(cls) -> None:
        cls.are_lost = cls.are_lost or cls.had_threads


os.register_at_fork(before=_Forks.look, after_in_child=_Forks.note)


def require_threads() -> None:
    """Refuse to compute with polars in a process that was forked after its parent had done so.

    Raises:
        RightfitError: If that is so.
    """
    if _Forks.are_lost:
        raise RightfitError(
            "This process was forked from one that had used polars, whose threads it lacks, so it "
            "would wait for them for ever. Start it by multiprocessing's spawn or forkserver, or "
            "fork before the first use of rightfit."
        )
