"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import io
import os
import pickle
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from factories.training_data import make_blobs
from hypothesis import HealthCheck, settings

from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData

pytest_plugins = ["harness.browser", "harness.short_measurements"]

PROJECT = Path(__file__).parents[1]
SLOW_FIRST = ("long", "whole")
LONG_FILE = re.compile(r"^pytestmark = .*\bpytest\.mark\.long\b", re.MULTILINE)
# Measuring processes import synthetic models from there.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(PROJECT / "tests" / "support"), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """Start one worker more than there are cores: tests wait for processes, pauses and a lock."""
    return (psutil.cpu_count() or 1) + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files whose tests are all long where none is wanted: each worker imports them."""
    is_unwanted = re.match(r"not \(?long\b", config.option.markexpr) and collection_path.is_file()
    return True if is_unwanted and LONG_FILE.search(collection_path.read_text("utf-8")) else None


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all libraries and tests again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several workers start with long files, so that none is left with one at the end."""
    if hasattr(config, "workerinput"):  # of pytest-xdist, which shares out files in this order
        items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in SLOW_FIRST])


@pytest.fixture(scope="session")
def project_path() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def sample_data(project_path: Path) -> Path:
    """The folder of the shipped raw tables; a project made without them skips what needs them."""
    folder = project_path / "data" / "01_raw"
    if not (folder / "landsat.parquet").is_file():
        pytest.skip("this project was made without the sample data")
    return folder


@pytest.fixture
def blobs() -> TrainingData:
    """Three well separated groups in four columns; 60 rows."""
    return make_blobs(image_shape=None, n_features=4)


@pytest.fixture
def image_blobs() -> TrainingData:
    """Three groups of 8 × 8 images, each bright in another corner; 60 rows."""
    return make_blobs(image_shape=(8, 8, 1), n_features=64)


@pytest.fixture
def slopes() -> TrainingData:
    """Numbers that rise along two of four columns, of mean 1,000 and spread about 50; 120 rows."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (120, 4)).astype(np.float32)
    values = 1_000 + 40 * rows[:, 0] - 30 * rows[:, 1] + rng.normal(0, 2, 120)
    return TrainingData(rows, values, InputSchema(("x0", "x1", "x2", "x3"), (), None))


@pytest.fixture(scope="session")
def bootstrapped() -> Iterator[Path]:
    """Configure Kedro for this project once; return the project's folder.

    From then on each text of YAML is parsed once: hundreds of tests open the same configuration.
    """
    from kedro.framework.startup import bootstrap_project
    from omegaconf import OmegaConf

    load, parsed = OmegaConf.load, dict[str, bytes]()

    def load_once(file: Any) -> Any:
        if not isinstance(file, io.StringIO):
            return load(file)
        if (text := file.getvalue()) not in parsed:
            parsed[text] = pickle.dumps(load(file))
        return pickle.loads(parsed[text])  # noqa: S301 - made here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", load_once)
        if find_spec("ibis") is None:  # or Kedro searches for it anew for each parameter
            patch.setitem(sys.modules, "ibis", None)
        bootstrap_project(PROJECT)
        yield PROJECT
