"""Measure what a contender delivered with ``rightfit.measure``: a child process in its environment.

``python peer_measuring.py FOLDER PRESET`` writes ``measured.json``: a figure of every metric for

- each application's winner of Rightfit: its export, raw rows in;
- ``delivered``: a peer's predictor as its documentation deploys it, raw rows in;
- ``raw``: its single model without wrapper, joined with the encoding of its rows in one ONNX graph
  as Rightfit joins its own: raw rows in;
- ``bare``: the same without the encoding, as if somebody else had encoded the rows.
"""

from __future__ import annotations

import importlib
import json
import math
import pickle
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

import rightfit as rf
from rightfit._core.errors import RightfitError
from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.data.request_path.feeding import write_text
from rightfit.data.request_path.raw_inputs import (
    ENCODER_VERSION,
    EncoderJson,
    StepJson,
    list_inputs,
)
from rightfit.data.request_path.usage import CALL, ExportedModel, open_model
from rightfit.exporting.export_folder import write_hashes
from rightfit.measuring.given_models import UserObject
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.measuring.targets import plan_judging
from rightfit.models.bundle import ONNX_FILE
from rightfit.models.imported.exporting import offer_exports
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.objects import describe_object
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.runtimes import open_predictor

BYTES_PER_MIB = 2**20
IMPORTS = {
    "autogluon": ("pandas", "autogluon.tabular"),
    "flaml": ("pandas", "flaml"),
    "lightgbm": ("pandas", "lightgbm"),
}
NETS = ("torch", "matplotlib", "fastai.tabular.all")
BARE, RAW = "bare", "raw"


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
        return np.asarray(self.predict(rows))


def _open(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - of our own process


def measure(folder: Path, preset: str) -> Iterator[dict[str, Any]]:
    """Yield the figures of each model, or the reason why it was not measured."""
    asked = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    known: dict[bytes, dict[str, Any]] = {}  # applications may have chosen the same
    models = json.loads((folder / "models.json").read_text(encoding="utf-8"))
    bare = [model | {"model": RAW, "note": ""} for model in models if model["model"] == BARE]
    for one in (*models, *bare):
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
    if name == BARE:
        model, rows = _open(folder / "bare.pickle")
        return rf.measure(model, rows, runtime="onnx", name=name, preset=preset), None
    rows = pl.read_parquet(Path(asked["rows"]) / "test.parquet").drop(asked["target"])
    if name == RAW:
        join_encoding(folder, rows)
    if name == "delivered":
        import pandas as pd

        where = folder / name
        frame = pd.read_parquet(Path(asked["rows"]) / "test.parquet").drop(columns=asked["target"])
        uses_torch = any(one.name.startswith("NeuralNet") for one in where.glob("models/*"))
        names = IMPORTS[asked["library"]] + (NETS if uses_torch else ())
        model = Delivered(asked["library"], where, tuple(map(importlib.import_module, names)))
        size = sum(file.stat().st_size for file in where.rglob("*") if file.is_file())
        return rf.measure(model, frame, name=name, preset=preset), size / BYTES_PER_MIB
    if (folder / name / CALL).is_file():
        return rf.measure(folder / name, rows, name=name, preset=preset), None
    return rf.measure(_open(folder / f"{name}.pickle"), rows, name=name, preset=preset), None


def join_encoding(folder: Path, rows: pl.DataFrame) -> None:
    """Write the bare model and the encoding of its rows as one graph, as an export of Rightfit.

    Raises:
        RightfitError: If it has no ONNX form, or its encoding is not one of single columns.
    """
    model, encoded = _open(folder / "bare.pickle")
    table = read_row_table(encoded)
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    given = UserObject(model, describe_object(model), WorkerFirstRows(shared_pool()))
    classes = plan_judging({RAW: given.facts}, None, None).judged_classes
    bundle = given.bundle(folder / "bundle", name=RAW, rows=table, classes=classes)
    bundle = offer_exports(bundle, table)
    if bundle.onnx_refused:
        raise RightfitError(bundle.onnx_refused)
    steps = [_find_step(rows, name, encoded[name]) for name in encoded.columns]
    encoder = EncoderJson(version=ENCODER_VERSION, steps=steps)
    target = folder / RAW
    target.mkdir(exist_ok=True)
    (target / "model.onnx").write_bytes(join_encoder(bundle.path / ONNX_FILE, encoder))
    call = ExportedModel("model.onnx", 1, "cpu", list_inputs(encoder), (), None)
    (target / CALL).write_text(json.dumps(asdict(call)), encoding="utf-8")
    write_hashes(target, [CALL, "model.onnx"])
    answers = open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")
    expected = answers(make_rows(bundle, "onnx", table))
    if not np.allclose(open_model(target)(rows.to_dict(as_series=False)), expected, atol=1e-5):
        raise RightfitError("with the encoding it answers otherwise")


def _find_step(rows: pl.DataFrame, name: str, encoded: Any) -> StepJson:
    """Return what makes a column's encoded values of its raw ones: a code for each text, a number.

    Texts are those of the test rows alone, a few fewer than the peer knows: that favours it.

    Raises:
        RightfitError: If it is no column of the table, or holds neither texts nor numbers.
    """
    if name not in rows.columns:
        raise RightfitError(f"{name} is not a column of the table")
    codes = np.asarray(encoded.to_numpy(), dtype=np.float64)
    if rows[name].dtype == pl.String:
        known = dict(zip(map(write_text, rows[name]), codes.tolist(), strict=True))
        means = [*known.values(), known.get("", math.nan)]
        return StepJson(kind="target_mean", column=name, categories=[*known], means=means)
    if not rows[name].dtype.is_numeric():
        raise RightfitError(f"{name} holds neither texts nor numbers")
    raw = rows[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
    filled = codes[np.isnan(raw)]
    if len(filled) and not np.isnan(filled[0]):
        return StepJson(kind="standardise", column=name, fill=filled[0], mean=0.0, scale=1.0)
    return StepJson(kind="number", column=name)


def main() -> None:
    """Measure and write."""
    folder = Path(sys.argv[1])
    found = list(measure(folder, sys.argv[2]))
    (folder / "measured.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
