"""Estimators that do what none should: each is one clear error, or measured with right numbers."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from factories import measurements
from fakes import hostile_estimators
from fakes.hostile_estimators import ANYWHERE, HONEST, MEASURED, ROWS, TARGETS

from rightfit._core.errors import RightfitError
from rightfit.api import own_models
from rightfit.api.measure import compare, measure
from rightfit.measuring.rounds import first_rows, measurement, turns
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.params.evaluation import EvaluationParams

pytestmark = [pytest.mark.whole, pytest.mark.long]

FORMS = ("Probable", "Certain", "Plain")
MAX_MESSAGE = 1_000
LIMIT_S = 3.0


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
def surroundings(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Measure for moments only, beside whatever else measures, and mend what a model has broken."""
    read_params: Callable[..., EvaluationParams] = own_models._read_params

    def read(plan: own_models.MeasuringPlan) -> EvaluationParams:
        params = read_params(plan)
        settings = measurements.make_settings(
            min_processes=1, max_processes=1, answer_max_s=LIMIT_S, batch_sizes=(8,)
        )
        presets = params.presets.model_copy(update={params.preset: settings})
        return params.model_copy(update={"presets": presets})

    monkeypatch.setattr(own_models, "_read_params", read)
    monkeypatch.setattr(own_models, "WorkerPool", lambda _n: pool)
    for module in (first_rows, measurement, turns):
        monkeypatch.setattr(module, "machine_lock", contextlib.nullcontext)
    monkeypatch.setattr(first_rows, "FIRST_ANSWER_MAX_S", LIMIT_S)
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
    model = getattr(hostile_estimators, form)(fault)
    try:
        profile = measure(model, ROWS.copy(), TARGETS, name="mine", quality="accuracy")
    except RightfitError as err:
        print("SAID", fault, form, repr(str(err))[:250])
        assert str(err).startswith("mine")
        assert str(err).isprintable()
        assert len(str(err)) < MAX_MESSAGE
    else:
        print("SAID", fault, form, profile.quality_raw.value, profile.quality_raw.reason)
        assert profile.quality_raw.value == pytest.approx(HONEST)
