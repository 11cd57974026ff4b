"""CPU seconds to judge stored predictions again, and winners per segment against the naive choice.

Run: ``python benchmarks/ranking/stored_predictions.py``. The first table judges 60 candidates on
10,000 rows of 10 classes, as in the main job. The second has 8 candidates and 10 segments, each
with so many test rows; accuracy is that on fresh rows, relative to one winner for all, in points.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import polars as pl

from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking, rank
from rightfit.measuring.profile import PREDICTIONS, complete_columns
from rightfit.measuring.profiles.prediction_quality import judge_again
from rightfit.measuring.profiles.stored_predictions import JudgedRows
from rightfit.models.quality.metric import QualityMetric

ACCURACY = QualityMetric(name="accuracy", worst=0.0, best=1.0)
QUALITY = {"objectives": {"quality": {"weight": 1, "worst": 0.0, "best": 1.0}}}
N_SEGMENTS, N_CANDIDATES, N_STUDIES = 10, 8, 6
SPREAD = 0.03  # of the candidates' accuracies over all segments, standard deviation


def make_profiles(rows: JudgedRows) -> Profiles:
    """Return profiles of stored predictions, judged by accuracy."""
    table = pl.DataFrame({"candidate": list(rows.predictions), PREDICTIONS: list(rows.predictions)})
    judged = judge_again(rows, table, ACCURACY)
    keys = {"dataset": "data", "model": "m", "runtime": "onnx", "n_threads": 1, "device": "cpu"}
    table = table.join(judged, on=PREDICTIONS).with_columns(
        *(pl.lit(value).alias(name) for name, value in keys.items()),
        pl.lit("model").alias("request_path"),
    )
    return Profiles(complete_columns(table), predictions={"data": rows})


def time_metrics() -> None:
    """Print the CPU seconds of each kind of metric."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 10_000)
    predictions = {}
    for number in range(60):
        scores = np.eye(10)[labels] * 2 + generator.normal(size=(10_000, 10))
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        predictions[f"c{number}"] = shares.astype(np.float32)
    final = np.zeros(10_000, dtype=np.bool_)
    rows = JudgedRows(ACCURACY, "classification", labels, final, 0, predictions=predictions)
    ranking = rank(make_profiles(rows), {"a": QUALITY})
    costs = np.ones((10, 10)) - np.eye(10)
    by_cost = {
        "name": lambda y, shares: -float(costs[y, (shares @ costs).argmin(axis=1)].mean()),
        "worst": -1.0,
        "best": 0.0,
    }
    for name, quality in (
        ("balanced_accuracy", "balanced_accuracy"),
        ("f1_macro", "f1_macro"),
        ("cost matrix, a function", by_cost),
        ("matthews_corrcoef of scikit-learn", "matthews_corrcoef"),
    ):
        start_s = time.process_time()
        again = ranking.with_quality(quality)
        again.decision()
        print(f"{name}: {time.process_time() - start_s:.1f} CPU s")


def simulate_segments(n_rows: int, spread: float, generator: np.random.Generator) -> np.ndarray:
    """Return the gains over one winner: of these segments' winners, of the best on the test rows.

    Args:
        n_rows: Test rows of each segment.
        spread: By how much a candidate's accuracy differs between segments, standard deviation.
        generator: Source of randomness.
    """
    truth = 0.85 + generator.normal(0, SPREAD, (N_CANDIDATES, 1))
    truth = np.clip(truth + generator.normal(0, spread, (N_CANDIDATES, N_SEGMENTS)), 0.0, 1.0)
    row_segments = np.repeat(np.arange(N_SEGMENTS), n_rows)
    hits = generator.random((N_CANDIDATES, len(row_segments))) < truth[:, row_segments]
    predictions = {
        f"c{number:02}": np.column_stack([~hit, hit]).astype(np.float32)
        for number, hit in enumerate(hits)
    }
    rows = JudgedRows(
        ACCURACY,
        "classification",
        np.ones(len(row_segments), dtype=np.int64),
        np.zeros(len(row_segments), dtype=np.bool_),
        0,
        pl.DataFrame({"segment": row_segments.astype(str)}),
        predictions,
    )
    ranking: Ranking = rank(make_profiles(rows), {"a": QUALITY | {"per": "segment"}})
    decision = ranking.decision()
    first, segments = decision.winner, decision.segments
    overall = int(first.candidate[1:]) if first else 0
    chosen = np.full(N_SEGMENTS, overall)
    for winner in segments.winners if segments else ():
        chosen[int(winner.segment)] = int(winner.candidate[1:])
    naive = hits.reshape(N_CANDIDATES, N_SEGMENTS, n_rows).mean(axis=2).argmax(axis=0)
    each = np.arange(N_SEGMENTS)
    return np.array([100 * (truth[of, each] - truth[overall]).mean() for of in (chosen, naive)])


def main() -> None:
    """Print both tables."""
    if "--quick" not in sys.argv:
        time_metrics()
    for spread in (0.0, 0.02, 0.1):
        for n_rows in (40, 400):
            generator = np.random.default_rng([int(spread * 100), n_rows])
            gains = [simulate_segments(n_rows, spread, generator) for _ in range(N_STUDIES)]
            ours, naive = np.mean(gains, axis=0)
            print(f"spread {spread}, {n_rows} rows: {ours:+.2f} points, naive {naive:+.2f}")


if __name__ == "__main__":
    main()
