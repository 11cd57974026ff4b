"""Cascades as bundles: an ONNX file each, made of those of two candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rightfit.cascades.choosing import Cascade, Member
from rightfit.cascades.graph import join_cascade
from rightfit.cascades.members import answer
from rightfit.families.bundle import ONNX_FILE, Bundle, write_bundle_files

FAMILY = "rightfit.families.imported.onnx_only"  # serves what exists as an ONNX file alone
TOLERANCE = 1e-4  # of a probability


def build_cascade(
    cascade: Cascade, candidates: Mapping[str, Bundle], folder: Path, *, model: str
) -> Bundle:
    """Write a cascade as a bundle.

    Raises:
        ValueError: If the two models' graphs cannot be joined.
    """
    cheap, dear = candidates[cascade.cheap], candidates[cascade.dear]
    content = join_cascade(cheap.locate(ONNX_FILE), dear.locate(ONNX_FILE), cascade.threshold)
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(content)
    return write_bundle_files(
        folder,
        model=model,
        family=FAMILY,
        weights_file=ONNX_FILE,
        configuration={
            "cheap": cascade.cheap,
            "dear": cascade.dear,
            "threshold": cascade.threshold,
            "passed_on": cascade.passed_on,
            "predicted_quality": cascade.quality,
            "predicted_rows_per_s": cascade.rows_per_s,
        },
        schema=cheap.schema,
        data_version=cheap.data_version,
    )


def check_cascade(
    bundle: Bundle, cascade: Cascade, members: Sequence[Member], validation: pl.DataFrame
) -> None:
    """Compare a cascade's answers with those of its two models.

    Raises:
        ValueError: If they differ by more than rounding.
    """
    answers = {member.name: member.answers for member in members}
    cheap, dear = answers[cascade.cheap], answers[cascade.dear]
    unsure = cheap.max(axis=1) < np.float32(cascade.threshold)
    expected = np.where(unsure[:, None], dear, cheap)
    found = answer(bundle, validation)
    # near the threshold, rounding may send a row the other way
    near = np.abs(cheap.max(axis=1) - cascade.threshold) <= TOLERANCE
    difference = np.abs(found - expected).max(axis=1)[~near].max(initial=0.0)
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{bundle.path.name} does not answer as its two models do: a probability differs by "
            f"{difference:.3g}, allowed is {TOLERANCE:g}."
        )
