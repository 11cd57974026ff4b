"""A runtime of one's own: a softmax of two matrices, computed by numpy from the ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rightfit.models.bundle import Bundle


class NumpySoftmax:
    def list_files(self, bundle: Bundle) -> tuple[str, ...]:
        return ("model.onnx",)

    def list_imports(self, bundle: Bundle) -> tuple[str, ...]:
        return ("onnx",)

    def open(self, bundle: Bundle, *, n_threads: int, device: str) -> Callable[[Any], Any]:
        import onnx

        model = onnx.load(bundle.locate("model.onnx"))
        (weights,) = map(onnx.numpy_helper.to_array, model.graph.initializer)

        def predict(rows: Any) -> Any:
            powers = np.exp(rows @ weights)
            return powers / powers.sum(axis=1, keepdims=True)

        return predict


NO_RUNTIME = "an object without methods"


class Derived(NumpySoftmax):
    """Opens a copy of the ONNX file that it derives itself."""

    def list_files(self, bundle: Bundle) -> tuple[str, ...]:
        return ("copy.onnx",)

    def derive(self, bundle: Bundle) -> dict[str, bytes]:
        return {"copy.onnx": bundle.locate("model.onnx").read_bytes()}
