"""Measure a model, or compare several, from Python: no project, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from rightfit.errors import RightfitError
from rightfit.evaluation.own_models import Plan, measure_models
from rightfit.evaluation.targets import Quality
from rightfit.ranking.applications.applications import Applications


def measure(
    model: object,
    rows: object | None = None,
    targets: object | None = None,
    *,
    name: str | None = None,
    n_threads: int = 1,
    device: str = "cpu",
    preset: str = "quick",
    quality: Quality | None = None,
) -> pl.DataFrame:
    """Measure what serving a model costs, in fresh processes, and how good its answers are.

    Args:
        model: A fitted estimator or pipeline of scikit-learn, a model of LightGBM, XGBoost or
            CatBoost, a torch module, or a function from rows to answers.
        rows: Rows that it can answer, in the columns that it was fitted on: a frame of pandas or
            polars, an Arrow table, an array, or the path of a .parquet, .csv or .npy file. Some
            thousand are best.
        targets: What is right for these rows, or the name of their column that holds it; ``None``:
            answers are not judged.
        name: The model's name; ``None``: that of its type.
        n_threads: Threads of a call, and cores that the process runs on.
        device: ``cpu`` or ``cuda``.
        preset: How thoroughly: ``quick``, ``standard`` or ``publish``.
        quality: How answers are judged: any scorer of scikit-learn by name, or a function;
            ``None``: accuracy, or r2 where numbers are predicted.

    Returns:
        One row, see ``tabulate_profiles``.

    Raises:
        RightfitError: If the model, the rows and the targets do not fit each other, or the model
            fails while it is measured.
    """
    called = name or type(model).__name__
    plan = Plan(("native",), (n_threads,), (device,), preset)
    found = measure_models({called: model}, rows, targets, plan, dataset="data", quality=quality)
    if failures := found.find_failures():
        raise RightfitError(f"{called} was not measured: {failures[0]}")
    return found.profiles


def compare(
    models: Mapping[str, object],
    rows: object,
    targets: object | None = None,
    *,
    dataset: str = "data",
    runtimes: Sequence[str] | None = None,
    n_threads: Sequence[int | Literal["all"]] = (1,),
    devices: Sequence[str] = ("cpu",),
    preset: str = "quick",
    quality: Quality | None = None,
    applications: Applications | None = None,
) -> pl.DataFrame:
    """Measure models side by side, in turns, so that all meet the same moods of the machine.

    Args:
        models: Models by name; see :func:`measure`.
        rows: Rows that all of them can answer.
        targets: As of :func:`measure`.
        dataset: Name of the rows, in the results.
        runtimes: Runtimes wanted; ``None``: the model as it is, and as ONNX.
        n_threads: Threads of a call; ``all``: every core.
        devices: Devices.
        preset: As of :func:`measure`.
        quality: As of :func:`measure`.
        applications: A profile that none of them could choose is not measured to the end.

    Returns:
        A row for each model and way to serve it, see ``tabulate_profiles``.

    Raises:
        RightfitError: If models, rows and targets do not fit each other, before anything is
            measured.
    """
    if not models:
        raise RightfitError("There are no models; give them by name: compare({'a': model}, X, y).")
    plan = Plan(
        tuple(runtimes or ("native", "onnx")),
        tuple(n_threads),
        tuple(devices),
        preset,
        applications,
    )
    return measure_models(models, rows, targets, plan, dataset=dataset, quality=quality).profiles
