"""Estimators that do what none should: each fault is a function of the rows and honest answers."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.ma
import pandas as pd
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

N_ROWS = 120
_DRAW = np.random.default_rng(5)
ROWS = _DRAW.normal(size=(N_ROWS, 3)).astype(np.float64)
TARGETS = (ROWS[:, 0] + 0.4 * ROWS[:, 1] > 0).astype(int)
HONEST = float(np.mean((ROWS[:, 0] > 0) == TARGETS))  # accuracy of the honest answers
HELD: list[Any] = []  # what leaks
CALLS: list[int] = []

Fault = Callable[[Any, Any], Any]


class OddError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class ClosedError(Exception):
    """An error that no other process can read."""

    def __reduce__(self) -> Any:
        raise TypeError("closed")


def throw(make: Callable[[], BaseException]) -> Fault:
    """Return a fault that raises."""

    def fault(_rows: Any, _answers: Any) -> Any:
        raise make()

    return fault


def first(act: Callable[[], object]) -> Fault:
    """Return a fault that does something, and answers as it should."""

    def fault(_rows: Any, answers: Any) -> Any:
        act()
        return answers

    return fault


def change(make: Callable[[Any], Any]) -> Fault:
    """Return a fault that answers something else."""
    return lambda _rows, answers: make(answers)


def overwrite(rows: Any, answers: Any) -> Any:
    """Write to its argument."""
    with contextlib.suppress(ValueError):
        np.asarray(rows)[...] = 0
    return answers


def reuse(_rows: Any, answers: Any) -> Any:
    """Answer in one array, again and again."""
    for held in HELD:
        if isinstance(held, np.ndarray) and held.shape == answers.shape:
            held[...] = answers
            return held
    HELD.append(answers)
    return answers


def start_thread() -> None:
    """Start a thread that outlives the call."""
    threading.Thread(target=time.sleep, args=(0.05,), daemon=True).start()


def fork() -> None:
    """Fork, and wait for the child."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def fork_and_leave() -> None:
    """Fork a child that lives on."""
    if not HELD:
        HELD.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))


def say(stream: Any, n: int) -> Callable[[], None]:
    """Print."""
    return lambda: print("spam " * n, file=stream)


def grow(answers: Any) -> Any:
    """Answer otherwise with each call."""
    CALLS.append(1)
    return answers if len(CALLS) % 2 else answers[::-1]


def change_shape(answers: Any) -> Any:
    """Answer one row more with every other call."""
    CALLS.append(1)
    return answers if len(CALLS) % 2 else np.concatenate([answers, answers[:1]])


def sleep_deaf() -> None:
    """Sleep, and hear no signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    time.sleep(600)


def close_files() -> None:
    """Close all files of the process."""
    os.closerange(3, 200)


def set_rlimit() -> None:
    """Let the process open no more files."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))


def stop_time() -> None:
    """Let time stand still."""
    vars(time)["perf_counter_ns"] = lambda: 5


def warn() -> None:
    """Warn."""
    warnings.warn("spam", stacklevel=1)


def by_batch(rows: Any, answers: Any) -> Any:
    """Answer by the other rows of the call."""
    values = np.asarray(rows)[:, 0]
    is_high = (values > np.median(values)).astype(int)
    return np.stack([1.0 - is_high, is_high], axis=1) if answers.ndim == 2 else is_high


ANYWHERE: dict[str, Fault] = {  # in the process that calls as well as in a measured one
    "raises": throw(lambda: ValueError("no")),
    "raises nothing to say": throw(lambda: ValueError()),
    "raises a long text": throw(lambda: ValueError("x" * 10**6)),
    "raises many lines": throw(lambda: ValueError("a\n" * 999)),
    "raises control characters": throw(lambda: ValueError("\x1b[31m\0\u202e")),
    "raises surrogates": throw(lambda: ValueError("\udcff")),
    "raises an odd error": throw(OddError),
    "raises a closed error": throw(lambda: ClosedError("x")),
    "raises StopIteration": throw(StopIteration),
    "raises RecursionError": throw(RecursionError),
    "exits": throw(SystemExit),
    "raises MemoryError": throw(MemoryError),
    "raises a group": throw(lambda: ExceptionGroup("g", [ValueError("a"), KeyError("b")])),
    "prints": first(say(sys.stdout, 2)),
    "prints errors": first(say(sys.stderr, 2)),
    "prints much": first(say(sys.__stdout__, 2_000)),
    "warns": first(warn),
    "sleeps": first(lambda: time.sleep(0.002)),
    "forks": first(fork),
    "starts threads": first(start_thread),
    "leaks": first(lambda: HELD.append(bytearray(10**5))),
    "leaks files": first(lambda: HELD.append(os.open(os.devnull, os.O_RDONLY))),
    "stops collecting": first(gc.disable),
    "changes the folder": first(lambda: os.chdir("/")),
    "changes the environment": first(lambda: os.environ.update(OMP_NUM_THREADS="7")),
    "makes numpy raise": first(lambda: np.seterr(all="raise")),
    "is nice": first(lambda: os.nice(0)),
    "overwrites its rows": overwrite,
    "reuses one array": reuse,
    "read-only answers": change(lambda a: _freeze(a)),
    "a view": change(lambda a: a.repeat(2, axis=0)[::2]),
    "Fortran order": change(np.asfortranarray),
    "big-endian": change(lambda a: a.astype(a.dtype.newbyteorder(">"))),
    "NaN": change(lambda a: np.full(a.shape, np.nan)),
    "one NaN": change(lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, np.nan, a)),
    "infinite": change(lambda a: np.full(a.shape, np.inf)),
    "half precision": change(lambda a: a.astype(np.float16) if a.dtype.kind == "f" else a),
    "long doubles": change(lambda a: a.astype(np.longdouble)),
    "complex": change(lambda a: a.astype(complex)),
    "objects": change(lambda a: a.astype(object)),
    "texts": change(lambda a: a.astype(str)),
    "bytes": change(lambda a: a.astype("S")),
    "dates": change(lambda a: a.astype("datetime64[s]")),
    "truth values": change(lambda a: a.astype(bool)),
    "decimals": change(lambda a: np.vectorize(decimal.Decimal, otypes=[object])(a.astype(float))),
    "a date": change(lambda _: datetime.date(2026, 1, 1)),
    "masked": change(lambda a: numpy.ma.masked_array(a, mask=np.ones_like(a, dtype=bool))),
    "sparse": change(lambda a: scipy.sparse.csr_matrix(np.atleast_2d(a))),
    "a matrix": change(lambda a: np.asmatrix(a)),
    "a frame": change(pd.DataFrame),
    "a frame of odd order": change(lambda a: pd.DataFrame(a, index=range(len(a))[::-1])),
    "a list": change(lambda a: a.tolist()),
    "a tuple": change(lambda a: tuple(a.tolist())),
    "a generator": change(lambda a: (row for row in a)),
    "a mapping": change(lambda a: dict(enumerate(a.tolist()))),
    "a set": change(lambda a: set(np.ravel(a).tolist())),
    "nothing": change(lambda _: None),
    "a number": change(lambda _: 0.5),
    "a text": change(lambda _: "yes"),
    "the function itself": change(lambda _: len),
    "empty": change(lambda a: a[:0]),
    "one row": change(lambda a: a[:1]),
    "a row less": change(lambda a: a[:-1]),
    "a row more": change(lambda a: np.concatenate([a, a[:1]])),
    "transposed": change(lambda a: a.T),
    "three dimensions": change(lambda a: np.stack([a, a], axis=-1)),
    "a column more": change(lambda a: np.column_stack([a, a])),
    "other classes": change(lambda a: a + 7 if a.ndim == 1 else a),
    "shares that sum to 2": change(lambda a: a * 2 if a.ndim == 2 else a),
    "negative shares": change(lambda a: -a if a.ndim == 2 else a),
    "changes with each call": change(grow),
    "changes shape": change(change_shape),
    "by the batch": by_batch,
    "random": change(lambda a: np.random.default_rng().permutation(a)),
}  # fmt: skip
MEASURED: dict[str, Fault] = {  # only in a measured process: it would end the calling one
    "interrupts": throw(KeyboardInterrupt),
    "exits at once": first(lambda: os._exit(0)),
    "exits with 3": first(lambda: os._exit(3)),
    "aborts": first(os.abort),
    "kills itself": first(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "terminates itself": first(lambda: os.kill(os.getpid(), signal.SIGTERM)),
    "sends an alarm": first(lambda: signal.setitimer(signal.ITIMER_REAL, 0.001)),
    "kills its parent": first(lambda: os.kill(os.getppid(), signal.SIGKILL)),
    "closes all files": first(close_files),
    "opens no files": first(set_rlimit),
    "leaves a child": first(fork_and_leave),
    "sleeps for ever": first(lambda: time.sleep(600)),
    "loops for ever": first(lambda: [None for _ in iter(int, 1)]),
    "deaf and asleep": first(lambda: sleep_deaf()),
    "raises there": throw(lambda: ValueError("no")),
    "raises an odd error there": throw(OddError),
    "stops time": first(stop_time),
    "NaN there": change(lambda a: np.full(a.shape, np.nan)),
    "a row less there": change(lambda a: a[:-1]),
    "nothing there": change(lambda _: None),
    "writes to all files": first(lambda: [_write(number) for number in range(3, 30)]),
}  # fmt: skip


def _freeze(answers: Any) -> Any:
    answers = answers.copy()
    answers.flags.writeable = False
    return answers


def _write(number: int) -> None:
    with contextlib.suppress(OSError):
        os.write(number, b"garbage\n")


class Guess:
    """Answers by the sign of the first column, and with its fault.

    Args:
        fault: Name in :data:`ANYWHERE` or :data:`MEASURED`.
    """

    n_features_in_ = 3

    def __init__(self, fault: str) -> None:
        self.fault, self.maker = fault, os.getpid()

    def spoil(self, rows: Any, answers: Any) -> Any:
        """Return the answers, or what the fault makes of them."""
        if self.fault in MEASURED:
            return answers if os.getpid() == self.maker else MEASURED[self.fault](rows, answers)
        return ANYWHERE[self.fault](rows, answers) if self.fault else answers

    def shares(self, rows: Any) -> Any:
        """Return honest probabilities."""
        is_high = (np.asarray(rows)[:, 0] > 0) * 0.8 + 0.1
        return np.stack([1 - is_high, is_high], axis=1)


class Probable(Guess):
    """A classifier with probabilities."""

    classes_ = np.array([0, 1])
    _estimator_type = "classifier"

    def fit(self, _rows: Any, _targets: Any) -> Probable:
        """Learn nothing."""
        return self

    def predict(self, rows: Any) -> Any:
        """Return classes."""
        return self.shares(rows).argmax(axis=1)

    def predict_proba(self, rows: Any) -> Any:
        """Return probabilities, with the fault."""
        return self.spoil(rows, self.shares(rows))


class Certain(Guess):
    """A classifier without probabilities."""

    classes_ = np.array([0, 1])
    _estimator_type = "classifier"

    def fit(self, _rows: Any, _targets: Any) -> Certain:
        """Learn nothing."""
        return self

    def predict(self, rows: Any) -> Any:
        """Return classes, with the fault."""
        return self.spoil(rows, self.shares(rows).argmax(axis=1))


class Plain(Guess):
    """A function of rows that answers with classes."""

    def __call__(self, rows: Any) -> Any:
        """Return classes, with the fault."""
        return self.spoil(rows, self.shares(rows).argmax(axis=1))


class Learner(ClassifierMixin, BaseEstimator):
    """Learns as scikit-learn's logistic regression does, and has a fault.

    Args:
        fault: Name in :data:`ANYWHERE` or :data:`MEASURED`; of the latter only where it trains.
        place: ``fit``: the fault spoils learning; ``predict``: its probabilities.
    """

    def __init__(self, fault: str = "", place: str = "predict") -> None:
        self.fault, self.place = fault, place

    def fit(self, rows: Any, targets: Any) -> Learner:
        """Learn."""
        self.model_ = LogisticRegression().fit(rows, targets)
        self.classes_ = self.model_.classes_
        self.n_features_in_ = rows.shape[1]
        if self.place == "fit":
            self._spoil(rows, targets)
        return self

    def predict_proba(self, rows: Any) -> Any:
        """Return probabilities."""
        found = self.model_.predict_proba(rows)
        return self._spoil(rows, found) if self.place == "predict" else found

    def predict(self, rows: Any) -> Any:
        """Return classes."""
        return self.classes_[self.model_.predict_proba(rows).argmax(axis=1)]

    def _spoil(self, rows: Any, answers: Any) -> Any:
        return (ANYWHERE | MEASURED)[self.fault](rows, answers) if self.fault else answers
