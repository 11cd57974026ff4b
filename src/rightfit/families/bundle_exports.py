"""The ONNX exports of a bundle: compared with the native model, or refused with a reason."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rightfit.errors import RightfitError
from rightfit.families.bundle import ONNX_FILE, Bundle, write_manifest
from rightfit.families.bundle_files import (
    hash_regular_file,
    read_manifest,
    write_replacing,
)
from rightfit.families.family import Rows
from rightfit.families.onnx_session import open_session
from rightfit.families.predictions import (
    MAX_MEAN_DIFFERENCE,
    MIN_AGREEMENT,
    compare_predictions,
    is_same,
)
from rightfit.families.runtimes import RUNTIMES, derive_files

logger = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
MAX_REASON = 300  # characters of a refused export's reason


def add_onnx(bundle: Bundle, rows: Rows) -> Bundle:
    """Export a bundle's model to ONNX after comparing the answers of both.

    Args:
        bundle: Bundle to extend in place.
        rows: Held-out rows for the comparison, shape (n_rows, n_features); 2,000 or more make it
            strict.

    Returns:
        The bundle with its ONNX file and the comparison's figures.

    Raises:
        ValueError: If the answers differ by more than rounding does.
    """
    family = bundle.load_family()
    model = bundle.load_native()
    exported = family.export_onnx(model, bundle.schema)
    native = family.predict(model, rows)
    return keep_onnx(bundle, exported, native, {"rows": rows})


def keep_onnx(
    bundle: Bundle,
    exported: bytes,
    native: Rows,
    feed: Mapping[str, Any],
    *,
    tensors: Sequence[Mapping[str, Any]] = (),
) -> Bundle:
    """Keep an export in its bundle if it answers as the native model does.

    Args:
        bundle: Bundle to extend in place.
        exported: The export.
        native: Answers of the native model.
        feed: The same rows as the export's inputs, by name.
        tensors: How the export's named inputs are filled; empty: it reads ``rows``.

    Raises:
        ValueError: If the answers differ by more than rounding does.
    """
    session = open_session(exported)
    parity = compare_predictions(native, session.run([bundle.schema.output_name], dict(feed))[0])
    if not is_same(parity):
        raise ValueError(
            f"The ONNX export of {bundle.path.name} ({bundle.model}) does not answer as the "
            f"native model does: {parity}; allowed are agreement >= {MIN_AGREEMENT} "
            f"and mean_difference <= {MAX_MEAN_DIFFERENCE}. It is refused."
        )
    write_replacing(bundle.path / ONNX_FILE, exported)
    manifest, _ = read_manifest(bundle.path)
    manifest["onnx"], manifest["onnx_refused"] = parity, None
    manifest["files"][ONNX_FILE] = hash_regular_file(bundle.path / ONNX_FILE)
    if tensors:
        manifest["configuration"] = {**manifest["configuration"], "tensors": list(tensors)}
    exported_bundle = write_manifest(bundle.path, manifest, bundle.family, trust=bundle.is_trusted)
    return derive_files(exported_bundle, RUNTIMES)


def offer_onnx(bundle: Bundle, rows: Rows, *, again: bool = False) -> Bundle:
    """Export a bundle's model to ONNX, or note in the bundle why it stays native.

    Args:
        bundle: Bundle to extend in place.
        rows: Held-out rows for the comparison, shape (n_rows, n_features).
        again: Whether to try once more what was refused before, since its cause may be mended.

    Returns:
        The bundle with its ONNX file, or with the reason that there is none.

    Raises:
        OSError: If the disk is full.
    """
    return offer_export(bundle, lambda: add_onnx(bundle, rows), again=again)


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
