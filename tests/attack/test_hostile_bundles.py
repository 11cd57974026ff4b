"""Hostile bundles: each ends in one clear error, runs no code and touches nothing outside."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import numpy as np
import pytest
from factories.bundles import train_bundle
from factories.hostile_bundles import Case, Place, copy_bundle, describe_outcome
from factories.hostile_manifests import descriptions, links, manifests, names
from factories.hostile_weights import REFUSED, contents, onnx_files
from harness.forks import FORKS

from rightfit.models.bundle_exports import add_onnx
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData

pytestmark = [pytest.mark.whole, pytest.mark.long]

N_FEATURES = 4
PATIENCE_S = 600  # a bundle that takes longer counts as one that never ends
CONFIGURATIONS = {
    "linear": {
        "n_epochs": 2, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.01,
    },
    "forest": {"n_estimators": 2, "max_depth": 3, "min_samples_leaf": 1, "max_features": "sqrt"},
    "boosting": {
        "max_iter": 2, "learning_rate": 0.3, "max_leaf_nodes": 7, "min_samples_leaf": 2,
        "l2_regularization": 0.1, "max_features": 1.0,
    },
    "net": {
        "n_epochs": 2, "n_layers": 1, "n_units": 8, "n_channels": 2, "dropout": 0.0,
        "learning_rate": 0.01, "weight_decay": 0.0, "batch_size": 16,
    },
}  # fmt: skip
PARTS = (names, manifests, descriptions, links, contents, onnx_files)
CASES = [case for part in PARTS for case in part()]


def make_data() -> TrainingData:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    rows = np.eye(3, N_FEATURES, dtype=np.float32)[labels] * 2
    rows += rng.normal(0, 0.6, rows.shape).astype(np.float32)
    return TrainingData(rows, labels, InputSchema(("x0", "x1", "x2", "x3"), ("a", "b", "c"), None))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good bundle of each family, with its exports."""
    data, folders = make_data(), {}
    for name in CONFIGURATIONS:
        folders[name] = tmp_path_factory.mktemp("good") / name
        add_onnx(train_bundle(folders[name], data, name, CONFIGURATIONS[name]), data.rows)
    return folders


def open_in_child(place: Place) -> tuple[str, str]:
    """Open a bundle in a process of its own, which may crash or never end."""
    receiver, sender = FORKS.Pipe(duplex=False)
    child = FORKS.Process(target=describe_outcome, args=(str(place.folder), N_FEATURES, sender))
    child.start()
    sender.close()
    try:
        if not receiver.poll(PATIENCE_S):
            return "never ended", ""
        return receiver.recv()
    except EOFError:
        child.join()
        return f"crashed with {child.exitcode}", ""
    finally:
        child.kill()
        child.join()


def describe(folder: Path) -> list[tuple[str, int, bytes]]:
    return [
        (path.name, stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in sorted(folder.iterdir())
    ]


def make_place(tmp_path: Path, good: Path) -> Place:
    place = Place(tmp_path / "bundle", tmp_path / "outside")
    copy_bundle(good, place)
    return place


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_good_bundle_from_elsewhere_answers_as_onnx_and_its_weights_stay_closed(
    family: str, good: dict[str, Path], tmp_path: Path
) -> None:
    outcome, message = open_in_child(make_place(tmp_path, good[family]))

    assert outcome == "clear"
    assert REFUSED in message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_bundle_ends_in_one_clear_error(
    case: Case, good: dict[str, Path], tmp_path: Path
) -> None:
    place = make_place(tmp_path, good[case.family])
    untouched = describe(place.outside)
    case.change(place)

    outcome, message = open_in_child(place)

    assert outcome == "clear", f"{outcome}: {message}"
    assert re.search(case.match, message), message
    assert describe(place.outside) == untouched
    assert not list(tmp_path.rglob("executed"))


def test_table_is_long_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40
