"""Measuring one model under one serving configuration, process after process, until it is enough.

The first process tries all batch sizes, the others repeat the best one and take over how much of
the files it mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.rounds import OpenRound
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import is_delayed, is_disturbed, why_settled
from rightfit.profiling.worker.messages import Failure, Predicted, PredictRequest, ServerRequest
from rightfit.profiling.worker.meters.disturbance import wait_for_quiet
from rightfit.profiling.worker.results import ServerResult


@dataclass
class Measurement:
    """A measurement under way.

    Args:
        subject: What is measured.
        bench: Where and how.
        state: What is known so far.
        process: The round that is open, ``None`` between two of them.
        save: Keeps the state, called when a process has answered for the last time.
    """

    subject: Subject
    bench: Bench
    state: MeasurementState = field(default_factory=MeasurementState)
    process: OpenRound | None = None
    save: Callable[[MeasurementState], None] = lambda _: None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return self.state.is_over

    def time_window(self) -> bool:
        """Time a window of the open round, a fresh one if none is; tell whether it has ended."""
        process = self.process
        if process is None or process.is_lost:  # with another process that its worker ran
            process = OpenRound(self.subject, self.bench, self.state)
        with machine_lock():
            finished = process.time_window()
            self.process = process if finished is None else None
            # Meanwhile a process that has answered ends, which takes as long.
            if isinstance(finished, Failure):
                self.state = replace(self.state, error=finished.error)
            elif finished is not None:
                self.state = add_round(self.state, finished, self.bench.settings)
            if finished is not None:
                self.save(self.state)
            process.await_end()
        if isinstance(finished, FinishedRound):
            self.state = seek_quiet(self.state, self.bench.settings)
        return finished is not None

    def leave(self) -> None:
        """End the round that is open, if any."""
        if self.process is not None:
            self.process.leave()
            self.process = None


def add_round(
    state: MeasurementState, finished: FinishedRound, settings: MeasuringSettings
) -> MeasurementState:
    """Add what one more process found, and judge whether that is enough.

    A disturbed round earns the measurement one more, up to ``max_retries``. It comes at the
    measurement's next turn: disturbances last tenths of a second, and the others' turns lie
    between.

    Args:
        state: State so far.
        finished: What the process found.
        settings: Precision and caps.

    Returns:
        The state with one round more, ``settled`` when it is over.
    """
    state = replace(state, rounds=(*state.rounds, finished))
    if is_disturbed(finished, state.rounds, settings):
        state = replace(state, n_retries=min(state.n_retries + 1, settings.max_retries))
    return replace(state, settled=why_settled(state, settings))


def seek_quiet(
    state: MeasurementState,
    settings: MeasuringSettings,
    *,
    wait: Callable[..., bool] = wait_for_quiet,
) -> MeasurementState:
    """Wait for a quiet moment if others took the cores in the last round and another one follows.

    Once waiting was in vain the machine is noisy, and is not waited for any more.
    """
    if state.is_noisy or state.is_over or not is_delayed(state.rounds[-1].latency, settings):
        return state
    is_quiet = wait(
        max_busy_cores=settings.max_busy_cores,
        max_wait_s=settings.max_quiet_wait_s,
        look_s=settings.quiet_look_s,
    )
    return replace(state, is_noisy=not is_quiet)


def measure_under_load(subject: Subject, bench: Bench, state: MeasurementState) -> MeasurementState:
    """Serve random arrivals in one more fresh process.

    Returns:
        The state with one entry more under ``server``, or with ``error``.
    """
    server = bench.settings.server
    request = ServerRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        warm_up_max_ms=bench.settings.warm_up_max_ms,
        rate_per_s=server.rate_per_s,
        n_requests=server.n_own_requests,
        max_s=server.max_s,
        seed=server.seed + len(state.server),  # other arrivals in each process
        limit_s=bench.settings.limit_s(state.longest_s) + 2 * server.max_s,
    )
    for _ in range(1 + max(1, bench.settings.max_retries)):
        with machine_lock():
            answer = bench.pool.get(subject.kind).ask(request, ServerResult)
        if not (isinstance(answer, Failure) and answer.is_of_a_stop):
            break
    if isinstance(answer, Failure):
        return replace(state, error=answer.error)
    return replace(state, server=(*state.server, answer))


def predict(subject: Subject, bench: Bench) -> npt.NDArray[np.float32]:
    """Answer all rows in the subject's serving configuration.

    Returns:
        Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).

    Raises:
        RuntimeError: If the model cannot be opened or fails.
    """
    request = PredictRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        answers=str(bench.folder / "answers.npy"),
        limit_s=bench.settings.answer_max_s,
    )
    with machine_lock():
        answer = bench.pool.get(subject.kind).ask(request, Predicted)
    if isinstance(answer, Failure):
        raise RuntimeError(f"{subject.label} failed: {answer.error}")
    try:
        answers: npt.NDArray[np.float32] = np.load(request.answers)
    except (OSError, ValueError) as err:
        raise RuntimeError(f"{subject.label}: its answers cannot be read: {err}") from err
    return answers
