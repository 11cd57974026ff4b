"""What a run of Rightfit's nodes changes in the process, and its undoing; signals end a command."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator

import click
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from rightfit.ownership import is_own
from rightfit.processes.leftovers import remove_own_folders, sweep_temporary_folders
from rightfit.processes.lifeline import list_descendants
from rightfit.processes.repeated_warnings import counting_repeats

GRACE_S = 1.0  # from the first signal to the end of all processes
RELEASE_S = 0.1  # in which the kernel releases the locks of what was killed
ENDING = (signal.SIGINT, signal.SIGTERM)
MS_PER_S = 1_000

POOL = "rightfit.profiling.measuring.worker_pool"
FORKS = "rightfit.tuning.parallel.forks"


LEVEL = "RIGHTFIT_LOG_LEVEL"  # environment variable: DEBUG, INFO, WARNING or ERROR


class ProcessHook:
    """Leaves the process as it was before: Optuna's verbosity, and no process still open.

    Warnings that a run repeats are logged once.
    """

    def __init__(self) -> None:
        self._verbosity: int | None = None
        self._during = contextlib.ExitStack()

    @hook_impl
    def after_context_created(self) -> None:
        """Log as much as the environment asks for."""
        set_log_level(os.environ.get(LEVEL))

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Remember what the nodes may change, and sweep what killed runs have left."""
        is_command = click.get_current_context(silent=True) is not None
        is_ours = any(map(is_own, pipeline.nodes))
        if is_ours:
            sweep_temporary_folders()
            self._during.enter_context(counting_repeats())
        if is_ours and is_command:  # a notebook must survive Ctrl-C
            self._during.enter_context(ending_on_interrupt())
            atexit.register(sweep_temporary_folders)  # what workers that were killed have left
        optuna = sys.modules.get("optuna")
        self._verbosity = None if optuna is None else optuna.logging.get_verbosity()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Undo the changes."""
        self._restore(pipeline)

    @hook_impl(tryfirst=True)  # another hook may end the command with an error of its own
    def on_pipeline_error(self, pipeline: Pipeline) -> None:
        """Undo the changes."""
        self._restore(pipeline)

    def _restore(self, pipeline: Pipeline) -> None:
        self._during.close()
        if not any(map(is_own, pipeline.nodes)):
            return
        optuna = sys.modules.get("optuna")
        if optuna is not None:
            before = self._verbosity
            optuna.logging.set_verbosity(optuna.logging.INFO if before is None else before)
        if POOL in sys.modules:
            sys.modules[POOL].close_shared_pool()
        if FORKS in sys.modules:
            sys.modules[FORKS].close_shared_fork_server()


def set_log_level(level: str | None) -> None:
    """Set how much Rightfit logs, and silence what Kedro says of a run if it is to be quiet.

    Args:
        level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``; anything else changes nothing.
    """
    number = logging.getLevelNamesMapping().get((level or "").upper())
    if number is None:
        return
    logging.getLogger("rightfit").setLevel(number)
    if number >= logging.WARNING:
        logging.getLogger("kedro.framework.session").setLevel(number)


@contextlib.contextmanager
def ending_on_interrupt() -> Iterator[None]:
    """End this process and all below it soon after Ctrl-C or SIGTERM while the block runs.

    Their temporary folders go with them. It changes nothing in a thread other than the main one,
    which gets no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen, note = os.pipe()
    os.set_blocking(note, False)
    before = signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    on_term = signal.signal(signal.SIGTERM, signal.default_int_handler)
    watch = threading.Thread(target=_watch, args=(seen,), name="interruption", daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_term)
        signal.set_wakeup_fd(before)
        os.close(note)  # which ends the thread


def _watch(seen: int) -> None:
    """Wait for a signal to end, then for another one or the end of the time allowed."""
    poll = select.poll()
    poll.register(seen, select.POLLIN)
    received: list[int] = []
    while len(received) < 2 and poll.poll(GRACE_S * MS_PER_S if received else None):
        numbers = os.read(seen, 64)
        if not numbers:
            os.close(seen)
            return
        received += [number for number in numbers if number in ENDING]
    for pid in list_descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    remove_own_folders()
    time.sleep(RELEASE_S)
    sweep_temporary_folders()
    sys.stderr.write("\nStopped. What was finished is kept; the same command continues.\n")
    os._exit(128 + received[0])
