"""What cross-validation brings to searches on small tables, and what twice the budget does.

Run from the repository's root: ``PYTHONPATH=benchmarks/portfolios python
benchmarks/cross_validation.py``. The tables come from R packages of Debian, see ``tables.py``; none
was looked at while the rule was made. ``rf.search`` chooses by quality alone among what it finds in
10 CPU seconds: by its test rows alone; by these and the validation rows, which cost nothing more;
and by cross-validation. Beside them stands a search of 20 CPU seconds, by test rows alone. Half of
the rows, drawn anew by each seed, judge what each ships. Printed is the quality of the first, and
what the others gain; how far what each tells of its winner's quality is from what it reaches; and
CPU seconds of the whole call, refits included. Then the same for each table, and their mean with
its standard error.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score
from tables import TableSource, read_frames

import rightfit as rf
from rightfit.api import searching
from rightfit.evaluation.cross_validation import cross_validate
from rightfit.families.bundle import Bundle
from rightfit.profiling.measuring.jobs import LeftOutRows
from rightfit.tuning.search.setting_up import make_data

BUDGET_CPU_S = 10.0
REGRESSIONS = ("boston", "ozone", "salaries", "sacramento", "midwest")
TABLES = {
    "glass": TableSource("mlbench", "Glass", "Type"),
    "ionosphere": TableSource("mlbench", "Ionosphere", "Class"),
    "pima": TableSource("mlbench", "PimaIndiansDiabetes2", "diabetes"),
    "sonar": TableSource("mlbench", "Sonar", "Class"),
    "votes": TableSource("mlbench", "HouseVotes84", "Class"),
    "breast": TableSource("mlbench", "BreastCancer", "Class", ("Id",)),
    "soybean": TableSource("mlbench", "Soybean", "Class"),
    "musk": TableSource("kernlab", "musk", "Class"),
    "titanic": TableSource("carData", "TitanicSurvival", "survived"),
    "boston": TableSource("mlbench", "BostonHousing", "medv"),
    "ozone": TableSource("mlbench", "Ozone", "V4"),
    "salaries": TableSource("carData", "Salaries", "salary"),
    "sacramento": TableSource("modeldata", "Sacramento", "price"),
    "midwest": TableSource("ggplot2", "midwest", "percollege", ("county", "percprof")),
}


def take_none(*_: Any, **__: Any) -> None:
    """Leave the choice to the test rows."""


def take_validation(candidates: Mapping[str, Bundle], *given: Any, **_: Any) -> LeftOutRows:
    """Have the validation rows judge as well, as the candidates answer them."""
    prepared = given[2]
    schema = prepared.data_card.input_schema
    data = make_data(prepared.encode("validation"), schema)
    answers = {
        name: one.load_family().predict(one.load_native(), data.rows)
        for name, one in candidates.items()
    }
    return LeftOutRows(data.labels, answers)


def validate_fully(*given: Any, **asked: Any) -> LeftOutRows | None:
    """Have all folds judge, whatever they cost."""
    return cross_validate(*given, **asked | {"budget_cpu_s": None})


WAYS: dict[str, tuple[Callable[..., LeftOutRows | None], float]] = {
    "test rows": (take_none, 1),
    "validation rows too": (take_validation, 1),
    "cross-validation": (cross_validate, 1),
    "cross-validation, all folds": (validate_fully, 1),
    "test rows, twice the budget": (take_none, 2),
}


def judge(train: pl.DataFrame, test: pl.DataFrame, target: str, name: str, seed: int) -> np.ndarray:
    """Return each way's quality, how far it is from what was told, and CPU seconds, (n_ways, 3)."""
    found: list[tuple[float, float, float]] = []
    is_number, values = name in REGRESSIONS, test[target]
    with tempfile.TemporaryDirectory() as folder:
        for choose, times in WAYS.values():
            searching.cross_validate = choose  # type: ignore[attr-defined]
            began_s = time.process_time()
            result = rf.search(
                train,
                target,
                task="regression" if is_number else "classification",
                quality="r2" if is_number else "accuracy",
                budget_cpu_s=times * BUDGET_CPU_S,
                n_workers=1,
                seed=seed,
                folder=f"{folder}/{times}",  # what was searched there is not searched again
            )
            spent_s = time.process_time() - began_s
            answers = pl.Series(result.best().predict(test.drop(target)), strict=False)
            if is_number:
                truth, said = (one.cast(pl.Float64).to_numpy() for one in (values, answers))
                quality = 1 - float(np.mean((truth - said) ** 2)) / float(truth.var())
            else:
                quality = accuracy_score(values.cast(pl.String), answers.cast(pl.String))
            told = result.ranking.decision("quality").final_quality
            off = abs(told.raw - quality) if told else math.nan
            before_s = found[0][2] if found and times == 1 else 0  # the search is the same
            found.append((quality, off, spent_s + before_s))
    return np.array(found)


def main() -> None:
    """Print gains per table and seed, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    print(f"seed, table: {', '.join(WAYS)}")
    for seed in asked.seeds:
        for name, source, frame in read_frames({one: TABLES[one] for one in asked.tables}):
            rows = frame.drop(source.left_out).filter(pl.col(source.target).is_not_null())
            rows = rows.sample(fraction=1.0, shuffle=True, seed=seed)
            half = rows.height // 2
            ways = judge(rows.head(half), rows.tail(-half), source.target, name, seed)
            found[name].append(ways)
            print(f"{seed}, {name}: {describe(ways)}", flush=True)
    for name, listed in found.items():
        print(f"{name}: {describe(np.mean(listed, axis=0))}")
    means = np.array([np.mean(listed, axis=0) for listed in found.values()])
    for number, way in enumerate(WAYS):
        gained, off = means[:, number, 0] - means[:, 0, 0], means[:, number, 1]
        error = float(gained.std(ddof=1)) / math.sqrt(len(gained))
        print(
            f"{way}: {gained.mean():+.4f} ± {error:.4f} (tables as units), median "
            f"{np.median(gained):+.4f}; what it tells is off by {off.mean():.4f}, median "
            f"{np.median(off):.4f}; {means[:, number, 2].mean():.0f} CPU seconds"
        )


def describe(ways: np.ndarray) -> str:
    """Write the first way's quality, what the others gain, how far off each tells, and seconds."""
    gains = " ".join(f"{one:+.4f}" for one in ways[1:, 0] - ways[0, 0])
    off = " ".join(f"{one:.3f}" for one in ways[:, 1])
    seconds = " ".join(f"{one:.0f}" for one in ways[:, 2])
    return f"{ways[0, 0]:.4f} {gains}; off by {off}; CPU seconds {seconds}"


if __name__ == "__main__":
    main()
