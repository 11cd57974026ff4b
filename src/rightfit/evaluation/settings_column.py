"""The settings that candidates were trained with, as a column of their profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from rightfit.families.bundle import Bundle
from rightfit.ranking.explanation.settings import SETTINGS, Settings


def add_settings(
    profiles: pl.DataFrame,
    candidates: Mapping[str, Bundle],
    *,
    searched: Collection[str] = (),
    fixed: Collection[str] | None = None,
) -> pl.DataFrame:
    """Add the settings that each candidate was trained with, as JSON.

    Args:
        profiles: Of these candidates.
        candidates: Their bundles, by name.
        searched: Settings that a search has varied.
        fixed: The others that count; ``None``: all.
    """
    texts = {}
    for name in profiles["candidate"].unique():
        values = candidates[name].configuration
        texts[name] = Settings(
            searched={key: value for key, value in values.items() if key in searched},
            fixed={
                key: value
                for key, value in values.items()
                if key not in searched and (fixed is None or key in fixed)
            },
        ).model_dump_json()
    column = pl.col("candidate").replace_strict(texts, default=None, return_dtype=pl.String)
    return profiles.with_columns(column.alias(SETTINGS))
