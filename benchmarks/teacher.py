"""How much of a slow model's quality do its students keep, and how much cheaper are they?

``python benchmarks/teacher.py --labelled 1000 --unlabelled 1000`` takes landsat. The teacher, extra
trees of 300 trees learnt from 3,000 of its rows, waits 50 ms a row. Its students see other rows,
the first so many with their labels. Prints the search's result; the last line is JSON:

- ``student``, ``direct``, ``teacher``: accuracy on rows that none of them has seen, of the student
  with the teacher, of the winner of the same search without it (``null`` where no row has a
  label), and of the teacher;
- ``cpu_s``: CPU seconds of both searches, measuring included.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.ensemble import ExtraTreesClassifier

import rightfit as rf

LANDSAT = Path(__file__).parents[1] / "data" / "01_raw" / "landsat.parquet"
N_TEACHING = 3_000  # rows that the teacher has learnt from
WAITED_S = 0.05  # a row
WEB = rf.Application(
    description="answer within 5 ms",
    scenario="single_stream",
    objectives={"quality": rf.Objective(weight=1, worst=0.0, best=1.0)},
    constraints={"latency_p50_ms": rf.Constraint(max=5)},
)


class Slow:
    """A classifier that waits for each row."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, rows: pl.DataFrame) -> Any:
        """Return the class of each row."""
        time.sleep(WAITED_S * len(rows))
        return self._model.predict(rows.to_numpy())


def main() -> None:
    """Search with and without the teacher, and judge both on rows aside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labelled", type=int, default=1_000)
    parser.add_argument("--unlabelled", type=int, default=1_000)
    parser.add_argument("--budget-cpu-s", type=float, default=60)
    arguments = parser.parse_args()
    table = (
        pl.read_parquet(LANDSAT)
        .drop("split", "class_code")
        .sample(fraction=1, shuffle=True, seed=0)
    )
    features = [name for name in table.columns if name != "label"]
    teaching, rest = table[:N_TEACHING], table[N_TEACHING:]
    forest = ExtraTreesClassifier(300, random_state=0)
    forest.fit(teaching.select(features).to_numpy(), teaching["label"].to_numpy())
    n_seen = arguments.labelled + arguments.unlabelled
    seen, aside = rest[:n_seen], rest[n_seen:]
    is_labelled = pl.int_range(pl.len()) < arguments.labelled
    seen = seen.with_columns(pl.when(is_labelled).then("label").alias("label"))
    settings: dict[str, Any] = {
        "applications": {"web": WEB},
        "budget_cpu_s": arguments.budget_cpu_s,
        "n_jobs": 1,
    }

    def judge(predictions: Any) -> float:
        return float(np.mean(np.asarray(predictions) == aside["label"].to_numpy()))

    begun_cpu_s = sum(os.times()[:4])
    taught = rf.search(seen, "label", teacher=Slow(forest), **settings)
    print(taught, *taught.remarks, sep="\n")
    cpu_s, direct = [sum(os.times()[:4]) - begun_cpu_s], None
    if arguments.labelled:
        begun_cpu_s = sum(os.times()[:4])
        direct = judge(rf.search(seen, "label", **settings).best().predict(aside))
        cpu_s.append(sum(os.times()[:4]) - begun_cpu_s)
    figures = {
        "student": judge(taught.best().predict(aside)),
        "direct": direct,
        "teacher": judge(forest.predict(aside.select(features).to_numpy())),
        "n_aside": aside.height,
        "cpu_s": cpu_s,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
