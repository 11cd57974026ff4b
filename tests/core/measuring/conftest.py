from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from factories import measurements

from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.worker_pool import WorkerPool


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    """Measuring processes shared by the tests, as they are by the cells of a study."""
    shared = WorkerPool(max_open=6)
    yield shared
    shared.close()


@pytest.fixture
def bench(pool: WorkerPool, tmp_path: Path) -> MeasurementContext:
    rows = tmp_path / "rows.npy"
    np.save(rows, np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    return MeasurementContext(pool, rows, tmp_path, measurements.make_settings(), "quick")
