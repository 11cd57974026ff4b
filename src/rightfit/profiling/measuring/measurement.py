"""Measuring one model under one serving configuration, process after process, until it is enough.

A measurement is a list of *rounds*: one fresh process each. The first tries all batch sizes, the
others repeat the best one and take over how much of the files it mapped. The state is plain JSON,
so that it can be stored after each round and continued after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rightfit.profiling.measuring.bench import Bench, Subject, request_for
from rightfit.profiling.measuring.lock import lock_path, machine_lock
from rightfit.profiling.measuring.rounds import Round
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.stopping import (
    is_delayed,
    is_disturbed,
    is_over,
    new_state,
    why_settled,
)
from rightfit.profiling.worker.disturbance import Quiet, wait_for_quiet
from rightfit.profiling.worker.process import Json


@dataclass
class Measurement:
    """A measurement under way.

    Args:
        subject: What is measured.
        bench: Where and how.
        state: What is known so far.
        process: The process that is open, ``None`` between two of them.
    """

    subject: Subject
    bench: Bench
    state: Json = field(default_factory=new_state)
    process: Round | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return is_over(self.state)

    def visit(self) -> bool:
        """Visit the open process, a fresh one if none is; tell whether it is done with."""
        process = self.process or Round(self.subject, self.bench, self.state)
        finished = process.visit()
        self.process = process if finished is None else None
        if finished is not None:
            self.state = add_round(self.state, finished, self.bench.settings)
        return finished is not None

    def leave(self) -> None:
        """End the process that is open, if any."""
        if self.process is not None:
            self.process.leave()
            self.process = None


def add_round(
    state: Json,
    finished: Json,
    settings: MeasuringSettings,
    *,
    wait: Callable[..., Quiet] = wait_for_quiet,
) -> Json:
    """Add what one more process found, and judge whether that is enough.

    A disturbed round earns the measurement one more, up to ``max_retries``. It comes at the
    measurement's next turn: disturbances last tenths of a second, and the others' turns lie
    between. Where others take the cores, a quiet moment is waited for; a machine that stays noisy
    is asked only once.

    Args:
        state: State so far, see :func:`new_state`; left as it is.
        finished: What the process found.
        settings: Precision and caps.
        wait: Waits for a quiet machine.

    Returns:
        The state with one round more, and ``settled`` or ``error`` when it is over.
    """
    if not finished["ok"]:
        return state | {"error": finished["error"]}
    state = state | {"rounds": [*state["rounds"], finished]}
    if is_disturbed(finished, state, settings):
        state["n_retries"] = min(state["n_retries"] + 1, settings.max_retries)
        if not state["is_noisy"] and is_delayed(finished["latency"], settings):
            state["is_noisy"] = not _await_quiet(settings, wait)
    return state | {"settled": why_settled(state, settings)}


def _await_quiet(settings: MeasuringSettings, wait: Callable[..., Quiet]) -> bool:
    return wait(
        max_busy_cores=settings.max_busy_cores,
        max_wait_s=settings.max_quiet_wait_s,
        look_s=settings.quiet_look_s,
    ).is_quiet


def measure_under_load(subject: Subject, bench: Bench, state: Json) -> Json:
    """Serve random arrivals in one more fresh process.

    Returns:
        The state with one entry more under ``server``, or with ``error``.
    """
    settings = bench.settings
    server = settings.server.model_dump(mode="json")
    server["seed"] += len(state["server"])  # other arrivals in each process
    request = request_for(subject, bench) | {
        "task": "serve_under_load",
        "warm_up_max_ms": settings.warm_up_max_ms,
        "server": server,
    }
    with machine_lock(lock_path()):
        answer = bench.pool.get(subject.kind).ask(request)
    if not answer["ok"]:
        return state | {"error": answer["error"]}
    return state | {"server": [*state["server"], answer]}


def predict(subject: Subject, bench: Bench) -> npt.NDArray[np.float32]:
    """Answer all rows in the subject's serving configuration.

    Returns:
        Class probabilities, shape (n_rows, n_classes).

    Raises:
        RuntimeError: If the model cannot be opened or fails.
    """
    answers = bench.folder / "answers.npy"
    request = request_for(subject, bench) | {"task": "predict", "answers": str(answers)}
    with machine_lock(lock_path()):
        answer = bench.pool.get(subject.kind).ask(request)
    if not answer["ok"]:
        raise RuntimeError(f"{subject.label} failed: {answer['error']}")
    probabilities: npt.NDArray[np.float32] = np.load(answers)
    return probabilities
