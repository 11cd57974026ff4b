"""What does a training reach at each checkpoint?

``python benchmarks/checkpoints.py net letter n_layers=3 n_units=256`` trains a family's default,
changed by the settings that are named, on a table of ``constants/tables.py``. A line per
checkpoint: its steps, and the metric of validation and test rows; then the CPU seconds of the
training. A line holds for one seed.
"""

from __future__ import annotations

import argparse
import time

import yaml
from record_portfolios import make_cell, read_block, start

from rightfit.models.family import TrainingRun
from rightfit.models.registry import get_family
from rightfit.params.defaults import read_default

MAX_ROWS = {"train": 10_000, "validation": 4_000, "test": 10_000}


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("table")
    parser.add_argument("settings", nargs="*", help="name=value")
    asked = parser.parse_args()
    start()
    made = make_cell(asked.table, asked.model, MAX_ROWS)
    if made is None:
        raise SystemExit(f"{asked.model} does not learn {asked.table}")
    cell, test = made
    changes = dict(setting.split("=", 1) for setting in asked.settings)
    configuration = {
        **cell.params.fixed,
        **(cell.default() or {}),
        **{name: yaml.safe_load(value) for name, value in changes.items()},
    }
    family = get_family(read_block(asked.model).family)
    family.load_libraries()
    training = read_default("training")
    run = TrainingRun(configuration, cell.train, training["n_checkpoints"], training["seed"])
    spent_ns, begun_ns = 0, time.process_time_ns()
    for checkpoint in family.train(run):
        spent_ns += time.process_time_ns() - begun_ns
        validation, tested = (
            cell.quality.score(rows.labels, family.predict(checkpoint.model, rows.rows))
            for rows in (cell.validation, test)
        )
        print(
            f"{checkpoint.n_steps} steps: {cell.quality.name} {validation:.4f} of validation rows, "
            f"{tested:.4f} of test rows",
            flush=True,
        )
        begun_ns = time.process_time_ns()
    print(f"{len(cell.train.labels)} rows, {spent_ns / 1e9:.1f} CPU seconds")


if __name__ == "__main__":
    main()
