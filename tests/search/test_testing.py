"""A family that breaks a promise is found out on a small table, before a search."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rightfit.models.schema import Task
from rightfit_search.families.family import Family
from rightfit_search.families.linear import LinearFamily
from rightfit_search.testing import check_family

pytestmark = pytest.mark.whole

NAME = "study_of_tests.family"
SEEDS = itertools.count()  # two drawn by chance may be equal
FAMILIES: dict[str, dict[str, Any]] = {
    "sklearn:sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn:sklearn.preprocessing.StandardScaler+sklearn.svm.SVC": {"svc__C": 100.0},
    "sklearn:rightfit_search.families.by_path.stacks.make_classifier": {
        "cv": 2,
        "forest__n_estimators": 4,
        "boosting__max_iter": 4,
    },
    "lightgbm": {"n_estimators": 16},
    "xgboost": {"n_estimators": 16},
    "catboost": {"iterations": 32},
    "torch:fakes.networks.TwoLayers": {
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
def check_linear(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Check the linear family with some of its methods exchanged."""

    def run(**exchanged: Any) -> list[str]:
        module: Any = types.ModuleType(NAME)
        module.FAMILY = type("Exchanged", (LinearFamily,), exchanged)()
        monkeypatch.setitem(sys.modules, NAME.partition(".")[0], types.ModuleType("study_of_tests"))
        monkeypatch.setitem(sys.modules, NAME, module)
        return check_family(NAME, CONFIGURATION)

    return run


def skip_last(self: Any, run: Any) -> Iterator[Any]:
    yield from list(LinearFamily.train(self, run))[:-1]


def predict_double(self: Any, model: Any, rows: Any) -> Any:
    return model.predict_proba(rows).astype(np.float64)


def predict_scores(self: Any, model: Any, rows: Any) -> Any:
    return model.decision_function(rows).astype(np.float32)


def guess(self: Any, model: Any, rows: Any) -> Any:
    return np.full((len(rows), 3), 1 / 3, dtype=np.float32)


def load_another(self: Any, path: Any, configuration: Any, schema: Any) -> Any:
    return self.build_untrained(configuration, schema, seed=5)


def train_by_chance(self: Any, run: Any) -> Iterator[Any]:
    return LinearFamily.train(self, replace(run, seed=next(SEEDS)))


def refuse(self: Any, *args: Any) -> Any:
    raise NotImplementedError("no operator for this")


def test_sound_family_keeps_every_promise(check_linear: Callable[..., list[str]]) -> None:
    assert check_linear() == []


@pytest.mark.parametrize(
    ("exchanged", "message"),
    [
        ({"train": skip_last}, "made 1 checkpoints, but run.n_checkpoints is 2"),
        ({"predict": predict_scores}, r"lie in \[0, 1\]"),
        ({"predict": predict_double}, "must be float32, but are float64"),
        ({"predict": guess}, "learns too little: it has accuracy 0.33"),
        (
            {"describe_structure": lambda self, model: {"n_parameters": 0.0}},
            r"lacks=\['n_operations'\], wrong=\{'n_parameters': 0.0\}",
        ),
        ({"load_weights": load_another}, "load_weights reads answers otherwise, by up to"),
        ({"save_weights": refuse}, "no operator for this"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_broken_promise_is_named(
    exchanged: dict[str, Any], message: str, check_linear: Callable[..., list[str]]
) -> None:
    with pytest.raises((AssertionError, NotImplementedError, ValueError), match=message):
        check_linear(**exchanged)


def test_what_works_at_a_price_is_noted(check_linear: Callable[..., list[str]]) -> None:
    notes = check_linear(export_onnx=refuse, train=train_by_chance)

    assert notes[0].startswith("the same seed makes another model: answers differ by up to")
    assert notes[1] == "it is served natively only: NotImplementedError: no operator for this"


def test_family_that_lacks_a_method_cannot_be_made() -> None:
    class Incomplete(LinearFamily):
        train = Family.train  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"abstract method '?train"):
        Incomplete()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_the_library_keep_their_promises(name: str, task: Task) -> None:
    assert check_family(name, FAMILIES[name], task=task) == []
