"""The processes of searches and refits: ``python -m rightfit.tuning.parallel.worker``.

The fork server imports the libraries of the families that it is given, one after the other while
nobody asks for a process, so that none waits for the libraries of another family. A forked process
works on a search, where the run grants it a core for each step, or on a refit.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TypeVar

from optuna.trial import TrialState
from pydantic import TypeAdapter

from rightfit.families.registry import get_family
from rightfit.processes.channel import Channel
from rightfit.processes.fork_server import SERVER_KINDS, connect_to_parent, serve_forks
from rightfit.processes.lifeline import end_with_parent
from rightfit.tuning.parallel.messages import (
    KINDS,
    CoreGranted,
    CoreWanted,
    Ended,
    Idle,
    Logged,
    Progress,
    Start,
    StartRefit,
)
from rightfit.tuning.refitting import RefitJob, refit
from rightfit.tuning.search.candidates import bundle_candidates
from rightfit.tuning.search.search import work_on
from rightfit.tuning.search.search_job import read_job
from rightfit.tuning.studies.study_store import load_database_libraries

REST_S = 0.2

Expected = TypeVar("Expected")


def main() -> None:
    """Fork until the parent closes its end."""
    end_with_parent(int(sys.argv[1]))
    load_database_libraries()
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
    if not isinstance(start, Start | StartRefit):
        return 1
    _log_to(channel, start.log_level)
    try:
        if isinstance(start, Start):
            _search(start, channel)
        else:
            refit(TypeAdapter(RefitJob).validate_json(start.job), again=True)
    except Exception as err:  # the run goes on with it and will meet the error again
        logging.getLogger(__name__).debug("%s", traceback.format_exc())
        channel.send(Ended(f"{type(err).__name__}: {err}"))
        return 1
    channel.send(Ended(""))
    return 0


def _search(start: Start, channel: Channel) -> None:
    """Work on a search until it is over."""
    cell, settings, store = read_job(start.job)
    pool = work_on(
        cell,
        settings,
        store,
        on_trial=lambda n_begun, n_trials: channel.send(Progress(n_begun, n_trials)),
        cores=RunsCores(channel),
        only_default=start.only_default,
    )
    if start.only_default or not start.n_candidates:
        return
    if any(t.state == TrialState.COMPLETE for t in pool.finished()):
        # exported while other searches go on
        bundle_candidates(pool.study, cell, settings, store, n_candidates=start.n_candidates)


@dataclass(frozen=True)
class RunsCores:
    """Cores that the run shares out; see :class:`rightfit.tuning.search.search.SharedCores`.

    Args:
        channel: To the run.
    """

    channel: Channel

    def await_core(self) -> None:
        """Wait until the run gives a core."""
        self.channel.send(CoreWanted())
        _expect(self.channel, CoreGranted)

    def rest(self) -> None:
        """Give the core back for a moment."""
        self.channel.send(Idle())
        time.sleep(REST_S)


class _Forwarding(logging.Handler):
    """Sends what is logged to the run."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # the run is gone, and so is this process soon
            self._channel.send(Logged(record.levelno, record.name, self.format(record)))


def _log_to(channel: Channel, level: int) -> None:
    logging.getLogger().addHandler(_Forwarding(channel))
    logging.captureWarnings(True)
    logging.getLogger("rightfit").setLevel(level)


def _expect(channel: Channel, kind: type[Expected]) -> Expected:
    message = channel.receive()
    if not isinstance(message, kind):
        os._exit(1)  # the run is gone; the trial goes back to the pool
    return message


if __name__ == "__main__":
    main()
