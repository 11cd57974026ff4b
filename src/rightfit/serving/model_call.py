"""How an exported model is called: its file, its input, its classes and its threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rightfit.families.bundle import ONNX_FILE, Bundle
from rightfit.families.runtimes import NATIVE, runtime_files
from rightfit.preparation.data_card import DataCard
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.request_path.encoder import Encoder
from rightfit.request_path.raw_inputs import EncoderJson, list_inputs, pass_columns
from rightfit.request_path.usage import TensorInput

BUNDLE = "bundle"  # folder of the weights in an export
GRAPH_FILE = "model.onnx"  # encoder and model


@dataclass(frozen=True)
class Model:
    """A candidate with what is needed to feed it."""

    bundle: Bundle
    encoder: EncoderJson
    data_card: DataCard


def feed_model(bundle: Bundle, encoder: Encoder, data_card: DataCard) -> Model:
    """Join a bundle with its dataset's encoder; an imported model may encode for itself."""
    feeding = encoder.to_json()
    if bundle.configuration.get("input") == "raw":
        feeding = pass_columns(bundle.schema.features)
    return Model(bundle, feeding, data_card)


@dataclass(frozen=True)
class ModelCall:
    """How an exported model is called: the content of ``model.json``."""

    candidate: str
    family: str
    onnx_file: str
    measured_runtime: str
    n_threads: int
    device: str
    inputs: tuple[TensorInput, ...]
    image_shape: tuple[int, int, int] | None
    classes: list[str]
    threshold: float | None  # probability from which on the second class is the answer
    data_version: str

    @property
    def libraries(self) -> list[str]:
        """Names of the libraries that the exported model needs."""
        decodes = any(one.image_shape is not None for one in self.inputs)
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


def describe_call(winner: RankedCandidate, model: Model) -> ModelCall:
    """Describe how the model is called."""
    bundle = model.bundle
    return ModelCall(
        candidate=winner.candidate,
        family=bundle.model,
        onnx_file=GRAPH_FILE,
        measured_runtime=winner.serving.runtime,
        n_threads=winner.serving.n_threads,
        device=winner.serving.device,
        inputs=list_inputs(model.encoder),
        image_shape=bundle.schema.image_shape,
        classes=list(bundle.schema.classes),
        threshold=model.data_card.quality.threshold,
        data_version=bundle.data_version,
    )
