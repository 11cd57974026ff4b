"""The processes of searches: ``python -m rightfit.searching.parallel.worker``.

The fork server imports the libraries of the families that it is given, one after the other while
nobody asks for a process, so that none waits for the libraries of another family. A forked process
carries out the tasks of one search.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import sys
import traceback

from rightfit._core.formatting import describe_error
from rightfit._core.processes.channel import Channel
from rightfit._core.processes.fork_server import SERVER_KINDS, connect_to_parent, serve_forks
from rightfit._core.processes.lifeline import end_with_parent
from rightfit.models.registry import get_family
from rightfit.searching.cell import read_job
from rightfit.searching.task_worker import TaskWorker
from rightfit.searching.tasks import KINDS, Ended, Logged, Start


def main() -> None:
    """Fork until the parent closes its end."""
    end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: nobody asks how a process ended
    control, families = connect_to_parent(SERVER_KINDS)
    serve_forks(control, run_worker, KINDS, keys=families, load=_load)


def _load(family: str) -> None:
    """Import what a family trains and exports with."""
    with contextlib.suppress(Exception):  # whoever searches it meets the error again
        loaded = get_family(family)
        loaded.load_libraries()
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
            channel.send(worker.carry_out(task))
    except Exception as err:  # the run goes on with it and will meet the error again
        logging.getLogger(__name__).debug("%s", traceback.format_exc())
        channel.send(Ended(describe_error(err)))
        return 1
    return 0


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
