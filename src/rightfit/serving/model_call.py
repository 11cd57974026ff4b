"""How an exported model is called: its file, its input, its classes and its threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rightfit.families.bundle import ONNX_FILE, Bundle
from rightfit.families.runtimes import runtime_files
from rightfit.preparation.describing import DataCard
from rightfit.ranking.explanation.decisions import RankedCandidate

BUNDLE = "bundle"  # folder of the weights in an export


@dataclass(frozen=True)
class Model:
    """A candidate with what is needed to feed it.

    Args:
        bundle: Its checked bundle.
        encoder: How raw rows become its input.
        data_card: What it was trained on.
    """

    bundle: Bundle
    encoder: Mapping[str, Any]
    data_card: DataCard


@dataclass(frozen=True)
class ModelInput:
    """The input of the ONNX model: its element type and its columns in order."""

    dtype: str
    columns: list[str]


@dataclass(frozen=True)
class ModelCall:
    """How an exported model is called: the content of ``model.json``."""

    candidate: str
    family: str
    onnx_file: str
    measured_runtime: str
    n_threads: int
    device: str
    input: ModelInput
    image_shape: tuple[int, int, int] | None
    raw_columns: list[str]
    classes: list[str]
    data_version: str


def describe_call(winner: RankedCandidate, model: Model) -> ModelCall:
    """Describe how the model is called.

    Raises:
        ValueError: If the bundle holds no ONNX file for it.
    """
    bundle = model.bundle
    file = ONNX_FILE
    if winner.runtime != "native":
        file = runtime_files(bundle, winner.runtime)[0].name
    if file not in bundle.files:
        raise ValueError(f"{bundle.path} holds no {file}. Run: kedro run --pipelines perf")
    return ModelCall(
        candidate=winner.candidate,
        family=bundle.model,
        onnx_file=f"{BUNDLE}/{file}",
        measured_runtime=winner.runtime,
        n_threads=winner.n_threads,
        device=winner.device,
        input=ModelInput("float32", list(bundle.schema.features)),
        image_shape=bundle.schema.image_shape,
        raw_columns=list(dict.fromkeys(step["column"] for step in model.encoder["steps"])),
        classes=list(bundle.schema.classes),
        data_version=bundle.data_version,
    )
