"""The family of models that exist as an ONNX file alone: it serves, it cannot train."""

from __future__ import annotations

from collections.abc import Mapping

from rightfit.families.family import Scaling


class OnnxOnly:
    """What serving needs of a family; see :class:`rightfit.families.family.Family`."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    weights_file: str = "model.onnx"
    native_imports: tuple[str, ...] = ("onnxruntime",)
    has_int8: bool = False
    scaling: Mapping[str, Scaling] = {}


FAMILY = OnnxOnly()
