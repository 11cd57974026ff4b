"""How many CPU seconds does judging the stored predictions of a run by another metric take?

Run after ``kedro run``: ``python benchmarks/ranking/stored_metrics.py PROJECT METRIC…``. Prints a
line per metric and dataset whose task it fits, with its candidates, test rows and CPU seconds.
"""

from __future__ import annotations

import sys
import time

import rightfit as rf
from rightfit.measuring.profile import complete_columns
from rightfit.measuring.profiles.prediction_quality import judge_again
from rightfit.models.quality.metric import QualityMetric


def main() -> None:
    """Judge by each metric."""
    profiles = rf.open_project(sys.argv[1]).ranking.profiles
    table = complete_columns(profiles.table)
    for name in sys.argv[2:]:
        best = 0.0 if name.startswith("neg_") else 1.0
        metric = QualityMetric(name=name, worst=best - 1, best=best)
        for dataset, rows in profiles.predictions.items():
            start_s = time.process_time()
            try:
                judge_again(rows, table.filter(dataset=dataset), metric)
            except ValueError:
                continue
            cpu_s = time.process_time() - start_s
            print(f"{name} {dataset}: {len(rows.predictions)}, {len(rows.targets):,}, {cpu_s:.2f}")


if __name__ == "__main__":
    main()
