"""A crafted file of boosted trees is refused before its library follows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightfit.families.family import TrainingData
from rightfit.families.libraries.tree_files import check_tree_file
from rightfit.families.registry import LIBRARIES, get_family
from rightfit.families.schema import InputSchema


@pytest.fixture
def write(blobs: TrainingData, tmp_path: Path) -> Callable[[str], Path]:
    """Train a small model of a library and write its weights."""

    def train(name: str) -> Path:
        family: Any = get_family(name)
        settings = {family.length_setting: 3}
        if name == "lightgbm":
            settings["min_child_samples"] = 5
        *_, last = family.train(settings, blobs, n_checkpoints=1, seed=0, n_threads=1, device="cpu")
        family.save_weights(last.model, tmp_path / family.weights_file)
        return tmp_path / family.weights_file

    return train


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_a_library_trains_is_accepted(
    name: str, blobs: TrainingData, write: Callable[[str], Path]
) -> None:
    path = write(name)

    check_tree_file(path, schema=blobs.schema)

    wider = InputSchema((*blobs.schema.features, "more"), blobs.schema.classes, None)
    with pytest.raises(ValueError, match="other columns"):
        check_tree_file(path, schema=wider)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"split_feature=\d+", "split_feature=999", "one of 4 columns"),
        (r"left_child=\S+", "left_child=0", "follow its parent|end in one of"),
        (r"left_child=\S+", "left_child=-99", "end in one of"),
        (r"right_child=\S+", "right_child=99", "follow its parent"),
        (r"leaf_value=\S+", "leaf_value=", "another number of values"),
        (r"num_leaves=\d+", "num_leaves=999999999", "another number of values"),
        (r"num_cat=0", "num_cat=1", "categories"),
    ],
)
def test_crafted_lightgbm_is_refused(
    pattern: str,
    replacement: str,
    message: str,
    blobs: TrainingData,
    write: Callable[[str], Path],
) -> None:
    path = write("lightgbm")
    path.write_text(re.sub(pattern, replacement, path.read_text(), count=1))

    with pytest.raises(ValueError, match=message):
        check_tree_file(path, schema=blobs.schema)


def damage_xgboost(document: Any, name: str, value: Any) -> None:
    document["learner"]["gradient_booster"]["model"]["trees"][0][name][0] = value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("split_indices", 999, "one of 4 columns"),
        ("left_children", 0, "follow its parent"),
        ("right_children", 10**6, "follow its parent"),
        ("left_children", -1, "two children"),
        ("split_type", 1, "categories"),
    ],
)
def test_crafted_xgboost_is_refused(
    name: str,
    value: int,
    message: str,
    blobs: TrainingData,
    write: Callable[[str], Path],
) -> None:
    path = write("xgboost")
    document = json.loads(path.read_text())
    damage_xgboost(document, name, value)
    path.write_text(json.dumps(document))

    with pytest.raises(ValueError, match=message):
        check_tree_file(path, schema=blobs.schema)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("float_feature_index", 999, "one of 4 columns"),
        ("split_index", 10**6, "borders"),
        ("split_type", "OnlineCtr", "split by a number"),
    ],
)
def test_crafted_catboost_is_refused(
    name: str, value: Any, message: str, blobs: TrainingData, write: Callable[[str], Path]
) -> None:
    path = write("catboost")
    document = json.loads(path.read_text())
    document["oblivious_trees"][0]["splits"][0][name] = value
    path.write_text(json.dumps(document))

    with pytest.raises(ValueError, match=message):
        check_tree_file(path, schema=blobs.schema)


def test_file_of_nothing_is_refused(blobs: TrainingData, tmp_path: Path) -> None:
    for name in ("weights.lightgbm.txt", "weights.xgboost.json", "weights.catboost.json"):
        path = tmp_path / name
        path.write_bytes(np.arange(9, dtype=np.uint8).tobytes())

        with pytest.raises(ValueError, match="is refused"):
            check_tree_file(path, schema=blobs.schema)
