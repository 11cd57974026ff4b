"""Models of about 10 us and 1 ms a call, and the bench they are measured on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.measuring.rounds.jobs import OPEN_BUNDLE
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.models.bundle import write_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import NATIVE, ONNX
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

HERE = Path(__file__).resolve().parent
# Measuring processes import synthetic models from there.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(HERE), str(HERE.parents[1] / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
)
N_FEATURES = 36
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "linear": {
        "n_epochs": 2,
        "alpha": 1e-4,
        "penalty": "l2",
        "learning_rate": "optimal",
        "eta0": 0.01,
    },
    "forest": {
        "n_estimators": 12,
        "max_depth": 8,
        "min_samples_leaf": 2,
        "max_features": "sqrt",
    },
}

ORDER = (("linear", ONNX), ("forest", NATIVE), ("linear", NATIVE), ("forest", ONNX))


def read_preset(name: str) -> MeasuringSettings:
    """Return a preset of ``parameters_evaluation.yml``."""
    return MeasuringSettings(**read_default("evaluation")["presets"][name])


def make_bench(pool: WorkerPool, folder: Path) -> MeasurementContext:
    """Return a bench with the preset ``quick``."""
    rows = folder / "rows.npy"
    np.save(rows, np.random.default_rng(1).normal(size=(2_048, N_FEATURES)).astype(np.float32))
    return MeasurementContext(pool, rows, folder, read_preset("quick"), "quick")


def save_model(
    folder: Path, family_name: str, configuration: dict[str, Any]
) -> dict[str, str | int]:
    """Train and save a real model with its ONNX graph; return what opens it in any runtime."""
    rng = np.random.default_rng(0)
    labels = np.arange(3_000) % 6
    rows = (rng.normal(size=(3_000, N_FEATURES)) + labels[:, None] * 0.3).astype(np.float32)
    schema = InputSchema(
        tuple(f"x{i}" for i in range(N_FEATURES)), tuple(f"c{i}" for i in range(6)), None
    )
    *_, last = get_family(family_name).train(
        TrainingRun(configuration, TrainingData(rows, labels, schema))
    )
    bundle = write_bundle(
        folder,
        last.model,
        model=folder.name,
        family=family_name,
        configuration=configuration,
        schema=schema,
        data_version="benchmark",
    )
    exported = add_onnx(bundle, rows[:500])
    return {
        "path": str(folder),
        "n_threads": 1,
        "device": "cpu",
        "family": family_name,
        "sha256": exported.sha256,
    }


def make_models(folder: Path) -> list[MeasurementTarget]:
    """Train and save models of about 10 us and 1 ms a call; return each in both runtimes."""
    kinds = {
        ONNX: WorkerKind(("onnxruntime",), 1),
        NATIVE: WorkerKind(get_family("forest").native_imports, 1),
    }
    arguments = {
        family: save_model(folder / family, family, configuration)
        for family, configuration in CONFIGURATIONS.items()
    }
    return [
        MeasurementTarget(
            f"{family}, {runtime}",
            kinds[runtime],
            OPEN_BUNDLE,
            arguments[family] | {"runtime": runtime},
        )
        for family, runtime in ORDER
    ]


def open_known_work(*, n_rounds: int) -> Callable[[], Callable[[Any], Any]]:
    """Return a loader for a model whose calls hash so often: twice as often takes twice as long."""

    def open_model() -> Callable[[Any], Any]:
        def call(rows: Any) -> Any:
            hashlib.pbkdf2_hmac("sha256", b"", b"", n_rounds)
            return np.full((len(rows), 2), 0.5, dtype=np.float32)

        return call

    return open_model
