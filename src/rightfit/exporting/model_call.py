"""How an exported model is called: its file, its input, its classes and its threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rightfit.data.dataset_card import DatasetCard
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.encoder_graph import join_encoder, locate_graph
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs, pass_columns
from rightfit.data.request_path.usage import ExportedModel
from rightfit.measuring.serving import Serving
from rightfit.models.bundle import ONNX_FILE, Bundle
from rightfit.models.bundle_files import hash_regular_file
from rightfit.models.graph_passes.compiling import APPLIED, DROPPED, read_notes
from rightfit.models.onnx_session import FILLING
from rightfit.models.runtimes import NATIVE, ONNX, runtime_files
from rightfit.ranking.explanation.decisions import RankedCandidate

BUNDLE = "bundle"  # folder of the weights in an export
GRAPH_FILE = "model.onnx"  # encoder and model


@dataclass(frozen=True)
class Model:
    """A candidate with what is needed to feed it.

    Args:
        bundle: The model.
        encoder: Content of ``encoder.json``.
        data_card: Its dataset.
        measurements: Folder that keeps the graphs that were measured; ``None``: there is none.
    """

    bundle: Bundle
    encoder: EncoderJson
    data_card: DatasetCard
    measurements: Path | None = None


def feed_model(
    bundle: Bundle, encoder: Encoder, data_card: DatasetCard, *, measurements: Path
) -> Model:
    """Join a bundle with its dataset's encoder; an imported model may encode for itself."""
    feeding = encoder.to_json()
    if bundle.configuration.get("input") == "raw":
        feeding = pass_columns(bundle.schema.features)
    return Model(bundle, feeding, data_card, measurements)


@dataclass(frozen=True, kw_only=True)
class ModelCall(ExportedModel):
    """The content of ``model.json``: how an exported model is called, and what it is."""

    candidate: str
    family: str
    measured_runtime: str
    image_shape: tuple[int, int, int] | None
    data_version: str
    filling: dict[str, Any]  # what takes the place of missing values, see onnx_session.FILLING
    passes: list[str]  # that have compiled the graph
    dropped_passes: list[str]  # that would have changed this model's predictions

    @property
    def libraries(self) -> list[str]:
        """Names of the libraries that the exported model needs."""
        decodes = any(tensor.image_shape is not None for tensor in self.inputs)
        return ["numpy", "onnxruntime", *(["pillow"] if decodes else [])]


def locate_onnx(winner: RankedCandidate, bundle: Bundle) -> Path:
    """Return the ONNX file that answers for a winner; for a native one, its export.

    Raises:
        ValueError: If the bundle holds none.
    """
    file = ONNX_FILE
    if winner.serving.runtime != NATIVE:
        file = runtime_files(bundle, winner.serving.runtime)[0].name
    if file not in bundle.files and bundle.onnx_refused is not None:
        raise ValueError(
            f"{winner.candidate} is served natively only, so it has no {file}; its export was "
            f"refused: {bundle.onnx_refused}. Open its bundle with rightfit: {bundle.path}"
        )
    if file not in bundle.files:
        raise ValueError(f"{bundle.path} holds no {file}. Run: kedro run --pipelines perf")
    return bundle.path / file


def take_graph(winner: RankedCandidate, model: Model, sha256: str | None) -> bytes:
    """Return encoder and model as one graph: the kept one, compiled again where that is gone.

    Args:
        winner: The candidate in its serving configuration.
        model: Its bundle and encoder.
        sha256: Hash of the graph that was measured; ``None``: any will do.

    Raises:
        ValueError: If the candidate has no ONNX file, or the measured graph is gone for good.
    """
    file, runtime = locate_onnx(winner, model.bundle), winner.serving.runtime
    if model.measurements is not None:
        runtime = ONNX if runtime == NATIVE else runtime
        kept = locate_graph(model.measurements, model.bundle, runtime, model.encoder)
        if kept.is_file() and sha256 in (None, hash_regular_file(kept)):
            return kept.read_bytes()
    graph = join_encoder(file, model.encoder)
    if sha256 not in (None, hashlib.sha256(graph).hexdigest()):
        raise ValueError(
            f"The graph of {winner.candidate} that was measured is no longer stored, and compiled "
            "again it is another one. Measure again: kedro run --pipelines perf"
        )
    return graph


def describe_call(winner: RankedCandidate, model: Model, graph: bytes) -> ModelCall:
    """Describe how the model is called.

    Args:
        winner: The candidate in its serving configuration.
        model: Its bundle, encoder and data card.
        graph: Encoder and model as one ONNX model.
    """
    import onnx

    bundle, opened, quality = model.bundle, onnx.load_from_string(graph), model.data_card.quality
    is_narrow = {
        tensor.name: tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        for tensor in opened.graph.input
    }
    return ModelCall(
        candidate=winner.candidate,
        family=bundle.model,
        **describe_graph(opened, winner.serving),
        inputs=tuple(
            replace(tensor, dtype="float32") if is_narrow[tensor.name] else tensor
            for tensor in list_inputs(model.encoder)
        ),
        image_shape=bundle.schema.image_shape,
        classes=bundle.schema.classes,
        threshold=quality.cutoff,
        costs=None if quality.cutoff is not None else quality.costs,
        data_version=bundle.data_version,
    )


def describe_graph(graph: Any, serving: Serving) -> dict[str, Any]:
    """Return what a model's call owes to its graph, an ONNX model, and to how it was measured."""
    noted = read_notes(graph)
    return {
        "onnx_file": GRAPH_FILE,
        "measured_runtime": serving.runtime,
        "n_threads": serving.n_threads,
        "device": serving.device,
        "filling": noted.get(FILLING, {}),
        "passes": noted.get(APPLIED, []),
        "dropped_passes": noted.get(DROPPED, []),
    }
