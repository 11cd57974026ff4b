"""Measure a model, or compare several, from Python: no project, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import join_sentences
from rightfit._core.progress import Listener
from rightfit.api.own_models import prepare_models, read_params, require_profile
from rightfit.api.profiles import Profiles
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import ApplicationsLike, read_applications
from rightfit.measuring.profile import Profile
from rightfit.measuring.targets import Quality
from rightfit.models.imported.predictors import expand_predictors
from rightfit.models.runtimes import NATIVE, ONNX


def measure(
    model: object,
    rows: object | None = None,
    targets: object | None = None,
    *,
    name: str | None = None,
    runtime: str | None = None,
    n_threads: int = 1,
    device: str = "cpu",
    preset: str = "quick",
    quality: Quality | None = None,
    trust: bool = False,
    verbose: bool | int | None = None,
    on_progress: Listener | None = None,
) -> Profile:
    """Measure what serving a model costs, in fresh processes, and how good its answers are.

    Args:
        model: A fitted estimator or pipeline of scikit-learn, a model of LightGBM, XGBoost or
            CatBoost, a torch module, an ONNX model, a function from rows to answers, or the path of
            a model file, a bundle or an export.
        rows: Rows that it can answer, in the columns that it was fitted on: a frame of pandas or
            polars, an Arrow table, an array, or the path of a .parquet, .csv or .npy file. Some
            thousand are best; ``None``: random values, which ONNX models alone take.
        targets: Ground truth for these rows, or the name of their column that holds it; ``None``:
            answers are not judged.
        name: The model's name; ``None``: that of its type or file.
        runtime: ``native``, ``onnx``, or a :class:`Runtime` by import path; ``None``: the model as
            it is given.
        n_threads: Threads of a call, and cores that the process runs on.
        device: ``cpu`` or ``cuda``.
        preset: How thoroughly: ``quick``, ``standard`` or ``publish``.
        quality: How answers are judged: any scorer of scikit-learn by name, or a function;
            ``None``: accuracy, or r2 where numbers are predicted.
        trust: Whether a file that is no ONNX may be opened: you trust who wrote it. A pickle runs
            whatever code it holds, in a process of its own.
        verbose: Whether the progress is shown; ``None``: in a terminal or a notebook. If true, a
            log file or a pipe gets a line every five seconds.
        on_progress: Called with each step, a :class:`Progress`; an error of it ends the call.

    Raises:
        RightfitError: If the model, the rows and the targets do not fit each other, or the model
            fails while it is measured.
    """
    _require_names("name", [] if name is None else [name])
    called = name or (Path(model).name if isinstance(model, str | Path) else type(model).__name__)
    params = read_params(None if runtime is None else (runtime,), (n_threads,), (device,), preset)
    models = {called: model}
    with (
        showing_progress(verbose, on_progress),
        prepare_models(
            models, rows, targets, params, dataset="data", quality=quality, trust=trust
        ) as prepared,
    ):
        profiles = prepared.measure(None)
    if not profiles:
        reasons = join_sentences(profiles.left_out.values()) or f"{called} has no runtime {runtime}"
        raise RightfitError(f"{called} was not measured: {reasons}")
    return require_profile(profiles)


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
    applications: ApplicationsLike | None = None,
    trust: bool = False,
    verbose: bool | int | None = None,
    on_progress: Listener | None = None,
) -> Profiles:
    """Measure models side by side, in turns, so that fluctuations of the machine meet them all.

    Args:
        models: Models by name; see :func:`measure`. A predictor of AutoGluon is compared as the
            models that it consists of: see :func:`candidates`.
        rows: Rows that all of them can answer.
        targets: As of :func:`measure`.
        dataset: Name of the rows, in the results.
        runtimes: Runtimes wanted; ``None``: the model as it is given, and as ONNX where it can be
            exported.
        n_threads: Threads of a call; ``all``: every core.
        devices: Devices.
        preset: As of :func:`measure`.
        quality: As of :func:`measure`.
        applications: As of :func:`rank`; a profile that none of them could choose is not measured
            to the end. ``None``: all are.
        trust: As of :func:`measure`.
        verbose: As of :func:`measure`.
        on_progress: As of :func:`measure`.

    Raises:
        RightfitError: If models, rows and targets do not fit each other, before anything is
            measured.
    """
    if not isinstance(models, Mapping) or not models:
        raise RightfitError("Give the models by name: compare({'a': model}, X, y).")
    _require_names("models", [*models])
    models = expand_predictors(models)
    _require_names("dataset", [dataset])
    wanted = (NATIVE, ONNX) if runtimes is None else runtimes
    params = read_params(wanted, n_threads, devices, preset)
    chosen_by = None if applications is None else read_applications(applications)
    with (
        showing_progress(verbose, on_progress),
        prepare_models(
            models, rows, targets, params, dataset=dataset, quality=quality, trust=trust
        ) as prepared,
    ):
        return prepared.measure(chosen_by)


def _require_names(key: str, names: Sequence[object]) -> None:
    if others := [name for name in names if not isinstance(name, str) or not name]:
        raise RightfitError(f"{key}: a name must be a text, but got {others[0]!r}.")
