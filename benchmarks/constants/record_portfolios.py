"""Train drawn configurations of every family on many tables: ``recorded/portfolios.parquet``.

``python benchmarks/constants/record_portfolios.py --root FOLDER`` writes it. The same
configurations are drawn for every table, the family's default first. A part of 8 configurations of
one family on one table is a file in ``FOLDER``; those there are not made again, so an interrupted
recording goes on. Trainings take one thread each, one look after another as in a search, and end
after ``LIMIT_S`` CPU seconds. Nothing here is timed for its own sake, so other work may run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
from tables import KEPT_ASIDE, LEARNT_ON, NEVER_RECORDED, read_tables

from rightfit.params.defaults import read_default
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.learning_curve import follow_training
from rightfit_search.searching.setting_up import make_data
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.training_params import SEARCH
from rightfit_search.tables.prepared import PreparedDataset

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parent / "recorded" / "portfolios.parquet"
N_DRAWN = {  # configurations of each family, the default among them
    **dict.fromkeys(("linear", "forest", "boosting", "lightgbm", "xgboost"), 16),
    **dict.fromkeys(("net", "knn", "svm"), 16),
    **dict.fromkeys(("catboost", "convnet"), 8),
}
TOO_LONG = {  # families that take minutes for one table here
    "mnist": ("boosting", "lightgbm", "xgboost", "svm"),
    **dict.fromkeys(("leaves", "letter", "soybean"), ("boosting",)),
}
ONLY_ON = {
    "catboost": ("vehicle", "cells", "churn", "credit", "concrete", "wages", "poverty"),
    "convnet": ("digits", "mnist"),
}
PART = 8  # configurations of a file
MAX_ROWS = {"train": 2_500, "validation": 1_500, "test": 3_000}
LIMIT_S = 12.0
N_CHECKPOINTS = 6
SEED = 11


def list_parts(tables: list[str]) -> list[tuple[str, str, int]]:
    """Return table, model and first number of each part: the defaults first, long families last."""
    parts = [
        (table, model, first)
        for table in tables
        for model, n_drawn in N_DRAWN.items()
        if model not in TOO_LONG.get(table, ()) and table in ONLY_ON.get(model, tables)
        for first in range(0, n_drawn, PART)
    ]
    return sorted(parts, key=lambda part: (part[1] in ONLY_ON, part[2]))


def record_part(table: str, model: str, first: int, target: Path) -> None:
    """Train a part's configurations and write what each look showed."""
    made = make_cell(table, model)
    rows: list[dict[str, Any]] = []
    if made is not None:
        cell, test = made
        get_family(cell.family).load_libraries()
        for number in range(first, min(first + PART, N_DRAWN[model])):
            try:
                rows += _train(cell, test, draw_configuration(model, number), number)
            except Exception as err:
                print(f"{cell.name} {number}: {type(err).__name__}: {err}", file=sys.stderr)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(target.with_suffix(".partial"))
    target.with_suffix(".partial").rename(target)


def draw_configuration(model: str, number: int) -> dict[str, Any]:
    """Return the searched settings of a number: 0 is the default, the rest are drawn at random."""
    import optuna

    block = read_block(model)
    if number == 0:
        default = block.params.first(get_family(block.family).list_defaults(), "classification")
        if default is not None:
            return dict(default)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=100_003 * SEED + number)
    asked = optuna.create_study(sampler=sampler).ask()
    block.params.suggest(asked)
    return dict(asked.params)


@cache
def read_block(model: str) -> ModelBlock:
    """Return the library's block of a model."""
    return ModelBlock.model_validate(read_default("models", SEARCH)[model])


@cache
def _prepare(table: str) -> PreparedDataset:
    sources = LEARNT_ON | KEPT_ASIDE | NEVER_RECORDED
    return next(read_tables({table: sources[table]}))[1]


def make_cell(
    table: str, model: str, max_rows: Mapping[str, int] = MAX_ROWS
) -> tuple[Cell, TrainingData] | None:
    """Return a cell and its test rows; ``None`` where the family is not for the table."""
    prepared, block = _prepare(table), read_block(model)
    card = prepared.data_card
    try:
        get_family(block.family).check_task(card.task)
    except ValueError:
        return None
    if model in ("svm", "knn") and card.task == "regression":  # classifiers
        return None
    if model == "convnet" and card.input_schema.image_shape is None:
        return None
    data = {}
    for name, n_rows in max_rows.items():
        whole = make_data(prepared.encode(name), card.input_schema)
        data[name] = TrainingData(whole.rows[:n_rows], whole.labels[:n_rows], whole.schema)
    cell = Cell(
        f"{table}.{model}",
        block.family,
        block.params,
        data["train"],
        data["validation"],
        card.quality,
        card.data_version,
    )
    return cell, data["test"]


def _train(
    cell: Cell, test: TrainingData, searched: dict[str, Any], number: int
) -> Iterator[dict[str, Any]]:
    configuration = {**cell.params.fixed, **searched}
    metric, family = cell.quality, get_family(cell.family)
    run = TrainingRun(configuration, cell.train, N_CHECKPOINTS, SEED)
    for look in follow_training(cell, run):
        point = look.point
        spent_s = point["fit_cpu_s"] + point["validate_cpu_s"]
        is_last = point["checkpoint"] == N_CHECKPOINTS
        answers = family.predict(look.model, test.rows) if is_last else None
        tested = None if answers is None else metric.score(test.labels, answers)
        yield {
            "table": cell.name.rpartition(".")[0],
            "model": cell.model,
            "number": number,
            "configuration": json.dumps(searched),
            "checkpoint": point["checkpoint"],
            "quality": metric.scale(point["quality_raw"]),
            "quality_error": metric.scale_error(point["quality_raw_error"]),
            "test_quality": None if tested is None else metric.scale(tested),
            "work_s": point["work_s"],
            "cpu_s": spent_s,
            "structure": json.dumps(point["structure"]),
        }
        if spent_s > LIMIT_S:
            return


def start() -> None:
    """Let a process that trains use one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"


def main() -> None:
    """Record what is missing and put it together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the parts")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tables", nargs="+", default=[*LEARNT_ON, *KEPT_ASIDE])
    asked = parser.parse_args()
    asked.root.mkdir(exist_ok=True)
    parts = {
        asked.root / f"{table}.{model}.{first}.parquet": (table, model, first)
        for table, model, first in list_parts(asked.tables)
    }
    with ProcessPoolExecutor(
        asked.processes, mp_context=get_context("spawn"), initializer=start
    ) as pool:
        due = [
            pool.submit(record_part, *part, path)
            for path, part in parts.items()
            if not path.exists()
        ]
        for place, one in enumerate(due, start=1):
            one.result()
            print(f"{place} of {len(due)}", file=sys.stderr, flush=True)
    made = [pl.read_parquet(path) for path in parts]
    pl.concat([one for one in made if one.height]).write_parquet(RECORDED)


if __name__ == "__main__":
    main()
