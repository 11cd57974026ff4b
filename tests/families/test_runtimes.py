"""A runtime is named by its import path, and is measured and ranked as the library's own are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.onnx_files import write_softmax
from pydantic import ValidationError

import rightfit as rf
from rightfit.families.runtimes import describe_code, find_runtime
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams

OWN = "fakes.runtimes.NumpySoftmax"
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0], [-2.0, 1.0]])


def test_own_runtime_is_measured_beside_the_librarys(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)
    rows = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    targets = (rows @ WEIGHTS).argmax(axis=1)

    profiles = rf.compare({"softmax": path}, rows, targets, runtimes=["onnx", OWN])

    assert {profile.serving.runtime for profile in profiles} == {"onnx", OWN}
    for profile in profiles:
        assert profile.quality_raw.value == 1
        assert profile.latency_p50_ms.value is not None
    assert profiles[0].model_size_mib == profiles[1].model_size_mib


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openvino", r"There is no runtime 'openvino'; the library has \['native', 'onnx'"),
        ("nowhere.Runtime", "There is no runtime 'nowhere.Runtime': No module named 'nowhere'"),
        ("fakes.runtimes.Other", "has no attribute 'Other'"),
        ("rightfit.Profile", "rightfit.Profile can't be made without arguments: .*missing"),
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


def test_measurements_depend_on_the_runtimes_own_code(tmp_path: Path) -> None:
    from rightfit.families.bundle import write_bundle_files
    from rightfit.families.schema import InputSchema

    (tmp_path / "bundle").mkdir()
    write_softmax(tmp_path / "bundle" / "model.onnx", WEIGHTS)
    bundle = write_bundle_files(
        tmp_path / "bundle",
        model="m",
        family="rightfit.families.imported.onnx_only",
        weights_file="model.onnx",
        configuration={},
        schema=InputSchema(("a", "b", "c"), ("no", "yes"), None),
    )

    code = describe_code(bundle, OWN)

    assert code["sources"] not in (None, describe_code(bundle, "onnx")["sources"])
    assert set(code["libraries"]) == {"onnx"}  # type: ignore[call-overload]
