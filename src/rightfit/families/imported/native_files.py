"""Read files of XGBoost, LightGBM and CatBoost, and store them as their families do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightfit.families.imported.kinds import FAMILIES
from rightfit.families.libraries.boosters import Booster
from rightfit.families.onnx_session import first_line
from rightfit.families.registry import get_family

_NO_NAME = re.compile(r"(f|Column_|feature_)?\d+")  # what the libraries call columns without names


@dataclass(frozen=True)
class NativeModel:
    """A model of one of the libraries, opened.

    Args:
        trees: The library's own model.
        features: Names of its columns, in order; empty where the file has none.
        classes: Names of its classes, in order; empty where the file has none.
    """

    trees: Any
    features: tuple[str, ...]
    classes: tuple[str, ...]


def store_native(path: Path, folder: Path, weights_file: str, *, model: NativeModel | None) -> None:
    """Store a model under the name that its family gives the file.

    Args:
        path: The file.
        folder: Where to.
        weights_file: Name there.
        model: The opened model of a library of boosted trees, which is written in the text format
            of its family; ``None``: the file is copied as it is.
    """
    if model is None:
        shutil.copyfile(path, folder / weights_file)
    else:
        get_family(FAMILIES[weights_file]).save_weights(Booster(model.trees), folder / weights_file)


def open_native(path: Path, weights_file: str) -> NativeModel | None:
    """Open a file of a library of boosted trees.

    Returns:
        The model; ``None`` for kinds that are not opened here.

    Raises:
        ValueError: If the library is not installed, or cannot read the file.
    """
    openers = {
        "weights.xgboost.json": _open_xgboost,
        "weights.lightgbm.txt": _open_lightgbm,
        "weights.catboost.json": _open_catboost,
    }
    if weights_file not in openers:
        return None
    family: Any = get_family(FAMILIES[weights_file])
    library = family.import_library()
    try:
        return openers[weights_file](library, path)
    except Exception as err:  # each library raises kinds of its own
        raise ValueError(f"{family.library} cannot read {path}: {first_line(err)}") from err


def _open_xgboost(xgboost: Any, path: Path) -> NativeModel:
    trees = xgboost.Booster()
    trees.load_model(path)
    names = drop_numbers(trees.feature_names or ())
    best = trees.attr("best_iteration")
    if best is not None:  # the classifier stops there, a Booster alone does not
        trees = trees[: int(best) + 1]
    trees.feature_names = None  # the converter to ONNX takes numbered columns alone
    return NativeModel(trees, names, ())


def _open_lightgbm(lightgbm: Any, path: Path) -> NativeModel:
    trees = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
    return NativeModel(trees, drop_numbers(trees.feature_name()), ())


def _open_catboost(catboost: Any, path: Path) -> NativeModel:
    trees = catboost.CatBoostClassifier()
    trees.load_model(str(path), format="cbm")
    if trees.get_cat_feature_indices():
        raise ValueError("it reads categories; models of a grid read numbers")
    names = drop_numbers(trees.feature_names_)
    return NativeModel(trees, names, tuple(map(str, trees.classes_)))


def drop_numbers(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that somebody gave; none where the library has numbered the columns."""
    return () if all(_NO_NAME.fullmatch(name) for name in names) else tuple(names)
