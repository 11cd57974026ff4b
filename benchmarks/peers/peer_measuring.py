"""Measure what a contender delivered with ``rightfit.measure``: a child process in its environment.

``python peer_measuring.py FOLDER PRESET`` writes ``measured.json``: a figure of every metric for

- each application's winner of Rightfit: its export, raw rows in;
- ``delivered``: a peer's predictor as its documentation deploys it, raw rows in;
- ``bare``: its single model without wrapper, rows already encoded, as ONNX.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import rightfit as rf
from rightfit.errors import RightfitError

BYTES_PER_MIB = 2**20
IMPORTS = {
    "autogluon": ("pandas", "autogluon.tabular"),
    "flaml": ("pandas", "flaml"),
    "lightgbm": ("pandas", "lightgbm"),
}
NETS = ("torch", "matplotlib", "fastai.tabular.all")


class Delivered:
    """A peer's predictor, loaded where it is called: raw rows in, labels or values out.

    Args:
        library: Whose it is.
        folder: What was delivered.
        imports: Modules that the measuring process imports before it loads the predictor.
    """

    def __init__(self, library: str, folder: Path, imports: tuple[ModuleType, ...]) -> None:
        self.library, self.folder, self.imports = library, folder, imports

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the predictor."""
        return {"library": self.library, "folder": self.folder, "imports": self.imports}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the predictor."""
        self.__dict__.update(state)
        if self.library == "autogluon":
            from autogluon.tabular import TabularPredictor

            predictor = TabularPredictor.load(str(self.folder))
            predictor.persist()
            self.predict = predictor.predict
        elif self.library == "flaml":
            self.predict = _open(self.folder / "automl.pickle").predict
        else:
            model, categories = _open(self.folder / "model.pickle")
            self.predict = lambda rows: model.predict(rows.astype(categories))

    def __call__(self, rows: Any) -> Any:
        """Answer rows of a pandas frame."""
        import numpy as np

        return np.asarray(self.predict(rows))


def _open(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - of our own process


def measure(folder: Path, preset: str) -> Iterator[dict[str, Any]]:
    """Yield the figures of each model, or the reason why it was not measured."""
    asked = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    known: dict[bytes, dict[str, Any]] = {}  # applications may have chosen the same
    for one in json.loads((folder / "models.json").read_text(encoding="utf-8")):
        graph = folder / one["model"] / "model.onnx"
        content = graph.read_bytes() if graph.is_file() else one["model"].encode()
        if content not in known:
            known[content] = _describe(folder, asked, one, preset)
        yield {"model": one["model"], **known[content]}


def _describe(
    folder: Path, asked: dict[str, Any], one: dict[str, str], preset: str
) -> dict[str, Any]:
    try:
        profile, size_mib = _measure(folder, asked, one["model"], preset)
    except (OSError, RightfitError) as err:
        return {"reason": one["note"] or str(err)}
    figures = {name: figure.value for name, figure in profile.figures.items()}
    if size_mib is not None:
        figures["model_size_mib"] = size_mib
    about = {"disturbed": profile.disturbed, "n_latency_samples": profile.n_latency_samples}
    return {"metrics": figures, **about}


def _measure(
    folder: Path, asked: dict[str, Any], name: str, preset: str
) -> tuple[rf.Profile, float | None]:
    """Return a model's profile, and its size where the instrument does not see all of it."""
    if name == "bare":
        model, rows = _open(folder / "bare.pickle")
        return rf.measure(model, rows, runtime="onnx", name=name, preset=preset), None
    if name == "delivered":
        import pandas as pd

        where = folder / name
        rows = pd.read_parquet(Path(asked["rows"]) / "test.parquet").drop(columns=asked["target"])
        uses_torch = any(one.name.startswith("NeuralNet") for one in where.glob("models/*"))
        names = IMPORTS[asked["library"]] + (NETS if uses_torch else ())
        model = Delivered(asked["library"], where, tuple(map(importlib.import_module, names)))
        size = sum(file.stat().st_size for file in where.rglob("*") if file.is_file())
        return rf.measure(model, rows, name=name, preset=preset), size / BYTES_PER_MIB
    import polars as pl

    rows = pl.read_parquet(Path(asked["rows"]) / "test.parquet").drop(asked["target"])
    if (folder / name / "model.json").is_file():
        return rf.measure(folder / name, rows, name=name, preset=preset), None
    return rf.measure(_open(folder / f"{name}.pickle"), rows, name=name, preset=preset), None


def main() -> None:
    """Measure and write."""
    folder = Path(sys.argv[1])
    found = list(measure(folder, sys.argv[2]))
    (folder / "measured.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
