"""Benchmark of preparation: what memory a table takes that need not fit into it.

Run from the repository's root: ``python benchmarks/large_table.py``. Parquet files of one million
rows and ten columns each (numbers with gaps, a category, a time, a class) are written to a
temporary folder, some 50 MiB per million rows. A fresh process then prepares them as the pipeline
``data_engineering`` does: scan, infer the description, check every value, split by time, draw the
sample, fit the encoder, write the encoded parts and the data card. The last line is JSON:

- ``rows``: rows of the table;
- ``peak_mib``: peak of that process' resident memory, all libraries included;
- ``seconds``: wall time from its start to its end;
- ``kept_rows``: rows of the sample.

``--in-memory`` loads the table whole instead, for comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from rightfit.pipelines.data_engineering.nodes import (
    assemble_rows,
    check_raw_tables,
    encode_rows,
)
from rightfit.preparation.description import DatasetBlock
from rightfit.processes.json_store import JsonStore

ROWS_PER_FILE = 1_000_000
NUMBERS = tuple(f"x{i}" for i in range(6))
KINDS = ("bus", "car", "ferry", "plane", "train")
N_DAYS = 400


def write_table(folder: Path, n_rows: int) -> None:
    """Write the table's files."""
    for number, start in enumerate(range(0, n_rows, ROWS_PER_FILE)):
        part = make_rows(min(ROWS_PER_FILE, n_rows - start), seed=number)
        part.write_parquet(folder / f"{number:04d}.parquet")


def make_rows(n_rows: int, *, seed: int) -> pl.DataFrame:
    """Make rows whose class depends on two numbers."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(size=n_rows).astype(np.float32) for name in NUMBERS}
    is_late = numbers["x0"] + numbers["x1"] + rng.normal(size=n_rows) > 1
    return pl.DataFrame(
        {
            **numbers,
            "n_stops": rng.integers(0, 30, n_rows).astype(np.int16),
            "kind": rng.choice(KINDS, n_rows),
            "day": rng.integers(0, N_DAYS, n_rows).astype(np.int16),
            "late": np.where(is_late, "yes", "no"),
        }
    ).with_columns(x2=pl.when(pl.col("x2") > -1.5).then("x2"))


def prepare(folder: Path, n_kept: int, *, in_memory: bool) -> None:
    """Prepare the table as the nodes of the pipeline do, and print what that took."""
    block = DatasetBlock.model_validate(
        {
            "tables": ["trips"],
            "target": {"column": "late"},
            "split": {"method": "by_time", "share": 0.2, "time_columns": ["day"]},
            "validation": {"method": "by_time", "share": 0.2, "time_columns": ["day"]},
            "max_train_rows": n_kept,
            "max_test_rows": max(2, n_kept // 4),
        }
    )
    scan = pl.scan_parquet(folder / "*.parquet")
    table = scan.collect() if in_memory else scan
    inferred = JsonStore(folder / "inferred")
    spec, check = check_raw_tables(block, inferred, table, dataset_name="trips")
    rows, counts = assemble_rows(spec, check, table)
    _, *parts, card = encode_rows(spec, check, counts, rows, dataset_name="trips")
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        part.write_parquet(folder / f"{name}.encoded")
    (folder / "data_card.json").write_text(card.model_dump_json())
    figures = {
        "rows": card.rows.read,
        "peak_mib": round(read_peak_mib(), 1),
        "kept_rows": card.rows.kept,
        "data_version": card.data_version,
    }
    print(json.dumps(figures))


def read_peak_mib() -> float:
    """Return the largest resident memory that this process has had, in MiB."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Write the table, prepare it in a fresh process and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20 * ROWS_PER_FILE)
    parser.add_argument("--kept-rows", type=int, default=200_000, help="of the train split")
    parser.add_argument("--in-memory", action="store_true", help="load the table whole")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of the fresh process
    asked = parser.parse_args()
    if asked.folder is not None:
        prepare(asked.folder, asked.kept_rows, in_memory=asked.in_memory)
        return
    with tempfile.TemporaryDirectory(prefix="rightfit-large-table-") as name:
        write_table(Path(name), asked.rows)
        started_s = time.perf_counter()
        command = [sys.executable, *sys.argv, "--folder", name]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        seconds = round(time.perf_counter() - started_s, 1)
    print(json.dumps(json.loads(ended.stdout.splitlines()[-1]) | {"seconds": seconds}))


if __name__ == "__main__":
    main()
