"""What a request of raw columns takes: in one graph, and by Python encoding plus a session call.

Each shipped dataset is prepared and a linear model trained. Then single requests, Python values as
a server gets them, are answered in two ways that take turns, so that a machine that gets slower
does so for both alike:

- ``graph``: encoder and model in one ONNX graph, as ``rightfit export`` writes it;
- ``numpy``: the encoder in numpy, as before a native model, then a session call.

Printed are median latencies in microseconds and how many times the graph's the other takes. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from measured_models import CONFIGURATIONS

from rightfit.families.bundle import write_bundle
from rightfit.families.bundle_exports import add_onnx
from rightfit.families.family import TrainingData, TrainingRun
from rightfit.families.registry import get_family
from rightfit.families.runtimes import open_predictor
from rightfit.families.schema import InputSchema
from rightfit.preparation.assembling import assemble
from rightfit.preparation.block import complete_block
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.encoding import apply_encoder, fit_encoder_steps
from rightfit.profiling.worker.latency import time_calls, warm_up
from rightfit.profiling.worker.units import NS_PER_MS
from rightfit.request_path.encoder import Encoder, name_features
from rightfit.request_path.encoder_graph import join_encoder
from rightfit.request_path.opening import compile_encoder
from rightfit.request_path.raw_inputs import list_inputs
from rightfit.request_path.usage import open_graph

PROJECT = Path(__file__).resolve().parents[2]
N_TRAIN, N_REQUESTS = 2_000, 1_024
NS_PER_US = 1_000

Ways = dict[str, Callable[[Any], object]]


@dataclass(frozen=True)
class Prepared:
    """A dataset's encoder, its raw rows and their classes."""

    encoder: Encoder
    rows: pl.DataFrame
    n_classes: int


def prepare(name: str) -> Prepared:
    """Assemble a shipped dataset and fit its encoder."""
    text = (PROJECT / "conf" / "base" / "parameters_datasets.yml").read_text()
    block = DatasetBlock.model_validate(yaml.safe_load(text)["datasets"][name])
    raw = PROJECT / "data" / "01_raw"
    tables = {table: pl.read_parquet(raw / f"{table}.parquet") for table in block.tables}
    spec = complete_block(block, tables, dataset_name=name).spec
    rows, _ = assemble(spec, tables)
    encoder = fit_encoder_steps(spec.features, rows.filter(pl.col("part") == "train"))
    return Prepared(encoder, rows, len(spec.target.classes))


def open_ways(prepared: Prepared, folder: Path) -> Ways:
    """Train a model and open it in every way; each takes a request of raw columns."""
    encoder = prepared.encoder
    sample = prepared.rows.sample(min(N_TRAIN, prepared.rows.height), seed=1)
    encoded = np.ascontiguousarray(apply_encoder(encoder, sample).to_numpy(), dtype=np.float32)
    classes = tuple(f"class {i}" for i in range(prepared.n_classes))
    labels = np.arange(sample.height) % prepared.n_classes  # latency does not depend on them
    data = TrainingData(encoded, labels, InputSchema(name_features(encoder), classes, None))
    configuration = CONFIGURATIONS["linear"]
    *_, last = get_family("linear").train(TrainingRun(configuration, data))
    bundle = add_onnx(
        write_bundle(
            folder / "linear",
            last.model,
            model="linear",
            family="linear",
            configuration=configuration,
            schema=data.schema,
            data_version="benchmark",
        ),
        encoded,
    )
    plain: Any = encoder.model_dump(mode="json")
    graph = folder / "graph.onnx"
    graph.write_bytes(join_encoder(bundle.path / "model.onnx", plain))
    model = open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")
    encode = compile_encoder(plain)

    def by_numpy(columns: dict[str, list[Any]]) -> object:
        return model(encode(columns))

    return {
        "graph": open_graph(graph, list_inputs(plain), n_threads=1, device="cpu"),
        "numpy": by_numpy,
    }


def time_ways(
    ways: Ways, requests: Sequence[Any], *, n_turns: int, turn_ms: int
) -> dict[str, float]:
    """Return the median latency of each way in microseconds."""
    samples: dict[str, list[Any]] = {name: [] for name in ways}
    for call in ways.values():
        warm_up(call, requests, max_ns=turn_ms * NS_PER_MS)
    for _ in range(n_turns):
        for name, call in ways.items():
            max_ns = turn_ms * NS_PER_MS
            samples[name].append(
                time_calls(call, requests, min_calls=1, min_ns=max_ns, max_ns=max_ns)
            )
    return {
        name: float(np.median(np.concatenate(found))) / NS_PER_US for name, found in samples.items()
    }


def make_requests(prepared: Prepared) -> list[dict[str, list[Any]]]:
    """Return requests of one row each, as they come out of JSON."""
    columns = list(dict.fromkeys(step.column for step in prepared.encoder.steps))
    rows = prepared.rows.sample(min(N_REQUESTS, prepared.rows.height), seed=2).select(columns)
    return [row.to_dict(as_series=False) for row in rows.iter_slices(1)]


def main() -> None:
    """Measure every dataset and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--datasets", nargs="+", default=["landsat", "fashion_mnist", "flights", "shuttle"]
    )
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--turn-ms", type=int, default=100)
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    print(f"{'dataset':14}{'graph':>10}{'numpy':>10}  numpy/graph  (µs)")
    for name in options.datasets:
        prepared = prepare(name)
        with tempfile.TemporaryDirectory(prefix="rightfit-") as folder:
            ways = open_ways(prepared, Path(folder))
            found = time_ways(
                ways, make_requests(prepared), n_turns=options.turns, turn_ms=options.turn_ms
            )
        ratio = found["numpy"] / found["graph"]
        figures[name] = {f"{way}_us": us for way, us in found.items()} | {"numpy_ratio": ratio}
        print(f"{name:14}{found['graph']:10.1f}{found['numpy']:10.1f}{ratio:13.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
