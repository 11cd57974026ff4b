"""The ONNX exports of a bundle: compared with the native model, or refused with a reason."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit.models.bundle import ONNX_FILE, Bundle, write_manifest
from rightfit.models.bundle_files import (
    hash_regular_file,
    read_manifest,
    write_replacing,
)
from rightfit.models.calibration import scale_probabilities
from rightfit.models.graph_passes import MODEL_PASSES
from rightfit.models.graph_passes.compiling import CLASSES, compile_graph, note
from rightfit.models.graph_passes.temperature import scale_output
from rightfit.models.onnx_session import open_session
from rightfit.models.predictions import (
    MAX_MEAN_DIFFERENCE,
    MIN_AGREEMENT,
    compare_predictions,
    is_rounding,
    is_same,
)
from rightfit.models.runtimes import RUNTIMES, derive_files
from rightfit.models.served_family import Rows

logger = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
N_AWKWARD_ROWS = 2_000
N_EXTREME_ROWS = 500
EXTREMES = (0.0, 1.0, -1.0, 10.0, -1e3)  # times the furthest value of a column
MAX_REASON = 300  # characters of a refused export's reason


def add_onnx(bundle: Bundle, rows: Rows, *, may_uncalibrate: bool = False) -> Bundle:
    """Export a bundle's model to ONNX after comparing the answers of both.

    Args:
        bundle: Bundle to extend in place.
        rows: Held-out rows for the comparison, shape (n_rows, n_features); 2,000 or more make it
            strict.
        may_uncalibrate: As of :func:`keep_onnx`.

    Returns:
        The bundle with its ONNX file and the comparison's figures.

    Raises:
        ValueError: If the answers differ by more than rounding does.
    """
    family = bundle.load_family()
    model = bundle.load_native()
    exported = family.export_onnx(model, bundle.schema)
    native = family.predict(model, rows)
    return keep_onnx(bundle, exported, native, {"rows": rows}, may_uncalibrate=may_uncalibrate)


def keep_onnx(
    bundle: Bundle,
    exported: bytes,
    native: Rows,
    feed: Mapping[str, Any],
    *,
    tensors: Sequence[Mapping[str, Any]] = (),
    may_uncalibrate: bool = False,
) -> Bundle:
    """Keep an export in its bundle if it answers as the native model does.

    Args:
        bundle: Bundle to extend in place.
        exported: The export.
        native: Answers of the native model.
        feed: The same rows as the export's inputs, by name.
        tensors: How the export's named inputs are filled; empty: it reads ``rows``.
        may_uncalibrate: Whether the model may lose a temperature at which its export would answer
            otherwise; not once it has answered anybody at it.

    Raises:
        ValueError: If the answers differ by more than rounding does.
    """
    output = bundle.schema.output_name

    def predict(content: bytes, rows: Mapping[str, Any]) -> Rows:
        predictions: Rows = open_session(content).run([output], dict(rows))[0]
        return predictions

    parity = compare_predictions(native, predict(exported, feed))
    if not is_same(parity):
        raise ValueError(
            f"The ONNX export of {bundle.path.name} ({bundle.model}) does not answer as the "
            f"native model does: {parity}; allowed are agreement >= {MIN_AGREEMENT} "
            f"and mean_difference <= {MAX_MEAN_DIFFERENCE}. It is refused."
        )
    awkward = feed if tensors else {name: draw_awkward_rows(rows) for name, rows in feed.items()}

    def predicts_alike(content: bytes) -> bool:
        return is_same(compare_predictions(native, predict(content, feed))) and is_rounding(
            predict(exported, awkward), predict(content, awkward)
        )

    import onnx

    graph = onnx.load_from_string(exported)
    if bundle.schema.classes:
        note(graph, CLASSES, bundle.schema.classes)
    compiled = compile_graph(graph, MODEL_PASSES, predicts_alike, name=bundle.path.name)
    if compiled.applied:
        parity = compare_predictions(native, predict(compiled.content, feed))
    content = compiled.content
    manifest, _ = read_manifest(bundle.path)
    if bundle.temperature not in (None, 1):
        graph = scale_output(onnx.load_from_string(content), bundle.temperature, output)
        scaled = graph.SerializeToString()
        expected = scale_probabilities(native, bundle.temperature)
        scaled_parity = compare_predictions(expected, predict(scaled, feed))
        if is_same(scaled_parity):
            content, parity = scaled, scaled_parity
        elif not may_uncalibrate:
            raise ValueError(
                f"at its temperature of {bundle.temperature:.3g} the graph does not answer as the "
                f"model does: {scaled_parity}. Search with applications: what they choose from "
                "can be exported"
            )
        else:  # votes close to 0, which the graph rounds otherwise, at a high temperature
            logger.warning(
                "the probabilities of %s stay as it was trained: at its temperature of %.3g the "
                "graph does not answer as the model does",
                bundle.model,
                bundle.temperature,
            )
            manifest["temperature"] = 1.0
    write_replacing(bundle.path / ONNX_FILE, content)
    manifest["onnx"], manifest["onnx_refused"] = parity, None
    manifest["files"][ONNX_FILE] = hash_regular_file(bundle.path / ONNX_FILE)
    if tensors:
        manifest["configuration"] = {**manifest["configuration"], "tensors": list(tensors)}
    exported_bundle = write_manifest(bundle.path, manifest, bundle.family, trust=bundle.is_trusted)
    return derive_files(exported_bundle, RUNTIMES)


def draw_awkward_rows(rows: Rows) -> Rows:
    """Draw rows that try a graph: columns that do not belong together, the last rows extreme.

    Args:
        rows: Rows whose values are drawn, shape (n, n_features).
    """
    rng, n_features = np.random.default_rng(0), rows.shape[1]
    indices = rng.integers(len(rows), size=(N_AWKWARD_ROWS, n_features))
    drawn = np.take_along_axis(rows, indices, axis=0)
    furthest = np.abs(rows).max(axis=0)
    drawn[-N_EXTREME_ROWS:] = furthest * rng.choice(EXTREMES, (N_EXTREME_ROWS, n_features))
    return np.ascontiguousarray(drawn, dtype=np.float32)


def offer_onnx(
    bundle: Bundle, rows: Rows, *, again: bool = False, may_uncalibrate: bool = False
) -> Bundle:
    """Export a bundle's model to ONNX, or note in the bundle why it stays native.

    Args:
        bundle: Bundle to extend in place.
        rows: Held-out rows for the comparison, shape (n_rows, n_features).
        again: Whether to try once more what was refused before, since its cause may be mended.
        may_uncalibrate: As of :func:`keep_onnx`.

    Returns:
        The bundle with its ONNX file, or with the reason that there is none.

    Raises:
        OSError: If the disk is full.
    """
    return offer_export(
        bundle,
        lambda: add_onnx(bundle, rows, may_uncalibrate=may_uncalibrate),
        again=again,
    )


def offer_export(
    bundle: Bundle,
    export: Callable[[], Bundle],
    *,
    again: bool = False,
    level: int = logging.WARNING,
) -> Bundle:
    """Export a bundle's model in a way of its own; see :func:`offer_onnx`."""
    if bundle.onnx or (bundle.onnx_refused and not again):
        return bundle
    try:
        return export()
    except Exception as err:  # converters and runtimes raise whatever they stumble over
        if isinstance(err, OSError) and err.errno in FULL:
            raise  # says nothing of the model, and the next run would keep what it led to
        kind = "" if isinstance(err, RightfitError) else f"{type(err).__name__}: "
        reason = " ".join(f"{kind}{err}".split())[:MAX_REASON]
        logger.log(
            level,
            "%s (%s) is served natively only, its ONNX export was refused: %s",
            bundle.path.name,
            bundle.model,
            reason,
        )
        if reason == bundle.onnx_refused:
            return bundle
        manifest, _ = read_manifest(bundle.path)
        manifest["onnx_refused"] = reason
        return write_manifest(bundle.path, manifest, bundle.family, trust=bundle.is_trusted)
