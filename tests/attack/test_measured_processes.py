"""Measured processes that hang, die, lie or leave others behind end their profile, no more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from factories import measurements

from rightfit.measuring.rounds.block_timing import JobMeasurement, time_block
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget, predict
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool

pytestmark = [pytest.mark.whole, pytest.mark.long]

KIND = WorkerKind(imports=(), n_threads=1)
LIMIT_S = 1.0  # of a model that never answers
PATIENCE_S = 60.0  # with all others, on a machine that is busy


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[MeasurementContext]:
    rows = tmp_path / "rows.npy"
    np.save(rows, np.zeros((50, 4), dtype=np.float32))
    pool = WorkerPool(max_open=2)
    pool.start([KIND])
    settings = measurements.make_settings(answer_max_s=PATIENCE_S)
    yield MeasurementContext(pool, rows, tmp_path, settings, "quick")
    pool.close()


def hurried(bench: MeasurementContext) -> MeasurementContext:
    return replace(bench, settings=measurements.make_settings(answer_max_s=LIMIT_S))


def misbehaving(fault: str, note: Path | None = None) -> MeasurementTarget:
    arguments = {"fault": fault, "note": str(note or "")}
    return MeasurementTarget(fault, KIND, "fakes.misbehaving:open_misbehaving", arguments)


def measure(subject: MeasurementTarget, bench: MeasurementContext) -> str | None:
    """Measure to the end; return the error."""
    return measure_in_block([(subject, bench)])[0].error


def measure_in_block(
    subjects: list[tuple[MeasurementTarget, MeasurementContext]],
) -> list[MeasurementState]:
    """Time subjects in one block, each within its own context; return their states."""
    jobs = [
        JobMeasurement(subject, MeasurementState(), save=lambda _: None, bench=bench)
        for subject, bench in subjects
    ]
    time_block(jobs, subjects[0][1], block="a.0", rng=np.random.default_rng(0))
    return [job.state for job in jobs]


def await_end(pids: list[int]) -> list[int]:
    """Return those of some processes, which would go on for ten minutes, that do not end."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        alive = [pid for pid in pids if is_alive(pid)]
        if not alive:
            return []
        time.sleep(0.02)
    return alive


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_pids(note: Path) -> list[int]:
    end_s = time.monotonic() + PATIENCE_S
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    return [int(pid) for pid in note.read_text().split()]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hang", "gave no answer within 1 s"),
        ("hang_deaf", "gave no answer within 1 s"),
        ("write_half", "gave no answer within 1 s"),
        ("die", "ended early .signal SIGKILL"),
        ("write_garbage", "wrote what is no answer"),
        ("kill_worker", "ended with status -9"),
    ],
)
def test_fault_ends_its_measurement_alone(
    fault: str, reason: str, bench: MeasurementContext, tmp_path: Path
) -> None:
    limited = hurried(bench) if f"{LIMIT_S:g} s" in reason else bench
    other, wrong = measure_in_block(  # of the same worker
        [
            (measurements.known_load(), bench),
            (misbehaving(fault, tmp_path / "note"), limited),
        ]
    )

    assert wrong.error is not None
    assert re.search(reason, wrong.error), wrong.error
    assert other.error is None
    assert measure(measurements.known_load(), bench) is None


def test_answers_that_hang_are_a_clear_error(bench: MeasurementContext) -> None:
    with pytest.raises(RuntimeError, match=r"no answer within 1 s \(answer_max_s\)"):
        predict(misbehaving("hang"), hurried(bench))


def test_hanging_start_of_a_worker_is_a_failure(
    bench: MeasurementContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "never_imported.py").write_text("import time; time.sleep(600)")
    kind = WorkerKind(imports=("never_imported",), n_threads=1)
    monkeypatch.syspath_prepend(tmp_path)

    error = measure(
        MeasurementTarget("slow", kind, "fakes.misbehaving:open_misbehaving", {}), hurried(bench)
    )

    assert error is not None
    assert "no answer within 1 s" in error


@pytest.mark.parametrize("stop_s", ["0.3", "2"])
def test_process_that_a_signal_stops_goes_on(stop_s: str, bench: MeasurementContext) -> None:
    subject = replace(misbehaving("stop_for_a_moment", Path(stop_s)), label="stopped")

    stopped = measurements.run_round(subject, bench, MeasurementState())

    median_ns = stopped.percentiles_ns[0.5]
    assert median_ns is not None
    assert median_ns < 100e6  # one call of many holds the stop


def test_what_a_model_has_started_ends_with_its_process(
    bench: MeasurementContext, tmp_path: Path
) -> None:
    note = tmp_path / "note"

    error = measure(misbehaving("start_children", note), bench)

    assert error is None
    assert await_end(read_pids(note)) == []


def test_stopped_worker_is_killed_at_its_limit(
    bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.kill(bench.pool.get(KIND).pid, signal.SIGSTOP)

    with monkeypatch.context() as patch:
        patch.setattr("rightfit.measuring.rounds.worker_pool.GRACE_S", 0.2)
        error = measure(misbehaving("hang"), hurried(bench))

    assert error is not None
    assert "no answer within" in error
    assert measure(measurements.known_load(), bench) is None


PARENT = """
import sys
from pathlib import Path
import numpy as np
from factories import measurements
from rightfit.measuring.rounds.measurement import (
    MeasurementContext, MeasurementTarget, predict
)
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
folder = Path(sys.argv[1])
np.save(folder / "rows.npy", np.zeros((5, 4), dtype=np.float32))
settings = measurements.make_settings(answer_max_s=600)
pool = WorkerPool(max_open=1)
bench = MeasurementContext(pool, folder / "rows.npy", folder, settings, "quick")
kind = WorkerKind(imports=(), n_threads=1)
predict(
    MeasurementTarget("x", kind, "fakes.misbehaving:open_misbehaving",
            {"fault": sys.argv[2], "note": str(folder / "note")}),
    bench,
)
"""


@pytest.mark.parametrize("killed", ["parent", "worker"])
def test_nothing_survives_a_killed_process(killed: str, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), "hang_deaf"], stderr=subprocess.DEVNULL
    )
    [child] = read_pids(tmp_path / "note")
    worker = psutil.Process(child).ppid()

    os.kill(parent.pid if killed == "parent" else worker, signal.SIGKILL)
    left = await_end([child, worker, parent.pid])
    parent.wait()

    assert left == []


@pytest.mark.parametrize("killed", ["parent", "worker"])
def test_what_a_model_has_started_ends_when_a_process_is_killed(
    killed: str, tmp_path: Path
) -> None:
    """One of the two is in a session of its own, and below nobody once the worker is gone."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), "hang_with_children"],
        stderr=subprocess.DEVNULL,
    )
    started = read_pids(tmp_path / "note")
    worker = psutil.Process(psutil.Process(started[0]).ppid()).ppid()

    os.kill(parent.pid if killed == "parent" else worker, signal.SIGKILL)
    left = await_end([*started, worker, parent.pid])
    parent.wait()

    assert left == []
