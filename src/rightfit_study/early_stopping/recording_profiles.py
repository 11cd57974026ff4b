"""What recorded models cost to serve, measured as candidates are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from rightfit.families.bundle import read_bundle
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.jobs import CandidateSet
from rightfit.profiling.measuring.measurement import Bench
from rightfit.profiling.profiles.candidate_profiles import profile_set
from rightfit.profiling.serving import Serving
from rightfit.typed_tables import write_as_text
from rightfit_study.early_stopping.recording import FINAL


def profile_recorded(
    curves: pl.DataFrame,
    models: CandidateSet,
    servings: Sequence[Serving],
    bench: Bench,
    store: JsonStore,
    *,
    family: str,
    tiers: Sequence[Tier],
) -> pl.DataFrame:
    """Measure every finished model, and the snapshots on the fewest threads.

    Args:
        curves: The cell's recordings, from ``tabulate_recordings``.
        models: What belongs to them, without any candidate.
        servings: How to serve them.
        bench: Where and how to measure.
        store: Keeps each result as soon as it is there.
        family: Import path of the models' family.
        tiers: Hardware ladder, smallest first.

    Returns:
        Resource profiles with ``index`` and ``checkpoint`` in front.
    """
    last = int(curves["checkpoint"].cast(pl.Int64).to_numpy().max())
    final, earlier = {}, {}
    for row in curves.to_dicts():
        name, folder = f"{row['index']:03d}@{row['checkpoint']}", Path(row["folder"])
        if row["checkpoint"] == last:
            final[name] = folder / FINAL
        if row["snapshot"]:
            earlier[name] = folder / str(row["checkpoint"])
    fewest = min(serving.n_threads for serving in servings)
    single = [serving for serving in servings if serving.n_threads == fewest]
    tables = []
    for paths, chosen in ((final, servings), (earlier, single)):
        if not paths:
            continue
        profiles = profile_set(
            replace(
                models,
                candidates={
                    name: read_bundle(path, family=family, trust=True)  # of this very recording
                    for name, path in paths.items()
                },
            ),
            chosen,
            bench,
            store,
            tiers=tiers,
            choose=lambda rows: [False] * rows.height,  # all alike, none longer than another
        )
        texts = write_as_text(profiles, "null_reasons", "measured_how")  # as recordings hold them
        position = pl.col("candidate").str.split_exact("@", 1).struct
        tables.append(
            texts.select(
                position.field("field_0").cast(pl.Int64).alias("index"),
                position.field("field_1").cast(pl.Int64).alias("checkpoint"),
                pl.all(),
            )
        )
    return pl.concat(tables)
