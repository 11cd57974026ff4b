"""An export as an MLflow model: raw columns as its signature, what was measured as its metrics."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.extras import find_versions, require
from rightfit.data.request_path import feeding, usage

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

ENCODER = "encoder.json"
TAGS = ("application", "dataset")
SERVING_TAGS = ("model", "candidate", "runtime", "n_threads", "device", "graph_sha256")


def log_export(folder: str | Path, *, name: str = "model") -> str:
    """Log an exported model to MLflow, in the run that is open, else in a new one.

    The logged model has two flavours. ``mlflow.pyfunc.load_model`` answers raw columns as the
    export's ``usage.py`` and its server do: of each row ``{"class", "probabilities"}`` or
    ``{"value"}``, gaps included. ``mlflow.onnx.load_model`` returns the graph alone. Every metric
    of the profile becomes a metric, the application and the serving configuration become tags.

    Args:
        folder: What ``rightfit export`` or a method ``export`` has written.
        name: Name of the model in MLflow.

    Returns:
        The model's address, ``models:/…``.

    Raises:
        RightfitError: If MLflow is not installed, or the folder is not as it was exported.
    """
    require("mlflow", "pandas", purpose="Logging a model to MLflow", extra="mlflow")
    import mlflow
    from mlflow.models import Model

    path = read_path("folder", folder)
    try:
        exported = usage.read_export(path, needed=[usage.PROFILE])
        profile = json.loads((path / usage.PROFILE).read_bytes())
    except (OSError, ValueError) as err:
        raise RightfitError(str(err)) from err
    measured = profile["profile"] or {}
    tags = {key: profile[key] for key in TAGS if key in profile}
    tags |= {key: measured[key] for key in SERVING_TAGS if measured.get(key) is not None}
    info = Model.log(
        artifact_path=None,
        name=name,
        flavor=sys.modules[__name__],
        flavor_name="onnx",
        tags=tags,
        folder=path.resolve(),
        exported=exported,
    )
    metrics = {
        key: float(figure["value"])
        for key, figure in measured.get("metrics", {}).items()
        if figure["value"] is not None
    }
    if metrics:
        mlflow.log_metrics(metrics, model_id=info.model_id, run_id=info.run_id)
    uri: str = info.model_uri
    return uri


def save_model(
    path: str, mlflow_model: Model, *, folder: Path, exported: usage.ExportedModel
) -> None:
    """Write an export as an MLflow model; MLflow calls this of whatever it logs.

    Args:
        path: Where to write it.
        mlflow_model: Gets the flavours.
        folder: The export, already checked.
        exported: How its model is called.
    """
    import mlflow
    import pandas as pd

    example = make_example(folder, exported)
    has_image = any(tensor.dtype == feeding.IMAGE for tensor in exported.inputs)
    versions = find_versions(["numpy", "onnx", "onnxruntime"])
    mlflow_model.add_flavor(
        "onnx",
        onnx_version=onnx.__version__,
        data=f"data/{folder.name}/{exported.onnx_file}",
        providers=["CPUExecutionProvider"],
    )
    mlflow.pyfunc.save_model(
        path=path,
        mlflow_model=mlflow_model,
        loader_module=Path(usage.__file__).stem,
        data_path=str(folder),
        code_paths=[str(file) for file in sorted(folder.glob("*.py"))],
        signature=describe_signature(exported, example),
        input_example=None if has_image else pd.DataFrame([example]),
        pip_requirements=[
            f"mlflow=={mlflow.__version__}",
            "pandas",
            *(f"{library}=={version}" for library, version in versions.items()),
        ],
    )


def describe_signature(exported: usage.ExportedModel, example: Mapping[str, Any]) -> ModelSignature:
    """Return the columns of a request and the parts of an answer, in MLflow's types.

    Args:
        exported: How the model is called.
        example: A row, see :func:`make_example`. Categories that look like numbers may be numbers.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType, Object, Property

    def type_column(tensor: feeding.TensorInput, column: str) -> Any:
        if tensor.dtype == feeding.IMAGE:
            return "binary"
        if column in tensor.booleans or column in tensor.decimals:
            return AnyType()  # a truth or a number, or a text that stands for it
        if tensor.dtype != feeding.TEXT:
            return "double"
        with contextlib.suppress(ValueError):
            float(example[column])
            return AnyType()
        return "string"

    inputs = [
        ColSpec(type_column(tensor, column), column)
        for tensor in exported.inputs
        for column in tensor.columns
    ]
    outputs = [ColSpec("double", "value")]
    if exported.classes:
        shares = Object([Property(name, "double") for name in exported.classes])
        outputs = [ColSpec("string", "class"), ColSpec(shares, "probabilities")]
    return ModelSignature(Schema(inputs), Schema(outputs))


def make_example(folder: Path, exported: usage.ExportedModel) -> dict[str, Any]:
    """Return a row of medians and first categories, without images."""
    file = folder / ENCODER
    steps = json.loads(file.read_bytes())["steps"] if file.is_file() else []
    usual = {step["column"]: step["fill"] for step in steps if "fill" in step}
    usual |= {step["column"]: step["categories"][0] for step in steps if step.get("categories")}
    return {
        column: usual.get(column, "" if tensor.dtype == feeding.TEXT else 0.0)
        for tensor in exported.inputs
        for column in tensor.columns
        if tensor.dtype != feeding.IMAGE
    }
