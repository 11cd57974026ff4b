"""Open ONNX models: the one place that sets the threads, device and messages of ONNX Runtime.

A copy of this file lies in every export, so it needs onnxruntime and nothing of rightfit.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# Newer releases of onnxruntime report to their makers unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Metadata of a compiled graph: what whoever runs it puts in the place of missing values, as JSON,
# {input: {"fill": [a value per column], "indicated": [positions]}}; see Filling.
FILLING = "rightfit.filling"
FEW_VALUES = 8_192
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
        label = "the model" if isinstance(model, bytes) else model
        raise ValueError(f"onnxruntime cannot open {label}: {first_line(err)}") from err
    if provider not in session.get_providers():  # it falls back to the CPU by itself
        raise ValueError(no_device)
    return session


def get_run(session: Any) -> Any:
    """Return ``run(outputs, feed, None)`` of a session.

    The public one checks each time that all inputs are there, which takes a fifth of a small
    model's time; whoever feeds a session by a plan has checked that once.
    """
    inner: Any = getattr(session, "_sess", None)
    on_cpu = session.get_providers() == [PROVIDERS["cpu"]]
    return inner.run if on_cpu and hasattr(inner, "run") else session.run


def bind_row(
    session: Any,
    arrays: Mapping[str, npt.NDArray[Any]],
    output: str,
    answers: npt.NDArray[Any],
) -> Callable[[], None]:
    """Return a function that has a session read arrays and write its answers, always the same ones.

    Args:
        session: On the CPU.
        arrays: Its inputs.
        output: The output that is asked for.
        answers: Where it is written.
    """
    binding = session.io_binding()
    for name, array in arrays.items():
        binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
    place = answers.shape, answers.ctypes.data
    binding.bind_output(output, "cpu", 0, answers.dtype.type, *place)
    return functools.partial(session.run_with_iobinding, binding)


@dataclass(frozen=True)
class Filling:
    """How missing values in an input of a compiled graph are filled before it runs.

    Args:
        fill: Of each column, the number that takes the place of a missing one.
        indicated: Positions of columns behind which columns of 0 and 1 tell what is missing.
    """

    fill: npt.NDArray[Any]
    indicated: npt.NDArray[np.int64]

    def apply(self, table: npt.NDArray[Any]) -> None:
        """Fill gaps in place.

        Args:
            table: Floats, shape (n_rows, n_columns + n_indicated): the columns, NaN where a value
                is missing, then zeros.
        """
        n_columns = len(self.fill)
        flat = table.ravel("K")  # as it lies in memory
        # A NaN makes both NaN; the first is faster for a row, the second for a batch.
        any_value = flat.dot(flat) if len(flat) <= FEW_VALUES else np.maximum.reduce(flat)
        if any_value != any_value:
            is_missing = np.isnan(table[:, :n_columns])
            if len(self.indicated):
                indicated = is_missing.take(self.indicated, axis=1)
                table[:, n_columns:] = np.maximum(table[:, n_columns:], indicated)
            np.copyto(table[:, :n_columns], self.fill, where=is_missing)

    def widen(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return columns, shape (n_rows, n_columns), as the graph reads them."""
        n_columns = len(self.fill)
        table = np.zeros((len(values), n_columns + len(self.indicated)), dtype=values.dtype)
        table[:, :n_columns] = values
        self.apply(table)
        return table


def read_filling(session: Any) -> dict[str, Filling]:
    """Return what is to be done about missing values, by input.

    Args:
        session: An open graph; one that is not compiled has nothing to fill.

    Raises:
        ValueError: If the graph's metadata is not what compiling writes.
    """
    content = session.get_modelmeta().custom_metadata_map.get(FILLING, "{}")
    try:
        return {
            name: Filling(
                np.array(entry["fill"], np.float64), np.array(entry["indicated"], np.int64)
            )
            for name, entry in json.loads(content).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise ValueError(f"the graph's {FILLING} is damaged: {err}") from err


def first_line(err: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__
