"""A runtime is named by its import path, and is measured and ranked as the library's own are."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from factories.onnx_files import write_softmax
from pydantic import ValidationError

import rightfit as rf
from rightfit.models import runtimes
from rightfit.models.bundle import ONNX_ONLY, Bundle, read_bundle, write_bundle_files
from rightfit.models.runtimes import (
    Predict,
    can_serve,
    derive_files,
    describe_code,
    find_runtime,
    suits_family,
)
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit_search.families.registry import get_family

OWN = "fakes.runtimes.NumpySoftmax"
DERIVED = "fakes.runtimes.Derived"
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0], [-2.0, 1.0]])


def test_own_runtime_is_measured_beside_the_librarys(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)
    rows = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    targets = (rows @ WEIGHTS).argmax(axis=1)

    profiles = rf.compare({"softmax": path}, rows, targets, runtimes=["onnx", OWN, DERIVED])

    assert {profile.serving.runtime for profile in profiles} == {"onnx", OWN, DERIVED}
    for profile in profiles:
        assert profile.quality_raw.value == 1
        assert profile.latency_p50_ms.value is not None
    assert profiles[0].model_size_mib == profiles[1].model_size_mib


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openvino", r"There is no runtime 'openvino'; the library has \['native', 'onnx'"),
        ("nowhere.Runtime", "There is no module 'nowhere' to hold a runtime"),
        ("fakes.runtimes.Other", "has no 'Other'. Correct evaluation.runtimes"),
        ("rightfit.Profiles", "rightfit.Profiles can't be made without arguments: .*missing"),
        ("fakes.runtimes.NO_RUNTIME", r"\['list_files', 'list_imports', 'open'\] are missing"),
    ],
)
def test_unknown_runtime_is_refused_where_it_is_named(
    name: str, message: str, project_path: Path
) -> None:
    with pytest.raises(rf.RightfitError, match=message):
        find_runtime(name)
    with pytest.raises(ValidationError, match=message):
        EvaluationParams.model_validate(read_default("evaluation") | {"runtimes": [name]})


def test_measurements_depend_on_the_runtimes_own_code(softmax: Bundle) -> None:
    code = describe_code(softmax, OWN)

    assert code["sources"] not in (None, describe_code(softmax, "onnx")["sources"])
    assert set(code["libraries"]) == {"onnx"}  # type: ignore[call-overload]


class Doubler:
    """A runtime that derives a file of its own, or one that it must not write."""

    def __init__(self, name: str) -> None:
        self.name = name

    def list_files(self, bundle: Bundle) -> tuple[str, ...]:
        return (self.name,)

    def list_imports(self, bundle: Bundle) -> tuple[str, ...]:
        return ()

    def open(self, bundle: Bundle, *, n_threads: int, device: str) -> Predict:
        raise NotImplementedError

    def derive(self, bundle: Bundle) -> dict[str, bytes]:
        return {self.name: bundle.locate("model.onnx").read_bytes() * 2}


DOUBLER = Doubler("model.doubled")
OVERWRITER = Doubler("model.onnx")


class Stumbler(Doubler):
    def derive(self, bundle: Bundle) -> dict[str, bytes]:
        raise KeyError(bundle.model)


STUMBLER = Stumbler("model.none")


@pytest.fixture
def softmax(tmp_path: Path) -> Bundle:
    (tmp_path / "bundle").mkdir()
    write_softmax(tmp_path / "bundle" / "model.onnx", WEIGHTS)
    return write_bundle_files(
        tmp_path / "bundle",
        model="m",
        family=ONNX_ONLY,
        weights_file="model.onnx",
        configuration={},
        schema=InputSchema(("a", "b", "c"), ("no", "yes"), None),
    )


def test_a_runtime_derives_files_that_the_bundle_then_lists(softmax: Bundle) -> None:
    own = f"{__name__}.DOUBLER"

    derived = derive_files(softmax, ["onnx", own])

    again = read_bundle(softmax.path, trust=True)  # compares all hashes
    assert derived.files.keys() == again.files.keys() == {"model.onnx", "model.doubled"}
    assert can_serve(again, own)
    assert not can_serve(read_bundle(softmax.path), own)  # a format that only trust opens


def test_what_a_runtime_cannot_derive_leaves_the_bundle_as_it_is(
    softmax: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert derive_files(softmax, [f"{__name__}.STUMBLER"]) is softmax
    assert "is not served by" in caplog.text


def test_a_runtime_must_not_overwrite_the_model(softmax: Bundle) -> None:
    with pytest.raises(rf.RightfitError, match=r"must not write 'model\.onnx'"):
        derive_files(softmax, [f"{__name__}.OVERWRITER"])


def test_8_bit_weights_suit_nets_alone() -> None:
    suited = {
        name for name in ("net", "linear", "forest") if suits_family("onnx_int8", get_family(name))
    }

    assert suited == {"net"}
    assert suits_family("onnx", get_family("forest"))


def test_versions_are_those_of_the_distributions_that_a_module_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = {
        "listed": {"RECORD": "my_boosting/__init__.py,sha256=0,0\nmy_boosting_more.py,,\n"},
        "declared": {"top_level.txt": "my_boosting\n", "RECORD": "declared.pth,,\n"},
        "other": {"RECORD": "docs/my_boosting/__init__.py,,\nmy_boostings.py,,\n"},
    }
    for name, files in installed.items():
        folder = tmp_path / f"{name}-1.5.dist-info"
        folder.mkdir()
        for file, content in {"METADATA": f"Name: {name}\nVersion: 1.5\n", **files}.items():
            (folder / file).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert runtimes._versions("my_boosting.core") == (("declared", "1.5"), ("listed", "1.5"))
    assert runtimes._versions("my_boosting_more") == (("listed", "1.5"),)
    for module, names in importlib.metadata.packages_distributions().items():
        if module in {"numpy", "onnxruntime", "sklearn", "yaml"}:
            assert [name for name, _ in runtimes._versions(module)] == sorted(set(names))
