"""A search worker process: ``python -m rightfit.tuning.search.search_worker``.

It reads the job from its standard input and works until the search is over. When that input ends,
the process that started it is gone, and so does it.
"""

from __future__ import annotations

import os
import sys
import threading

from rightfit.processes.lifeline import end_with_parent
from rightfit.tuning.search.search import work_on
from rightfit.tuning.search.start_workers import read_job


def main() -> None:
    """Read a job and work on it."""
    end_with_parent(int(sys.argv[1]))
    cell, settings, store = read_job(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work_on(cell, settings, store, on_trial=lambda n_done, n_all: None)  # noqa: ARG005


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)  # its trial goes back to the pool


if __name__ == "__main__":
    main()
