"""Open ONNX models: the one place that sets the threads, device and messages of ONNX Runtime.

A copy of this file lies in every export, so it needs onnxruntime and nothing of rightfit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Newer releases of onnxruntime report to their makers unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Metadata of a compiled graph: what whoever runs it puts in the place of missing values, as JSON,
# {input: {"fill": [a value per column], "told": [positions]}}. Behind an input's own columns stand
# columns of 0 and 1 that tell whether the values at those positions are missing.
FILLING = "rightfit.filling"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_session(
    model: Path | bytes, *, n_threads: int = 1, device: str = "cpu", is_optimised: bool = True
) -> Any:
    """Open an ONNX file, or a model in memory.

    Args:
        model: The file or the model's content.
        n_threads: Threads of one call.
        device: ``cpu`` or ``cuda``.
        is_optimised: Whether ONNX Runtime rewrites the graph. It computes constant parts to do so;
            without, nothing of the model runs.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        ValueError: If onnxruntime cannot open it, or cannot use the device.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    if not is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    provider = PROVIDERS[device]
    no_device = f"This onnxruntime has no {provider}; install onnxruntime-gpu."
    if provider not in onnxruntime.get_available_providers():
        raise ValueError(no_device)
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=[provider])
    except Exception as err:  # onnxruntime raises a dozen kinds of its own
        named = "the model" if isinstance(model, bytes) else model
        raise ValueError(f"onnxruntime cannot open {named}: {first_line(err)}") from err
    if provider not in session.get_providers():  # it falls back to the CPU by itself
        raise ValueError(no_device)
    return session


def first_line(err: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__
