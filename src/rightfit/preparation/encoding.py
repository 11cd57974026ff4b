"""Encode rows as float32 columns: fitted on train rows, written down as JSON, applied anywhere.

An encoder is a JSON object ``{"version": 1, "steps": [...]}``; a step reads one column and gives
one or more feature columns. Whoever serves a model needs the encoder and the raw row, nothing else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from rightfit.preparation.spec import Features

Encoder = Mapping[str, Any]
Step = Mapping[str, Any]

ENCODER_VERSION = 1
OTHER = "<other>"  # bucket of rare, unknown and missing categories
PIXEL_MAX = 255.0
N_DIGITS = 6  # of fitted numbers: hides how a machine orders its sums


def fit_encoder_steps(features: Features, train: pl.DataFrame) -> dict[str, Any]:
    """Fit an encoder.

    Args:
        features: Which columns are encoded, and how.
        train: Train rows, not encoded; no others, or what is learnt leaks into the measurement.

    Returns:
        The encoder as plain JSON types.

    Raises:
        ValueError: If a numeric column has no value in the train rows, or two feature columns
            would have one name.
    """
    empty = [name for name in features.numeric if train[name].drop_nulls().is_empty()]
    if empty:
        raise ValueError(
            f"The numeric features {empty} have no value in the {train.height} train rows. "
            "Remove them from features in parameters_datasets.yml or raise max_train_rows."
        )
    steps: list[dict[str, Any]] = [_fit_standardise(train[name]) for name in features.numeric]
    steps += [{"kind": "indicate", "column": name} for name in features.indicate_missing]
    steps += [
        _fit_one_hot(train[name], min_share=features.min_category_share)
        for name in features.categorical
    ]
    if features.image is not None:
        image = features.image
        steps.append({"kind": "pixels", "column": image.column, "shape": list(image.shape)})
    encoder = {"version": ENCODER_VERSION, "steps": steps}
    _require_distinct_names(encoder)
    return encoder


def apply_encoder(encoder: Encoder, rows: pl.DataFrame) -> pl.DataFrame:
    """Encode rows.

    Args:
        encoder: What :func:`fit_encoder_steps` returned, or the same read from JSON.
        rows: Rows with the columns that the encoder reads; others are ignored.

    Returns:
        Float32 columns named as :func:`name_features` says, without nulls, in the rows' order.

    Raises:
        ValueError: If the encoder is of another version or a column is missing.
    """
    if encoder["version"] != ENCODER_VERSION:
        raise ValueError(
            f"The encoder must be of version {ENCODER_VERSION}, but got {encoder['version']=}. "
            "Run the data_engineering pipeline again."
        )
    missing = sorted({step["column"] for step in encoder["steps"]} - set(rows.columns))
    if missing:
        raise ValueError(f"Rows to encode lack the columns {missing}; they have {rows.columns}.")
    return rows.select(
        expr for step in encoder["steps"] for expr in _EXPRESSIONS[step["kind"]](step)
    )


def name_features(encoder: Encoder) -> tuple[str, ...]:
    """Name the columns that an encoder gives, in order.

    >>> name_features({"version": 1, "steps": [{"kind": "indicate", "column": "age"}]})
    ('age_missing',)
    """
    return tuple(
        expr.meta.output_name()
        for step in encoder["steps"]
        for expr in _EXPRESSIONS[step["kind"]](step)
    )


def _require_distinct_names(encoder: Encoder) -> None:
    twice = sorted(name for name, n in Counter(name_features(encoder)).items() if n > 1)
    if twice:
        raise ValueError(
            f"Encoding would give several columns the names {twice}. "
            "Rename or derive one of their sources in parameters_datasets.yml."
        )


def _fit_standardise(column: pl.Series) -> dict[str, Any]:
    values = column.drop_nulls().cast(pl.Float64)
    spread = values.std(ddof=0)
    scale = _rounded(spread)
    return {
        "kind": "standardise",
        "column": column.name,
        "fill": _rounded(values.median()),
        "mean": _rounded(values.mean()),
        "scale": scale if scale > 0 else 1.0,  # a constant column becomes 0
    }


def _fit_one_hot(column: pl.Series, *, min_share: float) -> dict[str, Any]:
    counts = column.drop_nulls().cast(pl.String).value_counts(name="n_rows")
    frequent = counts.filter(pl.col("n_rows") >= max(1.0, min_share * column.len()))
    categories = sorted(frequent[column.name].to_list())
    return {
        "kind": "one_hot",
        "column": column.name,
        "categories": [category for category in categories if category != OTHER],
    }


def _rounded(value: Any) -> float:
    return float(f"{float(value):.{N_DIGITS}g}")


def _standardise(step: Step) -> list[pl.Expr]:
    value = pl.col(step["column"]).cast(pl.Float64).fill_null(step["fill"])
    return [((value - step["mean"]) / step["scale"]).cast(pl.Float32)]


def _indicate(step: Step) -> list[pl.Expr]:
    column = step["column"]
    return [pl.col(column).is_null().cast(pl.Float32).alias(f"{column}_missing")]


def _one_hot(step: Step) -> list[pl.Expr]:
    column, categories = step["column"], step["categories"]
    text = pl.col(column).cast(pl.String)
    known = text.is_in(pl.lit(pl.Series(categories, dtype=pl.String)).implode()).fill_null(False)
    return [
        *((text.eq_missing(pl.lit(c))).cast(pl.Float32).alias(f"{column}={c}") for c in categories),
        (~known).cast(pl.Float32).alias(f"{column}={OTHER}"),
    ]


def _pixels(step: Step) -> list[pl.Expr]:
    n_pixels = math.prod(step["shape"])
    n_digits = len(str(n_pixels - 1))
    array = pl.col(step["column"]).bin.reinterpret(
        dtype=pl.Array(pl.UInt8, n_pixels), endianness="little"
    )
    return [
        (array.arr.get(i).cast(pl.Float32) / PIXEL_MAX).alias(f"pixel_{i:0{n_digits}d}")
        for i in range(n_pixels)
    ]


_EXPRESSIONS: Mapping[str, Callable[[Step], list[pl.Expr]]] = {
    "standardise": _standardise,
    "indicate": _indicate,
    "one_hot": _one_hot,
    "pixels": _pixels,
}
