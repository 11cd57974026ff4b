"""What does ``rightfit check --against FILE --measure`` say of a release that is slower?

Three families learn landsat as their own default says: that is the old release. The new one has as
many trees, or a share more of them, and answers requests of raw columns in one graph. Both are
timed in common blocks and compared as the command does, again and again. A line per comparison,
and after each repetition one of JSON; the last one holds, for each share of trees more:

- ``slower``: time of a row, in batches and alone, new / old: the geometric mean over models, the
  median over repetitions;
- ``in all blocks``, ``in 6 blocks``: how many comparisons ended ``regressed``, ``cannot tell`` and
  ``same``, by all that was measured and by the first blocks alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.api.candidate_measuring import RawTest, Release, Remeasured, remeasure
from rightfit.data.description import DatasetBlock
from rightfit.data.prepared import PreparedDataset, prepare_dataset
from rightfit.measuring.interval import Interval
from rightfit.measuring.profile import Profile
from rightfit.measuring.profiles.measured import compare_in_blocks
from rightfit.measuring.serving import Serving
from rightfit.models.bundle import Bundle, write_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.family import TrainingData, TrainingRun
from rightfit.models.registry import get_family
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.records.baseline import (
    Baseline,
    StoredWinner,
    compare_baselines,
    read_figures,
    tell_ratios,
)

LANDSAT = Path(__file__).parents[2] / "data" / "01_raw" / "landsat.parquet"
N_TREES = {"forest": "n_estimators", "boosting": "max_iter", "lightgbm": "n_estimators"}
FIGURES = ("throughput_rows_per_s", "latency_p50_ms")
METRICS = (*FIGURES, "latency_p95_ms", "peak_memory_mib")
MARGIN_PCT = 5.0  # of the command
FEW_BLOCKS = 6  # as many as the preset ``quick`` asks for
BLOCK = DatasetBlock.model_validate(
    {
        "tables": {"landsat": "landsat"},
        "target": {"column": "label"},
        "not_features": ["class_code"],
        "split": {"column": "split", "train": "train", "test": "test"},
    }
)


def train(dataset: PreparedDataset, family: str, share: float, folder: Path) -> Bundle:
    """Train a family's default with a share more trees, and export it."""
    configuration = dict(read_default("models")[family]["default"])
    configuration[N_TREES[family]] = round(configuration[N_TREES[family]] * (1 + share))
    encoded, schema = dataset.encode("train"), dataset.data_card.input_schema
    rows, labels = encoded.select(schema.features).to_numpy(), encoded["label"]
    data = TrainingData(rows, schema.cast_labels(labels.to_numpy()), schema)
    *_, last = get_family(family).train(TrainingRun(configuration, data))
    bundle = write_bundle(
        folder,
        last.model,
        model=family,
        family=family,
        configuration=configuration,
        schema=schema,
        data_version="benchmark",
    )
    return add_onnx(bundle, rows[:500])


def read_releases(
    new: pl.DataFrame, old: pl.DataFrame, ratios: Mapping[str, Mapping[str, Interval]]
) -> list[Baseline]:
    """Return the winners as the command keeps them, an application for each model."""
    now, before = (
        {row["candidate"]: Profile.from_row(row) for row in table.iter_rows(named=True)}
        for table in (new, old)
    )
    figures = {
        model: tell_ratios(
            read_figures(now[model], METRICS), read_figures(before[model], METRICS), ratios[model]
        )
        for model in now
    }
    return [
        Baseline(
            format_version=2,
            ranked_in="",
            machine=None,
            winners={
                model: {
                    "landsat": StoredWinner(
                        candidate=model,
                        model=model,
                        serving=profile.serving,
                        batch_size=profile.best_batch_size,
                        utility=None,
                        metrics=figures[model][position],
                    )
                }
                for model, profile in release.items()
            },
        )
        for position, release in enumerate((now, before))
    ]


def count_verdicts(
    new: Remeasured, old: Remeasured, serving: Serving, n_blocks: int | None, label: str
) -> tuple[Counter[str], dict[tuple[str, str], float]]:
    """Compare two releases as they were in the first blocks.

    Returns:
        How many models got which verdict, and new / old time of each model and figure.
    """
    ratios = {}
    for model in N_TREES:
        now, before = (
            replace(release, state=replace(release.state, rounds=release.state.rounds[:n_blocks]))
            for release in (one.measured[model, serving] for one in (new, old))
        )
        ratios[model] = compare_in_blocks(now, before)
    verdicts: Counter[str] = Counter()
    baselines = read_releases(new.profiles, old.profiles, ratios)
    for comparison in compare_baselines(baselines[1], baselines[0], margin_pct=MARGIN_PCT):
        verdicts[comparison.verdict] += 1
        remarks = "; ".join(comparison.remarks)
        print(f"{label}, {comparison.application}: {comparison.verdict}; {remarks}", flush=True)
    return verdicts, {
        (model, metric): ratios[model][metric].value ** (-1 if "throughput" in metric else 1)
        for model in N_TREES
        for metric in FIGURES
    }


def main() -> None:
    """Measure both releases again and again, and count the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.05, 0.1, 0.3])
    parser.add_argument("--n-times", type=int, default=8)
    parser.add_argument("--n-threads", type=int, default=1)
    options = parser.parse_args()
    params = EvaluationParams(**read_default("evaluation"))
    serving = Serving("onnx", options.n_threads, "cpu", "request")
    dataset = prepare_dataset("landsat", BLOCK, {"landsat": pl.read_parquet(LANDSAT)})
    raw = RawTest.take(dataset.rows, dataset.encoder)
    verdicts: dict[tuple[float, int | None], Counter[str]] = defaultdict(Counter)
    slower: dict[float, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        releases = {}
        for share in {0.0, *options.shares}:
            bundles = {
                family: train(dataset, family, share, Path(folder) / f"{family}-{share}")
                for family in N_TREES
            }
            servings = {family: [serving] for family in bundles}
            releases[share] = Release(bundles, servings, raw, str(share))
        for _ in range(options.n_times):
            for share in options.shares:
                new, old = remeasure(
                    [releases[share], releases[0.0]],
                    raw.rows["label"],
                    dataset.data_card,
                    measurements=JsonStore(Path(folder) / "measurements"),
                    params=params,
                )
                for n_blocks in (FEW_BLOCKS, None):
                    label = f"+{share:.0%} in {n_blocks or 'all'} blocks"
                    counts, times = count_verdicts(new, old, serving, n_blocks, label)
                    verdicts[share, n_blocks] += counts
                slower[share].append(statistics.geometric_mean(times.values()))
                print(json.dumps(sum_up(verdicts, slower)), flush=True)


def sum_up(
    verdicts: Mapping[tuple[float, int | None], Counter[str]], slower: Mapping[float, list[float]]
) -> dict[str, object]:
    """Return the figures, by share of trees more."""
    return {
        f"{share:.0%}": {
            "slower": round(statistics.median(times), 3),
            f"in {FEW_BLOCKS} blocks": verdicts[share, FEW_BLOCKS],
            "in all blocks": verdicts[share, None],
        }
        for share, times in slower.items()
    }


if __name__ == "__main__":
    main()
