"""Exports of own models answer as they do, or are refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories.own_models import NUMBERS, ROWS, TARGETS, fit_linear, fit_pipeline, guess_by_age
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rightfit.measuring.given_models import UserObject
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.bundle import Bundle
from rightfit.models.imported.exporting import offer_exports
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.objects import describe_object
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.runtimes import available_runtimes, open_predictor


def export(model: Any, rows: Any, folder: Path) -> Bundle:
    facts, table = describe_object(model), read_row_table(rows)
    classes = () if facts.task == "regression" else facts.classes or ("no", "yes")
    given = UserObject(model, facts, WorkerFirstRows(shared_pool()))
    bundle = given.bundle(folder / "bundle", name="m", rows=table, classes=classes)
    return offer_exports(bundle, table)


def answer(bundle: Bundle, runtime: str, rows: Any) -> Any:
    predict = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
    return predict(make_rows(bundle, runtime, read_row_table(rows)))


def fit_torch() -> Any:
    import torch

    return torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("fit", "rows", "inputs"),
    [
        (fit_pipeline, ROWS, ["given/age", "given/city", "given/n_rooms"]),
        (lambda: LogisticRegression().fit(NUMBERS, TARGETS), NUMBERS, []),
        (lambda: LinearRegression().fit(NUMBERS, ROWS["age"]), NUMBERS, []),
        (lambda: LogisticRegression().fit(NUMBERS.to_numpy(), TARGETS), NUMBERS.to_numpy(), []),
        (fit_torch, NUMBERS, []),
    ],
)
def test_export_answers_as_the_model(
    fit: Callable[[], Any], rows: Any, inputs: list[str], tmp_path: Path
) -> None:
    bundle = export(fit(), rows, tmp_path)

    assert set(available_runtimes(bundle)) - {"onnx_int8"} == {"native", "onnx"}
    assert [one["name"] for one in bundle.configuration.get("tensors", [])] == inputs
    native, exported = (answer(bundle, runtime, rows) for runtime in ("native", "onnx"))
    np.testing.assert_allclose(native, exported, atol=1e-4)


def test_columns_whose_names_hold_spaces_are_fed_by_position(tmp_path: Path) -> None:
    rows = NUMBERS.rename(columns={"age": "mean age", "n_rooms": "n rooms"})
    scaled = ColumnTransformer([("scaled", StandardScaler(), ["n rooms", "mean age"])])
    bundle = export(make_pipeline(scaled, LogisticRegression()).fit(rows, TARGETS), rows, tmp_path)

    assert bundle.onnx is not None
    native, exported = (answer(bundle, runtime, rows) for runtime in ("native", "onnx"))
    np.testing.assert_allclose(native, exported, atol=1e-4)


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        ("lightgbm", "LGBMClassifier"),
        ("xgboost", "XGBClassifier"),
        ("catboost", "CatBoostClassifier"),
    ],
)
def test_boosted_trees_are_exported_by_their_own_converter(
    library: str, kind: str, tmp_path: Path
) -> None:
    module = pytest.importorskip(library)
    quiet = {"lightgbm": {"verbose": -1}, "catboost": {"verbose": 0, "allow_writing_files": False}}
    model = getattr(module, kind)(n_estimators=3, **quiet.get(library, {}))
    bundle = export(model.fit(NUMBERS, (TARGETS == "yes").astype(int)), NUMBERS, tmp_path)

    assert bundle.onnx is not None
    assert bundle.onnx["agreement"] == 1


def fit_categories() -> Any:
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    return model.fit(CATEGORIES, TARGETS)


CATEGORIES = ROWS[["age", "city"]].astype({"city": "category"})


@pytest.mark.parametrize(
    ("fit", "rows", "reason"),
    [
        (lambda: guess_by_age, ROWS, "a function has no ONNX form"),
        (fit_categories, CATEGORIES, "native categories answers wrongly"),
        # a graph's texts have no gaps: what the encoder learnt of them is lost
        (fit_linear, ROWS, "does not answer as the native model does"),
    ],
)
def test_export_that_would_answer_otherwise_is_refused(
    fit: Callable[[], Any], rows: pd.DataFrame, reason: str, tmp_path: Path
) -> None:
    bundle = export(fit(), rows, tmp_path)

    assert available_runtimes(bundle) == ("native",)
    assert bundle.onnx_refused is not None
    assert reason in bundle.onnx_refused


def test_missing_converter_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "skl2onnx" else find(name)
    )

    bundle = export(fit_linear(), ROWS, tmp_path)

    assert "pip install 'rightfit[sklearn]'" in str(bundle.onnx_refused)
