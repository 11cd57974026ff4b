"""What recorded models cost to serve, measured as candidates are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import polars as pl

from rightfit.families.bundle import Bundle, read_bundle
from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.jobs import CandidateSet
from rightfit.profiling.measuring.measurement import Bench
from rightfit.profiling.measuring.state import Store
from rightfit.profiling.profiles.candidate_profiles import profile_set
from rightfit.profiling.serving import Serving
from rightfit.quality.metric import QualityMetric
from rightfit.typed_tables import write_as_text
from rightfit_study.early_stopping.recording import FINAL

_NAME = re.compile(r"(\d+)@(\d+)$")  # index @ checkpoint


@dataclass(frozen=True)
class RecordingContext:
    """What belongs to a cell's recordings.

    Args:
        dataset: Name of the dataset.
        family: Import path of the model's family.
        data_version: Version of its prepared content.
        labels: True class positions, or values, of the test rows, shape (n_rows,).
        quality: The dataset's quality metric.
        environment_id: Fingerprint of machine and libraries.
        n_cores: Cores of this machine.
        tiers: Hardware ladder, smallest first.
    """

    dataset: str
    family: str
    data_version: str
    labels: npt.NDArray[Any]
    quality: QualityMetric
    environment_id: str
    n_cores: int
    tiers: Sequence[Tier]


def profile_recorded(
    curves: pl.DataFrame,
    cell: RecordingContext,
    bench: Bench,
    store: Store,
    *,
    runtimes: Sequence[str],
    n_threads: Sequence[int | Literal["all"]],
) -> pl.DataFrame:
    """Measure every finished model, and the snapshots on one thread.

    Args:
        curves: The cell's recordings, from ``tabulate_recordings``.
        cell: What belongs to them.
        bench: Where and how to measure.
        store: Keeps each result as soon as it is there.
        runtimes: Runtimes to serve in.
        n_threads: Threads to serve with; ``all`` is every core.

    Returns:
        Resource profiles with ``index`` and ``checkpoint`` in front.
    """
    last = int(curves["checkpoint"].cast(pl.Int64).to_numpy().max())
    final = {f"{i:03d}@{last}": Path(folder) / FINAL for i, folder in _folders(curves, last)}
    earlier = {
        f"{row['index']:03d}@{row['checkpoint']}": Path(row["folder"]) / str(row["checkpoint"])
        for row in curves.filter(pl.col("snapshot")).to_dicts()
    }
    threads = sorted({cell.n_cores if n == "all" else n for n in n_threads})
    usable = [n for n in threads if n <= cell.n_cores]
    servings = [Serving(runtime, n, "cpu") for runtime in runtimes for n in usable]
    single = [serving for serving in servings if serving.n_threads == usable[0]]
    tables = [
        _profile(paths, cell, chosen, bench, store)
        for paths, chosen in ((final, servings), (earlier, single))
        if paths
    ]
    return pl.concat(tables)


def _folders(curves: pl.DataFrame, checkpoint: int) -> list[tuple[int, str]]:
    rows = curves.filter(pl.col("checkpoint") == checkpoint).select("index", "folder").rows()
    return [(int(index), str(folder)) for index, folder in rows]


def _profile(
    paths: dict[str, Path],
    cell: RecordingContext,
    servings: Sequence[Serving],
    bench: Bench,
    store: Store,
) -> pl.DataFrame:
    bundles: dict[str, Bundle] = {
        name: read_bundle(path, family=cell.family, trust=True)  # of this very recording
        for name, path in paths.items()
    }
    profiles = profile_set(
        CandidateSet(
            dataset=cell.dataset,
            data_version=cell.data_version,
            candidates=bundles,
            targets=cell.labels,
            quality=cell.quality,
            fit_costs={},
            environment_id=cell.environment_id,
            devices=("cpu",),
            seed=0,
        ),
        servings,
        bench,
        store,
        tiers=cell.tiers,
        choose=lambda rows: [False] * rows.height,  # all alike, none longer than another
    )
    texts = write_as_text(profiles, "null_reasons", "measured_how")  # as recordings hold them
    return texts.select(_position(0).alias("index"), _position(1).alias("checkpoint"), pl.all())


def _position(group: int) -> Any:
    return pl.col("candidate").str.extract(_NAME.pattern, group + 1).cast(pl.Int64)
