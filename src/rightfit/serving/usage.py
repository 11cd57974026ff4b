"""Answer with this model: ``python usage.py < rows.json``, or ``from usage import open_model``.

Needs numpy and onnxruntime, nothing else. ``rows.json`` is a list with one object per row; its
keys are the columns that ``encoder.json`` reads, ``null`` stands for a missing value, and an image
is a list of its bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Row = Mapping[str, Any]
Step = Mapping[str, Any]

FOLDER = Path(__file__).parent
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PER_PIXEL = np.float32(1) / np.float32(255)
ENCODER_VERSION = 1


def encode(rows: Sequence[Row], encoder: Mapping[str, Any]) -> Floats:
    """Turn raw rows into what the model reads.

    Args:
        rows: One mapping per row.
        encoder: Content of ``encoder.json``.

    Returns:
        Float32 matrix, shape (n_rows, n_features).

    Raises:
        ValueError: If the encoder is of another version, or a row lacks a column.

    >>> steps = [{"kind": "one_hot", "column": "origin", "categories": ["JFK", "LGA"]}]
    >>> encode([{"origin": "LGA"}, {"origin": None}], {"version": 1, "steps": steps}).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if encoder["version"] != ENCODER_VERSION:
        raise ValueError(f"encoder.json must be of version {ENCODER_VERSION}: {encoder['version']}")
    columns = [step["column"] for step in encoder["steps"]]
    lacking = sorted({name for name in columns for row in rows if name not in row})
    if lacking:
        raise ValueError(f"Rows lack the columns {lacking}; a missing value is written null.")
    parts = [
        KINDS[step["kind"]](step, [row[step["column"]] for row in rows])
        for step in encoder["steps"]
    ]
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def open_model(folder: Path = FOLDER) -> Callable[[Floats], Floats]:
    """Open the ONNX model with the threads it was measured with.

    Returns:
        A function from encoded rows, shape (n_rows, n_features), to class probabilities, shape
        (n_rows, n_classes), in the order of ``classes`` in ``model.json``.
    """
    import onnxruntime

    model = read_json(folder / "model.json")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = model["n_threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / model["onnx_file"]), options, providers=[PROVIDERS[model["device"]]]
    )

    def predict(rows: Floats) -> Floats:
        probabilities: Floats = session.run(["probabilities"], {"rows": rows})[0]
        return probabilities

    return predict


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _standardise(step: Step, values: Sequence[Any]) -> Floats:
    known = np.array([step["fill"] if v is None else v for v in values], dtype=np.float64)
    # times the reciprocal, as in training: a quotient differs in the last bit
    scaled: Floats = ((known - step["mean"]) * (1 / step["scale"])).astype(np.float32)[:, None]
    return scaled


def _indicate(step: Step, values: Sequence[Any]) -> Floats:  # noqa: ARG001 - one shape for all
    return np.array([[v is None] for v in values], dtype=np.float32)


def _one_hot(step: Step, values: Sequence[Any]) -> Floats:
    categories = step["categories"]
    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    known = [
        [v is not None and text == category for category in categories]
        for v, text in zip(values, texts, strict=True)
    ]
    return np.array([[*row, not any(row)] for row in known], dtype=np.float32)


def _pixels(step: Step, values: Sequence[Any]) -> Floats:  # noqa: ARG001 - one shape for all
    images = [np.frombuffer(v, np.uint8) if isinstance(v, bytes) else v for v in values]
    return np.array(images, dtype=np.uint8).astype(np.float32) * PER_PIXEL


KINDS: Mapping[str, Callable[[Step, Sequence[Any]], Floats]] = {
    "standardise": _standardise,
    "indicate": _indicate,
    "one_hot": _one_hot,
    "pixels": _pixels,
}


def main() -> None:
    """Read rows from standard input, write their classes and probabilities."""
    classes = read_json(FOLDER / "model.json")["classes"]
    rows = encode(json.load(sys.stdin), read_json(FOLDER / "encoder.json"))
    answers = [
        {
            "class": classes[int(row.argmax())],
            "probabilities": dict(zip(classes, row.tolist(), strict=True)),
        }
        for row in open_model()(rows)
    ]
    json.dump(answers, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
