"""Batch sizes: profiles as an application finds them that cannot send any number of rows a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from rightfit.measuring.throughput_curve import NO_CURVE, OF_BATCHES
from rightfit.ranking.applications.applications import THROUGHPUT, BatchSizes

NEAR_BEST = 0.97  # of the highest throughput; the smallest batch that reaches it is the best


def serve_batches(profiles: pl.DataFrame, sizes: BatchSizes | None) -> pl.DataFrame:
    """Return profiles with the figures of the best batch size among those allowed.

    That is the smallest one within 3 % of the highest throughput. What depends on the batch size is
    null, with the reason, where no allowed one was measured.

    Args:
        profiles: Resource profiles, in any order; columns may be missing.
        sizes: Batch sizes that are allowed; ``None``: all, which leaves the profiles as they are.
    """
    if sizes is None:
        return profiles
    columns = [name for name in OF_BATCHES if name in profiles.columns]
    names = [f"{column}{end}" for column in columns for end in ("", "_low", "_high")]
    replaced = [name for name in names if name in profiles.columns]
    kept = [
        name
        for name in ("best_batch_size", "min_hardware_tier_name", "null_reasons")
        if name in profiles.columns
    ]
    schema = {name: profiles.schema[name] for name in (*replaced, *kept)}
    has_how = "measured_how" in profiles.columns
    read = profiles.select(*replaced, *kept, *(["measured_how"] if has_how else []))
    rows = [_serve(row, sizes, columns) for row in read.iter_rows(named=True)]
    served = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in schema}, schema=_allow_reasons(schema)
    )
    return profiles.with_columns(served)


def find_measured_sizes(profiles: pl.DataFrame) -> list[int]:
    """Return the batch sizes that any profile has figures of, in rising order."""
    if "measured_how" not in profiles.columns:
        return []
    hows = profiles["measured_how"].drop_nulls().to_list()
    return sorted({point["batch_size"] for how in hows for point in _read_curve(how)})


def _serve(row: Mapping[str, Any], sizes: BatchSizes, columns: Sequence[str]) -> dict[str, Any]:
    """Return what a profile's columns hold at its best allowed batch size."""
    curve = _read_curve(row.get("measured_how"))
    point = _choose_point([one for one in curve if sizes.allows(one["batch_size"])])
    figures = {} if point is None else {one["column"]: one for one in point["figures"]}
    reason = NO_CURVE if not curve else f"no batch of {sizes} was measured"
    if point is not None:
        reason = f"it is not known of {point['batch_size']:,} rows a call"
    reasons = dict(row.get("null_reasons") or {})
    served: dict[str, Any] = {
        "best_batch_size": point and point["batch_size"],
        "min_hardware_tier_name": point and point["hardware_tier"],
    }
    for column in columns:
        figure = figures.get(column, {})
        served[column] = figure.get("value")
        served |= {f"{column}{end}": figure.get(end[1:]) for end in ("_low", "_high")}
        is_known = served[column] is not None
        reasons[column] = None if is_known else reasons.get(column) or reason
    return served | {"null_reasons": reasons}


def _choose_point(points: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the smallest batch near the highest throughput; ``None``: none has any."""
    rates = {
        point["batch_size"]: figure["value"]
        for point in points
        for figure in point["figures"]
        if figure["column"] == THROUGHPUT
    }
    least = NEAR_BEST * max(rates.values(), default=0.0)
    near = [point for point in points if rates.get(point["batch_size"], -1.0) >= least]
    return min(near, key=lambda point: int(point["batch_size"]), default=None)


def _read_curve(how: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    return (how or {}).get("throughput_curve") or ()


def _allow_reasons(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in which every metric of batches has a place for its reason."""
    reasons = schema.get("null_reasons")
    if not isinstance(reasons, pl.Struct):
        return dict(schema)
    fields = dict(reasons) | dict.fromkeys(OF_BATCHES, pl.String)
    return {**schema, "null_reasons": pl.Struct(fields)}
