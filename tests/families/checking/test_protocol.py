"""A family that breaks a promise is found out on a small table, before a search."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rightfit.families.checking.protocol import Finding, check_family, list_tasks
from rightfit.families.linear import LinearFamily
from rightfit.families.registry import get_family
from rightfit.families.schema import Task

NAME = "study_of_tests.family"
FAMILIES: dict[str, dict[str, Any]] = {
    "sklearn:sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn:sklearn.preprocessing.StandardScaler+sklearn.svm.SVC": {"svc__C": 100.0},
    "sklearn:rightfit.families.by_path.stacks.make_classifier": {
        "cv": 2,
        "forest__n_estimators": 4,
        "boosting__max_iter": 4,
    },
    "lightgbm": {"n_estimators": 16},
    "xgboost": {"n_estimators": 16},
    "catboost": {"iterations": 32},
    "torch:networks_of_tests.TwoLayers": {
        "n_epochs": 30,
        "batch_size": 32,
        "learning_rate": 0.02,
        "weight_decay": 0.0,
        "n_units": 16,
    },
}
CONFIGURATION = {
    "n_epochs": 4,
    "alpha": 1e-4,
    "penalty": "l2",
    "learning_rate": "optimal",
    "eta0": 0.01,
}


@pytest.fixture
def try_linear(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """Try the linear family with some of its methods exchanged."""

    def run(**exchanged: Any) -> list[Finding]:
        module: Any = types.ModuleType(NAME)
        module.FAMILY = type("Exchanged", (LinearFamily,), exchanged)()
        monkeypatch.setitem(sys.modules, NAME.partition(".")[0], types.ModuleType("study_of_tests"))
        monkeypatch.setitem(sys.modules, NAME, module)
        return list(check_family(NAME, CONFIGURATION))

    return run


def skip_last(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    yield from list(LinearFamily.train(self, *args, **kwargs))[:-1]


def predict_double(self: Any, model: Any, rows: Any) -> Any:
    return model.predict_proba(rows).astype(np.float64)


def predict_scores(self: Any, model: Any, rows: Any) -> Any:
    return model.decision_function(rows).astype(np.float32)


def guess(self: Any, model: Any, rows: Any) -> Any:
    return np.full((len(rows), 3), 1 / 3, dtype=np.float32)


def predict_noise(self: Any, model: Any, rows: Any) -> Any:
    wrong = np.random.default_rng().normal(0, 1e-6, (len(rows), 3)).astype(np.float32)
    return LinearFamily.predict(self, model, rows) + wrong


def load_another(self: Any, path: Any, configuration: Any, schema: Any) -> Any:
    return self.build_untrained(configuration, schema, seed=5)


def refuse(self: Any, *args: Any) -> Any:
    raise NotImplementedError("no operator for this")


def test_sound_family_passes_every_promise(try_linear: Callable[..., list[Finding]]) -> None:
    findings = try_linear()

    assert {finding.outcome for finding in findings} == {"ok"}
    assert len(findings) == 10


@pytest.mark.parametrize(
    ("exchanged", "promise", "message"),
    [
        ({"export_onnx": None}, "is complete", r"lacks \['export_onnx\(\)'\]"),
        ({"train": skip_last}, "pauses at checkpoints", "1 checkpoints of 2"),
        ({"predict": predict_scores}, "pauses at checkpoints", r"lie in \[0, 1\]"),
        ({"predict": predict_double}, "answers every row", "are float64"),
        ({"predict": guess}, "learns", "accuracy 0.33"),
        (
            {"describe_structure": lambda self, model: {"n_parameters": 0.0}},
            "counts its structure",
            r"lacks \['n_operations'\], or counts \{'n_parameters': 0.0\}",
        ),
        ({"load_weights": load_another}, "saves and loads", "answers differ by up to"),
        ({"save_weights": refuse}, "saves and loads", "no operator for this"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_broken_promise_is_named_and_ends_the_trying(
    exchanged: dict[str, Any],
    promise: str,
    message: str,
    try_linear: Callable[..., list[Finding]],
) -> None:
    *_, last = try_linear(**exchanged)

    assert (last.promise, last.outcome) == (promise, "fails")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(last.detail)


def test_model_without_an_export_is_worth_a_note(
    try_linear: Callable[..., list[Finding]],
) -> None:
    *_, last = try_linear(export_onnx=refuse)

    assert last.outcome == "note"
    assert last.detail == "served natively only: NotImplementedError: no operator for this"


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_the_library_keep_their_promises(name: str, task: Task) -> None:
    assert task in list_tasks(get_family(name))
    assert [f for f in check_family(name, FAMILIES[name], task) if f.outcome != "ok"] == []
