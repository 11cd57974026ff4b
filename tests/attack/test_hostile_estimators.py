"""Estimators that do what none should: each is one clear error, or measured with right numbers."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from factories import measurements
from fakes import hostile_estimators
from fakes.hostile_estimators import ANYWHERE, HONEST, MEASURED, ROWS, TARGETS

import rightfit as rf
from rightfit._core.errors import RightfitError
from rightfit.api import own_models
from rightfit.api.measure import measure
from rightfit.measuring import given_models
from rightfit.measuring.rounds import block_timing, first_rows, measurement
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.params.evaluation import EvaluationParams

pytestmark = [pytest.mark.whole, pytest.mark.long]

FORMS = ("Probable", "Certain", "Plain")
RIGHT = {("negative shares", "Probable"): 1 - HONEST}  # as scores they choose the other class
FAULTS_OF_FAMILIES = (
    "", "raises", "raises a long text", "raises control characters", "raises an odd error",
    "raises StopIteration", "raises MemoryError", "prints", "forks", "starts threads", "leaks",
    "changes the folder", "changes the environment", "makes numpy raise", "stops collecting",
    "overwrites its rows", "reuses one array", "read-only answers", "NaN", "infinite", "complex",
    "objects", "texts", "sparse", "a frame", "a list", "nothing", "a text", "empty", "one row",
    "a row less", "a row more", "transposed", "a column more", "shares that sum to 2",
    "negative shares", "changes with each call", "changes shape", "random",
)  # fmt: skip
MAX_MESSAGE = 2_500
LIMIT_S = 120.0  # of all others, which import libraries on a machine that is busy
ENDLESS_S = 2.0  # for models that never answer
ENDLESS = ("sleeps for ever", "loops for ever", "deaf and asleep")


class KeptPool(WorkerPool):
    """A pool whose workers stay for the next test."""

    def close(self) -> None:
        """Keep them."""


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    pool = KeptPool(4)
    yield pool
    WorkerPool.close(pool)


@pytest.fixture(autouse=True)
def surroundings(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Measure for moments only, beside whatever else measures, and mend what a model has broken."""
    is_endless = request.node.callspec.params.get("fault") in ENDLESS
    limit_s = ENDLESS_S if is_endless else LIMIT_S

    def read(*values: object) -> EvaluationParams:
        params = own_models.read_params(*values)
        settings = measurements.make_settings(
            min_processes=1, max_processes=1, answer_max_s=limit_s, batch_sizes=(8,)
        )
        presets = params.presets.model_copy(update={params.preset: settings})
        return params.model_copy(update={"presets": presets})

    monkeypatch.setattr("rightfit.api.measure.read_params", read)
    monkeypatch.setattr(own_models, "WorkerPool", lambda _n: pool)
    for module in (block_timing, given_models, measurement):
        monkeypatch.setattr(module, "machine_lock", contextlib.nullcontext)
    monkeypatch.setattr(first_rows, "FIRST_ANSWER_MAX_S", limit_s)
    folder, variables = Path.cwd(), dict(os.environ)
    with np.errstate():
        yield
    gc.enable()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    hostile_estimators.HELD.clear()
    hostile_estimators.CALLS.clear()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", [*ANYWHERE, *MEASURED])
def test_a_hostile_model_is_one_clear_error_or_measured_rightly(fault: str, form: str) -> None:
    rows = ROWS.copy()

    said, quality = measure_hostile(getattr(hostile_estimators, form)(fault), rows)

    assert said.isprintable()
    assert len(said) < MAX_MESSAGE
    assert said or quality == pytest.approx(RIGHT.get((fault, form), HONEST))
    np.testing.assert_array_equal(rows, ROWS)  # the caller's


def measure_hostile(model: object, rows: object) -> tuple[str, float | None]:
    """Return why a model, or its quality, was not measured, or its quality."""
    try:
        profile = measure(model, rows, TARGETS, name="mine", quality="accuracy")
    except RightfitError as err:
        return (str(err) if str(err).startswith("mine") else f"not named:\n{err}"), None
    return profile.quality_raw.reason, profile.quality_raw.value


@pytest.mark.parametrize("place", ["fit", "predict"])
@pytest.mark.parametrize("fault", FAULTS_OF_FAMILIES)
def test_a_hostile_family_is_one_clear_error_and_spoils_no_other(
    fault: str, place: str, alone: pl.DataFrame
) -> None:
    estimator = "fakes.hostile_estimators.Learner"
    fixed = {"fault": fault, "place": place}
    mine = {"family": "sklearn", "estimator": estimator, "fixed": fixed, "space": {}}

    found = search({"mine": mine, "linear": {}})

    others = found.filter(model="linear")
    assert others["quality_raw"].to_list() == alone["quality_raw"].to_list()
    for reason in found.filter(model="mine")["stop_reason"].drop_nulls():
        assert reason.isprintable()
        assert len(reason) < MAX_MESSAGE


@pytest.fixture(scope="module")
def alone() -> pl.DataFrame:
    """Trials of a family that no hostile one is beside."""
    return search({"linear": {}})


def search(families: Mapping[str, Mapping[str, object]]) -> pl.DataFrame:
    table = pl.DataFrame(ROWS, schema=["x0", "x1", "x2"]).with_columns(y=pl.Series(TARGETS))
    found = rf.search(
        table, "y", families=families, n_trials=2, budget_cpu_s=None, n_jobs=1, refit=False
    )
    return found.trials
