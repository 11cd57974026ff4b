"""The processes of searches: ``python -m rightfit_search.searching.parallel.worker``.

The fork server imports the libraries of the families that it is given, one after the other while
nobody asks for a process, so that none waits for the libraries of another family. A forked process
carries out the tasks of one search.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from functools import partial

from rightfit._core.formatting import describe_error
from rightfit._core.processes.channel import Channel
from rightfit._core.processes.fork_server import SERVER_KINDS, connect_to_parent, serve_forks
from rightfit._core.processes.lifeline import end_with_parent
from rightfit.measuring.worker.units import NS_PER_S
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import read_job
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import KINDS, Ended, Logged, Start, Task, TaskResult

LOOK_S = 0.1  # between two looks at a task's clock


def main() -> None:
    """Fork until the parent closes its end."""
    end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, _reap)
    control, (exports, *families) = connect_to_parent(SERVER_KINDS)
    load = partial(_load, exports=bool(exports))
    serve_forks(control, run_worker, KINDS, keys=families, load=load)


def _reap(*_: object) -> None:
    """Leave no zombies; what ended processes have taken counts as this process' children's."""
    with contextlib.suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _load(family: str, *, exports: bool) -> None:
    """Import what a family trains with, and exports with where that is wanted."""
    with contextlib.suppress(Exception):  # whoever searches it meets the error again
        loaded = get_family(family)
        loaded.load_libraries()
        if exports:
            loaded.load_exporter()
    gc.collect()
    gc.freeze()  # what was imported need not be looked through in each process again


def run_worker(channel: Channel) -> int:
    """Work on what the run names; return the exit status."""
    start = channel.receive()
    if not isinstance(start, Start):
        return 1
    logging.getLogger().addHandler(_Forwarding(channel))
    logging.captureWarnings(True)
    logging.getLogger("rightfit").setLevel(start.log_level)
    try:
        worker = TaskWorker(*read_job(start.job))
        while (task := channel.receive()) is not None:
            with _limited(channel, task):
                result = worker.carry_out(task)
            channel.send(result)
    except Exception as err:  # the run goes on with it and will meet the error again
        logging.getLogger(__name__).debug("%s", traceback.format_exc())
        channel.send(Ended(describe_error(err)))
        return 1
    return 0


@contextlib.contextmanager
def _limited(channel: Channel, task: Task) -> Iterator[None]:
    """End this process, with a result that says so, where a task takes longer than it may."""
    max_cpu_s, max_wall_s = task.max_cpu_s or math.inf, task.max_wall_s or math.inf
    is_over = threading.Event()
    started_s, started_ns = time.time(), time.process_time_ns()

    def watch() -> None:
        while not is_over.wait(LOOK_S):
            now_ns = time.process_time_ns()
            cpu_s, process_cpu_s = (now_ns - started_ns) / NS_PER_S, now_ns / NS_PER_S
            wall_s = time.time() - started_s
            if cpu_s > max_cpu_s or wall_s > max_wall_s:
                fault = f"ended after {cpu_s:.1f} CPU seconds, all that the budget had left"
                result = TaskResult(
                    *(started_s, time.time(), cpu_s, fault),
                    process_cpu_s=process_cpu_s,
                    ends_worker=True,
                )
                with contextlib.suppress(OSError):  # the run is gone
                    channel.send(result)
                os._exit(1)

    if min(max_cpu_s, max_wall_s) < math.inf:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


class _Forwarding(logging.Handler):
    """Sends what is logged to the run."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # the run is gone, and so is this process soon
            self._channel.send(Logged(record.levelno, record.name, self.format(record)))


if __name__ == "__main__":
    main()
