"""How early the final value of each non-ML metric is known, from recordings.

This is the thesis' hypothesis: that training need not be finished to know what a model costs.
"""

from __future__ import annotations

import polars as pl

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit_study.early_stopping.measured_trials import SERVED_COLUMNS

CLOSE = 0.05  # relative error that counts as known
_FIT = ("step_time_ms", "fit_peak_memory_mib", "fit_cpu_cores")


def tabulate_known_early(curves: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Compare metrics at each checkpoint with their final values, as they are and projected.

    Args:
        curves: Recorded curves of all cells.
        profiles: Recorded profiles, snapshots from before the end among them.

    Returns:
        One row per cell, runtime, metric and checkpoint: ``n`` models, ``share_of_training``, the
        median relative error, and the share of models within 5 %. Metrics that grow with the
        steps taken are also ``projected``: a straight line through this checkpoint and the one
        before.
    """
    n_checkpoints = int(curves.select(pl.col("checkpoint").max()).item())
    keys = ("dataset", "model", "runtime", "index", "checkpoint")
    one_thread = profiles.filter(pl.col("n_threads") == pl.col("n_threads").min())
    trained = curves.filter(pl.col("checkpoint") > 0).with_columns(runtime=pl.lit("training"))
    measured = [(one_thread, metric) for metric in SERVED_COLUMNS if metric in profiles.columns]
    parts = [
        _compare(rows.select(*keys, pl.col(metric).alias("value")), metric, n_checkpoints)
        for rows, metric in (*measured, *((trained, metric) for metric in _FIT))
    ]
    return pl.concat([part for part in parts if part.height]).sort(
        "dataset", "model", "runtime", "metric", "checkpoint"
    )


def _compare(values: pl.DataFrame, metric: str, n_checkpoints: int) -> pl.DataFrame:
    keys = ["dataset", "model", "runtime", "index"]
    values = values.drop_nulls("value").filter(pl.col("value") > 0)
    if METRICS_BY_COLUMN[metric].better == "higher":
        # what a row costs is what adds up
        values = values.with_columns((1 / pl.col("value")).alias("value"))
    final = values.filter(pl.col("checkpoint") == n_checkpoints).select(
        *keys, pl.col("value").alias("final")
    )
    share = 2.0 ** (pl.col("checkpoint") - n_checkpoints)
    # the line through this checkpoint and the one before, at half as many steps
    before = values.select(*keys, pl.col("checkpoint") + 1, pl.col("value").alias("before"))
    slope = (pl.col("value") - pl.col("before")) / (share / 2)
    joined = (
        values.filter(pl.col("checkpoint") < n_checkpoints)
        .join(final, on=keys)
        .join(before, on=[*keys, "checkpoint"], how="left")
        .with_columns(
            share_of_training=pl.when(pl.col("checkpoint") == 0).then(0.0).otherwise(share),
            error=(pl.col("value") / pl.col("final") - 1).abs(),
            projected=((pl.col("value") + slope * (1 - share)) / pl.col("final") - 1).abs(),
        )
    )
    return (
        joined.group_by("dataset", "model", "runtime", "checkpoint", "share_of_training")
        .agg(
            pl.len().alias("n"),
            pl.col("error").median().alias("error"),
            (pl.col("error") <= CLOSE).mean().alias("share_known"),
            pl.col("projected").median().alias("error_projected"),
            (pl.col("projected") <= CLOSE).mean().alias("share_known_projected"),
        )
        .with_columns(metric=pl.lit(metric))
    )
