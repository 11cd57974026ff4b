"""What recorded models cost to serve, measured as candidates are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit._core.typed_tables import write_as_text
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.profiles.candidate_profiles import profile_set
from rightfit.measuring.rounds.jobs import CandidateSet, plan_servings
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.bundle import read_bundle
from rightfit_search.searching.setting_up import make_data
from rightfit_search.tables.data_card import DataCard
from rightfit_study.early_stopping.params import RecordingParams
from rightfit_study.early_stopping.recording import FINAL


def profile_recorded(
    curves: pl.DataFrame,
    test: pl.DataFrame,
    data_card: DataCard,
    store: JsonStore,
    recording: RecordingParams,
    *,
    family: str,
    tiers: Sequence[Tier],
) -> pl.DataFrame:
    """Measure every finished model, and the snapshots on the fewest threads.

    Args:
        curves: The cell's recordings, from ``tabulate_recordings``.
        test: The dataset's encoded test rows.
        data_card: Its card.
        store: Keeps each result as soon as it is there.
        recording: How to serve and measure the models.
        family: Import path of the models' family.
        tiers: Hardware ladder, smallest first.

    Returns:
        Resource profiles with ``index`` and ``checkpoint`` in front.
    """
    environment = describe_environment()
    data = make_data(test, data_card.input_schema)
    models = CandidateSet(
        dataset=data_card.dataset,
        data_version=data_card.data_version,
        candidates={},
        targets=data.labels,
        quality=data_card.quality,
        fit_costs={},
        environment_id=environment.environment_id,
        devices=("cpu",),
        seed=0,
    )
    servings = plan_servings(
        recording.runtimes,
        recording.n_threads,
        models.devices,
        n_cores=environment.n_cores,
        present=models.devices,
    )
    fewest = min(serving.n_threads for serving in servings)
    single = [serving for serving in servings if serving.n_threads == fewest]
    last = int(curves["checkpoint"].cast(pl.Int64).to_numpy().max())
    final, earlier = {}, {}
    for row in curves.to_dicts():
        name, folder = f"{row['index']:03d}@{row['checkpoint']}", Path(row["folder"])
        if row["checkpoint"] == last:
            final[name] = folder / FINAL
        if row["snapshot"]:
            earlier[name] = folder / str(row["checkpoint"])
    tables = []
    with temporary_folder("rows") as place:
        rows = place / "rows.npy"
        np.save(rows, data.rows)
        bench = MeasurementContext(shared_pool(), rows, place, recording.measuring, "recording")
        for paths, chosen in ((final, servings), (earlier, single)):
            if not paths:
                continue
            candidates = {
                name: read_bundle(path, family=family, trust=True)  # of this very recording
                for name, path in paths.items()
            }
            profiles = profile_set(
                replace(models, candidates=candidates),
                chosen,
                bench,
                store,
                tiers=tiers,
                choose=lambda found: [False] * found.height,  # all alike, none longer than another
            )
            texts = write_as_text(profiles, "null_reasons", "measured_how")  # as recordings hold it
            position = pl.col("candidate").str.split_exact("@", 1).struct
            tables.append(
                texts.select(
                    position.field("field_0").cast(pl.Int64).alias("index"),
                    position.field("field_1").cast(pl.Int64).alias("checkpoint"),
                    pl.all(),
                )
            )
    return pl.concat(tables)
