"""The candidates that cascades may be made of: their answers and their measured throughput."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from rightfit.cascades.choosing import Answers, Member
from rightfit.families.bundle import ONNX_FILE, Bundle
from rightfit.families.runtimes import open_model

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
