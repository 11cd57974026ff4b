"""What does ``rightfit check --against FILE --measure`` say of a release that is slower?

Three families learn landsat as their own default says: that is the old release. The new one has as
many trees, or a share more of them, and answers requests of raw columns in one graph. Both are
timed in common blocks and compared as the command does, again and again. A line per comparison;
the last one is JSON, for each share of trees more:

- ``slower``: time of a row in batches and of a single row, new / old, geometric means over models
  of the medians over repetitions: what the longest measurement knows of the truth;
- ``regressed``, ``cannot tell``, ``same``: how many comparisons ended so;
- ``half_width_pct``: of the two figures' intervals, medians over comparisons;
- ``wrong``: comparisons of equal releases that fail, or of slower ones that pass though both
  figures are slower than the margin.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.api.candidate_measuring import RawTest, Release, remeasure
from rightfit.data.description import DatasetBlock
from rightfit.data.prepared import PreparedDataset, prepare_dataset
from rightfit.measuring.profile import Profile
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
)

LANDSAT = Path(__file__).parents[2] / "data" / "01_raw" / "landsat.parquet"
N_TREES = {"forest": "n_estimators", "boosting": "max_iter", "lightgbm": "n_estimators"}
FIGURES = ("throughput_rows_per_s", "latency_p50_ms")
METRICS = (*FIGURES, "latency_p95_ms", "peak_memory_mib")
MARGIN_PCT = 5.0  # of the command
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


def read_release(table: pl.DataFrame) -> Baseline:
    """Return a release's winners as the command keeps them, an application for each model."""
    winners: dict[str, Any] = {}
    for row in table.iter_rows(named=True):
        profile = Profile.from_row(row)
        winners[profile.candidate] = {
            "landsat": StoredWinner(
                candidate=profile.candidate,
                model=profile.model,
                serving=profile.serving,
                batch_size=profile.best_batch_size,
                utility=None,
                metrics=read_figures(profile, METRICS),
            )
        }
    return Baseline(format_version=2, ranked_in="", machine=None, winners=winners)


def main() -> None:
    """Measure both releases again and again, and count the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.05, 0.1, 0.3])
    parser.add_argument("--n-times", type=int, default=8)
    parser.add_argument("--n-threads", type=int, default=1)
    parser.add_argument("--preset", default="quick")
    options = parser.parse_args()
    params = EvaluationParams(**read_default("evaluation") | {"preset": options.preset})
    serving = Serving("onnx", options.n_threads, "cpu", "request")
    dataset = prepare_dataset("landsat", BLOCK, {"landsat": pl.read_parquet(LANDSAT)})
    raw = RawTest.take(dataset.rows, dataset.encoder)
    verdicts: dict[float, Counter[str]] = defaultdict(Counter)
    logs: dict[tuple[float, str, str], list[float]] = defaultdict(list)
    widths: dict[tuple[float, str], list[float]] = defaultdict(list)
    missed: dict[float, list[tuple[str, str]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        releases = {}
        for share in {0.0, *options.shares}:
            bundles = {
                family: train(dataset, family, share, Path(folder) / f"{family}-{share}")
                for family in N_TREES
            }
            releases[share] = Release(bundles, dict.fromkeys(bundles, [serving]), raw, str(share))
        for number in range(options.n_times):
            for share in options.shares:
                now, before = map(
                    read_release,
                    remeasure(
                        [releases[share], releases[0.0]],
                        raw.rows["label"],
                        dataset.data_card,
                        measurements=JsonStore(Path(folder) / "measurements"),
                        params=params,
                    ),
                )
                for comparison in compare_baselines(before, now, margin_pct=MARGIN_PCT):
                    model, verdict = comparison.application, comparison.verdict
                    verdicts[share][verdict] += 1
                    missed[share].append((model, verdict))
                    shown = []
                    for metric in FIGURES:
                        old, new = (
                            release.winners[model]["landsat"].metrics[metric]
                            for release in (before, now)
                        )
                        sign = -1 if metric.startswith("throughput") else 1
                        logs[share, model, metric].append(sign * math.log(new.value / old.value))
                        widths[share, metric] += [
                            50 * (figure.high - figure.low) / figure.value for figure in (old, new)
                        ]
                        shown.append(
                            f"{metric} {100 * math.expm1(logs[share, model, metric][-1]):+.1f} %"
                        )
                    text = f"{number} +{share:.0%} {model}: {verdict}, {', '.join(shown)}"
                    print(text, "; ".join(comparison.remarks), sep="; ", flush=True)
    figures = {}
    for share in options.shares:
        truths = {
            (model, metric): statistics.median(logs[share, model, metric])
            for model in N_TREES
            for metric in FIGURES
        }
        margin = math.log1p(MARGIN_PCT / 100)
        is_slower = {
            model: all(truths[model, metric] > margin for metric in FIGURES) for model in N_TREES
        }
        wrong = {"same" if share else "regressed"}
        figures[f"{share:.0%}"] = {
            "slower": [
                round(math.exp(np.mean([truths[model, metric] for model in N_TREES])), 3)
                for metric in FIGURES
            ],
            **verdicts[share],
            "half_width_pct": [
                round(statistics.median(widths[share, metric]), 1) for metric in FIGURES
            ],
            "wrong": sum(
                verdict in wrong and (not share or is_slower[model])
                for model, verdict in missed[share]
            ),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
