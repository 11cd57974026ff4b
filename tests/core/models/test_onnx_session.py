from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from factories.onnx_files import write_softmax

from rightfit.models.onnx_session import open_session


def test_file_and_content_are_opened_alike(tmp_path: Path) -> None:
    file = write_softmax(tmp_path / "model.onnx", np.eye(2))

    opened = [open_session(file), open_session(file.read_bytes(), is_optimised=False)]

    (name,) = {one.get_inputs()[0].name for one in opened}
    rows = np.array([[1, 2]], dtype=np.float32)
    found = [one.run(None, {name: rows})[0] for one in opened]
    np.testing.assert_array_equal(found[0], found[1])
    assert {tuple(one.get_providers()) for one in opened} == {("CPUExecutionProvider",)}


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="onnxruntime cannot open the model: "):
        open_session(b"garbage")


def test_a_device_that_onnxruntime_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_softmax(tmp_path / "model.onnx", np.eye(2))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(ValueError, match="has no CUDAExecutionProvider; install onnxruntime-gpu"):
        open_session(file, device="cuda")


def test_sessions_are_opened_in_one_place(project_path: Path) -> None:
    sources = (project_path / "src").rglob("*.py")

    opening = [one.name for one in sources if "InferenceSession(" in one.read_text()]

    assert opening == ["onnx_session.py"]
