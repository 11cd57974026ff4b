"""Saving, loading and exporting scikit-learn models, without pickle."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

from rightfit.families.schema import InputSchema


def save_skops(model: Any, path: Path) -> None:
    """Write a fitted estimator with skops, deflated."""
    import skops.io

    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)


def load_skops(path: Path, *, trusted: tuple[str, ...], estimator: str | None) -> Any:
    """Read an estimator, building only scikit-learn's and the trusted types.

    What the file unpacks to, and where its trees point, ``read_bundle`` has checked before.

    Args:
        path: The file.
        trusted: Types allowed beside scikit-learn's own.
        estimator: Name of the class that the file must hold; ``None``: any.

    Raises:
        ValueError: If the file names any other type, is damaged, or holds another estimator.
    """
    import skops.io

    if path.suffix != ".skops":
        raise ValueError(f"{path} must be named .skops, or its content is not checked before.")
    try:
        with warnings.catch_warnings():
            # skops builds an estimator before it sets its state
            warnings.simplefilter("ignore", UserWarning)
            model = skops.io.load(path, trusted=list(trusted))
    except Exception as err:  # skops raises what a crafted file provokes
        raise ValueError(f"{path} can't be loaded: {type(err).__name__}: {err}") from err
    if estimator is not None and type(model).__name__ != estimator:
        raise ValueError(f"{path} must hold a {estimator}, but holds a {type(model).__name__}.")
    return model


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
