"""A check of tables of resource profiles: known columns hold values that measuring can find.

A table may lack columns, and may have others, which nothing reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

import polars as pl
from polars.datatypes import DataTypeClass
from pydantic import ValidationError

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import from_plain
from rightfit.data.request_path import RequestPath
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.profile import POSSIBLE, MeasuredHow, find_impossible, profiles_schema
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.scorers import find_range
from rightfit.ranking.assessment.profile_table import FINAL, PATH, PROFILE_KEYS, complete_paths
from rightfit.ranking.explanation.decisions import SETTINGS, Settings

N_THREADS = "n_threads"
KEYS = tuple(name for name in PROFILE_KEYS if name not in (N_THREADS, PATH))
HOW = "measured_how"
KINDS: Mapping[DataTypeClass, str] = {
    pl.String: "texts",
    pl.Boolean: "true or false",
    pl.Int64: "whole numbers of 1 or more",
    pl.Float64: "numbers",
    pl.Struct: "a struct of values by name; or leave it out",
}
"""Kinds of columns, in words."""

ROUNDING = 1e-9  # of a figure, as a share of it


def check_table(
    table: pl.DataFrame, source: str, qualities: Mapping[str, QualityMetric] | None = None
) -> pl.DataFrame:
    """Check that a table holds resource profiles in today's form.

    Args:
        table: The table.
        source: Where it was read.
        qualities: How predictions are scored, by dataset, as far as that is known.

    Returns:
        The table, with the request path of every profile.

    Raises:
        RightfitError: If it does not; names the columns.
    """
    missing = [name for name in (*KEYS, N_THREADS) if name not in table.columns]
    if missing or not set(METRICS_BY_COLUMN) & set(table.columns):
        raise RightfitError(
            f"{source} holds no resource profiles: it lacks {missing or 'metrics'}."
        )
    faults = list(_find_odd_kinds(table))
    if not faults:  # values are looked at where all are of their kind
        known = table.drop(name for name, dtype in table.schema.items() if dtype == pl.Null)
        faults = [*_find_impossible(known), *_find_unreachable(known, qualities or {})]
    complete = table if faults else complete_paths(table)
    if not faults:
        keys = complete.select(PROFILE_KEYS)
        faults = [f"it holds {key} twice" for key in keys.filter(keys.is_duplicated())[:1].rows()]
    if faults:
        raise RightfitError(f"{source} holds no resource profiles: {'; '.join(faults)}.")
    return complete


def _find_odd_kinds(table: pl.DataFrame) -> Iterator[str]:
    """Yield a line for each column that is not of its kind; one of nulls alone may be of any."""
    for name, dtype in {**profiles_schema(), SETTINGS: pl.String}.items():
        present, kind = table.schema.get(name, pl.Null()), dtype.base_type()
        if kind == pl.Float64:
            is_right = present.is_float() or present.is_integer()
        else:
            is_right = present.is_integer() if kind == pl.Int64 else present.base_type() == kind
        is_key = name in (*KEYS, N_THREADS)
        if not is_right and (is_key or present != pl.Null):
            yield f"{name} must hold {KINDS[kind]}"
        elif is_key and table[name].null_count():
            yield f"{name} must hold {KINDS[kind]}, none of them null"


def _find_impossible(table: pl.DataFrame) -> Iterator[str]:
    """Yield a line for each column with values that no measuring can have found."""
    for name in KEYS:
        if (table[name].str.strip_chars() == "").any():
            yield f"{name} must hold texts, none of them empty"
    for name, dtype in profiles_schema().items():
        if dtype == pl.Int64 and name in table.columns and (table[name] < 1).any():
            yield f"{name} must hold {KINDS[pl.Int64]}"
    if PATH in table.columns and not table[PATH].is_in([None, *get_args(RequestPath)]).all():
        yield f"{PATH} must hold {' or '.join(get_args(RequestPath))}"
    for name in POSSIBLE:
        yield from _find_impossible_numbers(name, table)
    yield from _find_unreadable(table)


def _find_impossible_numbers(name: str, table: pl.DataFrame) -> Iterator[str]:
    """Yield a line for each fault of a figure and the ends of its interval."""
    parts = {
        part: table[part].cast(pl.Float64)
        for part in (name, f"{name}_low", f"{name}_high")
        if part in table.columns
    }
    for part, column in parts.items():
        if demand := find_impossible(name, column, is_end=part != name):
            yield f"{part} {demand}"
    if len(parts) == 3:
        value, low, high = parts.values()
        is_outside = (low > value * (1 + ROUNDING)) | (high < value * (1 - ROUNDING))
        if (low > high).any():
            yield f"{name}_low must not be above {name}_high"
        elif POSSIBLE[name] == "positive" and is_outside.any():
            yield f"{name} must lie between {name}_low and {name}_high"


def _find_unreachable(table: pl.DataFrame, qualities: Mapping[str, QualityMetric]) -> Iterator[str]:
    """Yield a line for each dataset with qualities that its metric cannot reach."""
    for dataset, metric in qualities.items():
        lowest, highest = find_range(metric.name)
        rows = table.filter(dataset=dataset)
        for name in {"quality_raw", FINAL} & set(table.columns):
            if not rows[name].drop_nulls().is_between(lowest, highest).all():
                yield f"{name} must lie between {lowest:g} and {highest:g}, as {metric.name} does"


def _find_unreadable(table: pl.DataFrame) -> Iterator[str]:
    """Yield a line for each column of records that cannot be read."""
    reasons = table.schema.get("null_reasons", pl.Null())
    kinds = {field.dtype for field in reasons.fields} if isinstance(reasons, pl.Struct) else set()
    if kinds - {pl.String(), pl.Null()}:
        yield "null_reasons must hold texts by column"
    if HOW in table.columns:
        try:
            for how in table[HOW].drop_nulls().to_list():
                from_plain(MeasuredHow, how)
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            yield f"{HOW} cannot be read: {err}"
    if SETTINGS in table.columns:
        for text in table[SETTINGS].drop_nulls().unique():
            try:
                Settings.model_validate_json(text)
            except ValidationError:
                yield f"{SETTINGS} must hold JSON with `searched` or `fixed`, not {text!r:.40}"
