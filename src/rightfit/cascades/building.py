"""Cascades as bundles: the candidates that they are made of, and an ONNX file of two of these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from rightfit.cascades.choosing import Answers, Cascade, Member
from rightfit.cascades.graph import join_cascade
from rightfit.errors import RightfitError
from rightfit.families.bundle import ONNX_FILE, Bundle, write_bundle_files
from rightfit.families.family import Configuration
from rightfit.families.runtimes import open_model

ROLES = ("cheap", "expensive")  # settings that name the two members
DEFINING = (*ROLES, "threshold")  # settings; the others are predictions
FAMILY = "rightfit.families.imported.onnx_only"  # serves what exists as an ONNX file alone
TOLERANCE = 1e-4  # of a probability
RUNTIME = "onnx"  # in which two models can be joined


def find_members(
    candidates: Mapping[str, Bundle], profiles: pl.DataFrame, validation: pl.DataFrame
) -> list[Member]:
    """Let the candidates that were measured in ONNX answer the validation rows.

    Returns:
        Those with a throughput; each with the highest of its serving configurations.
    """
    measured = (
        profiles.filter(pl.col("runtime") == RUNTIME, pl.col("throughput_rows_per_s").is_not_null())
        .group_by("candidate", maintain_order=True)
        .agg(pl.col("throughput_rows_per_s").max())
    )
    return [
        Member(name, answer(candidates[name], validation), rows_per_s)
        for name, rows_per_s in measured.iter_rows()
        if name in candidates and ONNX_FILE in candidates[name].files
    ]


def answer(bundle: Bundle, validation: pl.DataFrame) -> Answers:
    """Let a bundle's ONNX file answer encoded rows; return class probabilities."""
    rows = validation.select(bundle.schema.features).to_numpy()
    predict = open_model(bundle, runtime=RUNTIME, n_threads=1, device="cpu")
    answers: Answers = predict(np.ascontiguousarray(rows, dtype=np.float32))
    return answers


def build_cascade(
    cascade: Cascade, candidates: Mapping[str, Bundle], folder: Path, *, model: str
) -> Bundle:
    """Write a cascade as a bundle.

    Raises:
        RightfitError: If the two models' graphs cannot be joined.
    """
    configuration = {
        "cheap": cascade.cheap,
        "expensive": cascade.expensive,
        "threshold": cascade.threshold,
        "passed_on": cascade.passed_on,
        "predicted_quality": cascade.quality,
        "predicted_rows_per_s": cascade.rows_per_s,
    }
    return join_members(configuration, candidates, folder, model=model)


def join_members(
    configuration: Configuration, candidates: Mapping[str, Bundle], folder: Path, *, model: str
) -> Bundle:
    """Write the cascade that a configuration describes as a bundle.

    Args:
        configuration: Names its two members ``cheap`` and ``expensive``, and its ``threshold``.
        candidates: Holds both.
        folder: For the bundle.
        model: The cascade's name in the configuration.

    Raises:
        RightfitError: If the two models' graphs cannot be joined.
    """
    cheap, expensive = (candidates[configuration[role]] for role in ROLES)
    files = cheap.locate(ONNX_FILE), expensive.locate(ONNX_FILE)
    content = join_cascade(*files, configuration["threshold"])
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(content)
    return write_bundle_files(
        folder,
        model=model,
        family=FAMILY,
        weights_file=ONNX_FILE,
        configuration=configuration,
        schema=cheap.schema,
        data_version=cheap.data_version,
    )


def check_cascade(bundle: Bundle, answers: Mapping[str, Answers], rows: pl.DataFrame) -> None:
    """Compare a cascade's answers with those of its two models.

    Args:
        bundle: The cascade.
        answers: Those of its models by name, each of shape (n_rows, n_classes).
        rows: Encoded rows that they answered.

    Raises:
        RightfitError: If they differ by more than rounding.
    """
    cheap, expensive = (answers[bundle.configuration[role]] for role in ROLES)
    threshold = bundle.configuration["threshold"]
    unsure = cheap.max(axis=1) < np.float32(threshold)
    expected = np.where(unsure[:, None], expensive, cheap)
    found = answer(bundle, rows)
    # near the threshold, rounding may send a row the other way
    near = np.abs(cheap.max(axis=1) - threshold) <= TOLERANCE
    difference = np.abs(found - expected).max(axis=1)[~near].max(initial=0.0)
    if not difference <= TOLERANCE:
        raise RightfitError(
            f"{bundle.path.name} does not answer as its two models do: a probability differs by "
            f"{difference:.3g}, allowed is {TOLERANCE:g}."
        )
