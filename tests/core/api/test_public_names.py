"""The public names and their signatures: changing one is a decision, see CONTRIBUTING.md."""

from __future__ import annotations

import ast
import inspect
from importlib.resources import files
from typing import Any

import pytest
from harness.python_programs import run_python

import rightfit as rf

SIGNATURES = {
    "measure": "(model, rows=None, targets=None, *, name=None, runtime=None, n_threads=1, "
    "device='cpu', preset='quick', quality=None, trust=False, verbose=None, on_progress=None)",
    "compare": "(models, rows, targets=None, *, dataset='data', runtimes=None, n_threads=(1,), "
    "devices=('cpu',), preset='quick', quality=None, applications=None, trust=False, "
    "verbose=None, on_progress=None)",
    "candidates": "(found, rows=None, targets=None, *, build=None, most=5)",
    "rank": "(profiles, applications, *, rules=None, previous=None)",
    "tune_serving": "(model, rows, targets=None, *, applications, name='model', "
    "runtimes=('native', 'onnx', 'onnx_int8'), n_threads=(1, 'all'), keeps_rounds=False, "
    "preset='quick', quality=None, trust=False, verbose=None, on_progress=None)",
    "log_export": "(folder, *, name='model')",
    "open_project": "(folder='.', *, env=None, data_root=None)",
    "search": (
        "(table, target, *, teacher=None, applications=None, families=None, "
        "budget_cpu_s=60.0, budget_s=None, n_trials=None, "
        "task=None, quality=None, dataset=None, early_stopping='pausing', preset='quick', "
        "refit=True, train_rows='sample', n_jobs=None, random_state=0, folder=None, "
        "verbose=None, on_progress=None)"
    ),
    "RightfitClassifier": (
        "(application=None, *, families=None, budget_cpu_s=60.0, budget_s=None, "
        "n_trials=None, quality=None, "
        "early_stopping='pausing', refit=True, random_state=None, verbose=None)"
    ),
    "RightfitRegressor": (
        "(application=None, *, families=None, budget_cpu_s=60.0, budget_s=None, "
        "n_trials=None, quality=None, "
        "early_stopping='pausing', refit=True, random_state=None, verbose=None)"
    ),
}

HEAVY = ("kedro", "torch", "sklearn", "pandas", "polars", "numpy", "onnxruntime", "pydantic")


def find(name: str) -> Any:
    try:
        return getattr(rf, name)
    except rf.RightfitError as err:  # in an environment of make test-core or test-lowest
        pytest.skip(str(err))


@pytest.mark.parametrize("name", rf.__all__)
def test_public_name_is_there_and_documented(name: str) -> None:
    found = find(name)

    assert name == "__version__" or inspect.getdoc(found)


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.items())
def test_signature_is_the_one_that_users_call(name: str, signature: str) -> None:
    found = inspect.signature(find(name))
    bare = found.replace(
        parameters=[p.replace(annotation=p.empty) for p in found.parameters.values()],
        return_annotation=found.empty,
    )

    assert str(bare) == signature


def test_type_checkers_know_the_public_names() -> None:
    stub = ast.parse((files("rightfit") / "__init__.pyi").read_text("utf-8"))
    imported = [
        name.asname for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names
    ]

    assert sorted([*imported, "__version__"]) == rf.__all__ == dir(rf)


def test_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mesure'"):
        _ = rf.mesure


def test_import_loads_no_large_library() -> None:
    code = f"import sys, rightfit; print([m for m in {HEAVY} if m in sys.modules])"

    done = run_python("-c", code, check=True)

    assert done.stdout.strip() == "[]"
