"""Benchmark of encoding: rows as they are prepared, and the same rows as they are served.

Run from the repository's root: ``python benchmarks/encoding.py``. For numbers, categories, texts
and images, a fresh process makes rows and an encoder, encodes a few rows to warm up, and then all
of them in one way:

- ``prepared``: as ``data_engineering`` does it;
- ``graph``: the encoder as one ONNX graph, as it is served, in batches;
- ``numpy``: as requests are encoded before a native model.

The last line is JSON: seconds, and MiB by which the process' peak exceeds what it held before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rightfit.families.onnx_session import open_session
from rightfit.preparation.encoding import apply_encoder, fit_encoder_steps
from rightfit.preparation.spec import Features, Image
from rightfit.request_path.encoder import name_features
from rightfit.request_path.encoder_graph import build_encoder
from rightfit.request_path.opening import compile_encoder
from rightfit.request_path.raw_inputs import list_inputs
from rightfit.request_path.usage import Columns, make_feed

N_FITTED = 20_000
N_BATCH = 16_384
N_WARM_UP = 10
SHARES = {"numbers": 1.0, "categories": 1.0, "texts": 0.05, "images": 0.02}  # of the rows asked for
WAYS = ("prepared", "graph", "numpy")


def make_rows(kind: str, n_rows: int) -> tuple[pl.DataFrame, Features]:
    """Make rows of one kind of column."""
    rng = np.random.default_rng(0)
    if kind == "numbers":
        columns = {f"x{i}": pl.Series(rng.normal(size=n_rows)) for i in range(20)}
        return pl.DataFrame(columns), Features(numeric=tuple(columns))
    if kind == "categories":
        names = pl.Series([f"category {i}" for i in range(12)])
        columns = {f"c{i}": names.gather(rng.integers(0, 12, n_rows)) for i in range(3)}
        return pl.DataFrame(columns), Features(categorical=tuple(columns))
    if kind == "texts":
        words = np.array([f"word{i}" for i in range(3_000)])
        chosen = (rng.pareto(1, (n_rows, 30)) * 10).astype(int) % len(words)
        return pl.DataFrame({"t": [" ".join(row) for row in words[chosen]]}), Features(text=("t",))
    image = Image(column="i", shape=(28, 28, 1))
    return pl.DataFrame({"i": [rng.bytes(784) for _ in range(n_rows)]}), Features(image=image)


def open_way(
    way: str, kind: str, fitted: pl.DataFrame, features: Features
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return a function that encodes rows in one way, to a frame of float32."""
    encoder = fit_encoder_steps(features, fitted)
    if way == "prepared":
        return lambda rows: apply_encoder(encoder, rows)
    plain: Any = encoder.model_dump(mode="json")
    inputs = list_inputs(plain)
    if way == "graph":
        session = open_session(build_encoder(plain))
        names = name_features(encoder)

        def encode(columns: Columns) -> pl.DataFrame:
            return pl.from_numpy(session.run(None, make_feed(columns, inputs))[0], schema=names)
    else:
        compiled = compile_encoder(plain)

        def encode(columns: Columns) -> pl.DataFrame:
            return pl.from_numpy(compiled(columns))

    def encode_all(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([encode(_to_columns(part, kind)) for part in rows.iter_slices(N_BATCH)])

    return encode_all


def _to_columns(rows: pl.DataFrame, kind: str) -> Columns:
    if kind != "numbers":
        return rows.to_dict(as_series=False)
    return {name: rows[name].to_numpy() for name in rows.columns}


def measure(kind: str, way: str, *, n_rows: int) -> dict[str, float]:
    """Encode rows in this process; return seconds and MiB."""
    rows, features = make_rows(kind, n_rows)
    encode = open_way(way, kind, rows.head(N_FITTED), features)
    encode(rows.head(N_WARM_UP))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, started_s = read_mib("VmRSS"), time.perf_counter()
    encoded = encode(rows)
    seconds = time.perf_counter() - started_s
    return {"s": round(seconds, 2), "mib": round(read_mib("VmHWM") - before), "rows": len(encoded)}


def read_mib(key: str) -> float:
    """Return a size from the status of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(key))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure every kind and way in a process of its own and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of numbers and categories")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)  # of a fresh process
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(measure(*asked.only, n_rows=asked.rows)))
        return
    figures: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'':12}{'rows':>10}" + "".join(f"{way:>20}" for way in WAYS))
    for kind, share in SHARES.items():
        n_rows = int(asked.rows * share)
        figures[kind] = {way: run_fresh(kind, way, n_rows) for way in WAYS}
        told = (f"{one['s']:.2f} s, {one['mib']:.0f} MiB" for one in figures[kind].values())
        print(f"{kind:12}{n_rows:10}" + "".join(f"{text:>20}" for text in told), flush=True)
    print(json.dumps(figures))


def run_fresh(kind: str, way: str, n_rows: int) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--rows", str(n_rows), "--only", kind, way]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, float] = json.loads(ended.stdout)
    return found


if __name__ == "__main__":
    main()
