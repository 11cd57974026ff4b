"""Saving, loading and exporting scikit-learn models, without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from rightfit.families.schema import InputSchema


def save_skops(model: Any, path: Path) -> None:
    """Write a fitted estimator with skops, deflated."""
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def load_skops(path: Path, *, trusted: tuple[str, ...]) -> Any:
    """Read an estimator, building only scikit-learn's and the trusted types.

    Raises:
        skops.io.exceptions.UntrustedTypesFoundException: If the file names any other type.
    """
    import skops.io

    return skops.io.load(path, trusted=list(trusted))


def export_sklearn_onnx(model: Any, schema: InputSchema) -> bytes:
    """Convert a fitted classifier with skl2onnx; see ``Family.export_onnx``."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    exported = to_onnx(
        model,
        initial_types=[("rows", FloatTensorType([None, schema.n_features]))],
        options={id(model): {"zipmap": False}},
    )
    return bytes(exported.SerializeToString())
