"""How a command behaves in a terminal: lost output, wrong options, signals, how much it logs."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import functools
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

import click
from kedro.pipeline import Pipeline

from rightfit._core.formatting import clean_text
from rightfit._core.processes.leftovers import remove_own_folders, sweep_temporary_folders
from rightfit._core.processes.lifeline import list_descendants
from rightfit._core.processes.repeated_warnings import counting_repeats
from rightfit_kedro.explain import one_line
from rightfit_kedro.nodes import holds_own, is_own

GRACE_S = 1.0  # from the first signal to the end of all processes
RELEASE_S = 0.1  # in which the kernel releases the locks of what was killed
ENDING = (signal.SIGINT, signal.SIGTERM)
MS_PER_S = 1_000
STOPPED = "\nStopped. What was finished is kept; the same command continues.\n"

# closed after a run that has imported them
POOL = "rightfit.measuring.rounds.worker_pool"
FORKS = "rightfit_search.searching.parallel.forked_workers"

TALKATIVE = ("kedro.io", "kedro.pipeline", "kedro.runner")  # lines per dataset and node
LEVEL = "RIGHTFIT_LOG_LEVEL"  # environment variable: DEBUG, INFO, WARNING or ERROR

ReadOption = Callable[[click.Context, click.Parameter, Any], Any]


@contextlib.contextmanager
def prepared_process(pipeline: Pipeline) -> Iterator[None]:
    """Leave the process as it was before a run: Optuna's verbosity, and no process still open.

    What killed runs have left is swept; warnings that the run repeats are logged once; signals end
    a command soon. A run without nodes of Rightfit changes nothing.
    """
    if not holds_own(pipeline):
        yield
        return
    sweep_temporary_folders()
    optuna = sys.modules.get("optuna")
    verbosity = None if optuna is None else optuna.logging.get_verbosity()
    with contextlib.ExitStack() as during:
        during.enter_context(counting_repeats())
        if all(map(is_own, pipeline.nodes)):
            during.enter_context(brief_log())
        if click.get_current_context(silent=True) is not None:  # a notebook must survive Ctrl-C
            during.enter_context(ending_on_interrupt())
            atexit.register(sweep_temporary_folders)  # what workers that were killed have left
        try:
            yield
        finally:
            optuna = sys.modules.get("optuna")
            if optuna is not None:
                before = optuna.logging.INFO if verbosity is None else verbosity
                optuna.logging.set_verbosity(before)
            if POOL in sys.modules:
                sys.modules[POOL].close_shared_pool()
            if FORKS in sys.modules:
                sys.modules[FORKS].close_shared_fork_server()


@contextlib.contextmanager
def brief_log() -> Iterator[None]:
    """Log none of Kedro's lines per dataset and node while the block runs.

    A project's own choice stays: levels other than the default, and ``RIGHTFIT_LOG_LEVEL=DEBUG``.
    """
    is_asked_for = logging.getLogger("rightfit").getEffectiveLevel() <= logging.DEBUG
    loggers = [logging.getLogger(name) for name in TALKATIVE if not is_asked_for]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        if logger.getEffectiveLevel() == logging.INFO:
            logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def set_log_level(level: str | None) -> None:
    """Set how much Rightfit logs, and silence what Kedro says of a run if it is to be quiet.

    Args:
        level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``; anything else leaves what the
            project's logging says, or ``INFO`` where that says nothing.
    """
    number = logging.getLevelNamesMapping().get((level or "").upper())
    logger = logging.getLogger("rightfit")
    if number is None:
        if not logger.level:  # a project's logging.yml need not know it
            logger.setLevel(logging.INFO)
        return
    logger.setLevel(number)
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
    reader, note = os.pipe()
    os.set_blocking(note, False)
    before = signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    on_term = signal.signal(signal.SIGTERM, signal.default_int_handler)
    watch = threading.Thread(target=_watch, args=(reader,), name="interruption", daemon=True)
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(STOPPED)
        raise
    finally:
        signal.signal(signal.SIGTERM, on_term)
        signal.set_wakeup_fd(before)
        os.close(note)  # which ends the thread


def _watch(reader: int) -> None:
    """Wait for a signal to end, then for another one or the end of the time allowed."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    received: list[int] = []
    while len(received) < 2 and poll.poll(GRACE_S * MS_PER_S if received else None):
        numbers = os.read(reader, 64)
        if not numbers:
            os.close(reader)
            return
        received += [number for number in numbers if number in ENDING]
    for pid in list_descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    remove_own_folders()
    time.sleep(RELEASE_S)
    sweep_temporary_folders()
    sys.stderr.write(STOPPED)
    os._exit(128 + received[0])


class TolerantStream:
    """A text stream whose writes do not fail; once one has, the rest is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    def write(self, text: str) -> int:
        """Write a text, with ``?`` for what the stream's encoding lacks."""
        if not self._is_lost:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):  # full, or closed
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        with contextlib.suppress(OSError, ValueError):  # what waits goes nowhere, and fails no more
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tolerate_lost_output() -> None:
    """Let output that cannot be written be lost, for the rest of the process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before the start
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        if stream is None or isinstance(stream, TolerantStream):
            continue
        try:
            is_unicode = codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
        except LookupError:
            is_unicode = False
        if not is_unicode and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        tolerant = TolerantStream(stream)
        setattr(sys, name, tolerant)
        atexit.register(tolerant.flush)  # before the interpreter's own, which fails the process


@functools.cache  # wraps Kedro's reader once
def explain_run_params() -> ReadOption:
    """Let ``kedro run`` say what is wrong with ``--params`` and ``--load-versions``.

    Kedro's reader of the first ends in a traceback; what that of the second finds is lost.

    Returns:
        The reader of ``--params``; what YAML, OmegaConf and Python refuse is a wrong option to it.
    """
    from kedro.framework.cli.project import run

    options = {option.name: option for option in run.params}
    params, versions = options["params"], options["load_versions"]
    read, read_versions = cast("list[ReadOption]", [params.callback, versions.callback])

    def read_params(context: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            return read(context, option, value)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as err:
            raise _refuse(one_line(err), context, option) from err

    def read_load_versions(context: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            return read_versions(context, option, value)
        except click.ClickException as err:
            raise click.BadParameter(clean_text(err.message), context, option) from err

    params.callback, versions.callback = read_params, read_load_versions
    return read_params


def read_run_params(context: click.Context, option: click.Parameter, text: str) -> dict[str, Any]:
    """Read parameters as ``kedro run --params`` does, for an option of another command.

    Raises:
        BadParameter: If they cannot be read.
    """
    return dict(explain_run_params()(context, option, text))


def _refuse(why: str, context: click.Context, option: click.Parameter) -> click.BadParameter:
    text = f"a value cannot be read ({why}). Write KEY=VALUE,KEY=VALUE with values in YAML."
    return click.BadParameter(clean_text(text), context, option)
