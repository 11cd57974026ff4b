"""The family of models that exist as an ONNX file alone: it serves, it cannot train."""

from __future__ import annotations

from rightfit.models.family import ServedFamily


class OnnxOnly(ServedFamily):
    """Serves the ONNX file."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    weights_file: str = "model.onnx"
    native_imports: tuple[str, ...] = ("onnxruntime",)


FAMILY = OnnxOnly()
