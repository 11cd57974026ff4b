"""What compiling a served graph gives: ``make bench-serving-search``, after ``make perf``.

Every winner of the project's last ranking answers whole requests of raw test rows, encoder and
model in one graph, with one thread, in two forms:

- *plain*: the model as its converter exports it, behind the encoder;
- *compiled*: as it is exported.

Both are open in one process and take turns in slices of a few milliseconds, in random order, so
that what the machine does meanwhile falls on both. What counts is the time that the calling thread
computes, which is the only one. ``--all`` measures every candidate.

Ends with one line of JSON:

- ``throughput_gain``: rows per second in batches of 2,048, compiled / plain, as the geometric mean
  over models; and the same by what a model computes, ``products``, ``trees``, ``kernels``, ...;
- ``latency_ratio``: time of requests of one row, compiled / plain, as the geometric mean;
- ``worst_gain``: the lowest gain in throughput of any model;
- ``labels_differ``: test rows that get another class, beside those whose two likeliest classes are
  closer than ``MARGIN`` (of a regression: values that differ by more than a thousandth of their
  standard deviation), and ``n_rows``, how many were compared.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.data.request_path.raw_rows import cut_input, cut_singles, take_first
from rightfit.data.request_path.row_reading import make_raw_rows
from rightfit.data.request_path.usage import open_graph
from rightfit.models.bundle import ONNX_FILE, Bundle
from rightfit_kedro.grid import read_grid
from rightfit_kedro.stored_answers import read_answers
from rightfit_kedro.stored_results import ProjectLocation, StoredResults
from rightfit_kedro.verbs.export import read_winning_model
from rightfit_search.families.registry import get_family

Answer = Callable[[Any], npt.NDArray[Any]]

BATCH_SIZE = 2_048
N_SINGLES = 256
SLICE_S = 0.004
MARGIN = 1e-4
VALUE_MARGIN = 1e-3
KINDS = {
    "TreeEnsembleClassifier": "trees",
    "TreeEnsembleRegressor": "trees",
    "SVMClassifier": "kernels",
    "SVMRegressor": "kernels",
    "Conv": "convolutions",
    "If": "cascades",
}


@dataclass(frozen=True)
class Measured:
    """What was measured of one model."""

    name: str
    kind: str
    throughput_gain: float
    latency_ratio: float
    n_rows: int
    n_labels_differ: int

    def __str__(self) -> str:
        return (
            f"{self.name:40} {self.kind:13} throughput x {self.throughput_gain:6.2f}, one "
            f"row x {self.latency_ratio:.2f}, "
            f"{self.n_labels_differ} of {self.n_rows} labels differ"
        )


def main() -> None:
    """Measure all models and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--all", action="store_true", help="candidates that did not win, too")
    parser.add_argument("--seconds", type=float, default=3, help="of each model and figure")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    place = ProjectLocation(folder=asked.project.resolve())
    families = read_grid(place.read_parameters()).families
    measured = []
    for name, bundle, encoder, rows in read_models(place.open_results(), everything=asked.all):
        measured.append(measure_model(name, bundle, families, encoder, rows, asked=asked))
        print(measured[-1], flush=True)
    by_kind: dict[str, list[float]] = {}
    for model in measured:
        by_kind.setdefault(model.kind, []).append(model.throughput_gain)
    gains = [model.throughput_gain for model in measured]
    means = {
        "throughput_gain": gains,
        **{f"throughput_gain_{kind}": of_kind for kind, of_kind in by_kind.items()},
        "latency_ratio": [model.latency_ratio for model in measured],
    }
    figures = {
        "n_models": len(measured),
        **{name: round(statistics.geometric_mean(values), 3) for name, values in means.items()},
        "worst_gain": round(min(gains), 3),
        "labels_differ": sum(model.n_labels_differ for model in measured),
        "n_rows": sum(model.n_rows for model in measured),
    }
    print(json.dumps(figures))


def read_models(
    results: StoredResults, *, everything: bool
) -> Iterator[tuple[str, Bundle, EncoderJson, Any]]:
    """Yield the name, bundle, encoder and raw test rows of models that ONNX Runtime serves."""
    seen: set[str] = set()
    answers = [answer for answer in read_answers(results) if answer.decision.winner is not None]
    rows: dict[str, Any] = {}
    for answer in answers:
        if answer.dataset not in rows:
            table = results.load_newest(f"{answer.dataset}.rows")
            rows[answer.dataset] = table.filter(part="test")
        model = read_winning_model(results, answer)
        bundles = {"": model.bundle}
        if everything:
            others = {profile.model for profile in answer.profiles}
            for other in others:
                bundles |= results.load_newest(f"{answer.dataset}.{other}.candidates")
        for candidate, bundle in bundles.items():
            label = candidate or f"{bundle.path.name} (winner)"
            if ONNX_FILE in bundle.files and bundle.sha256 not in seen:
                seen.add(bundle.sha256)
                yield f"{answer.dataset}, {label}", bundle, model.encoder, rows[answer.dataset]


def measure_model(
    name: str,
    bundle: Bundle,
    families: Mapping[str, str],
    encoder: EncoderJson,
    rows: Any,
    *,
    asked: argparse.Namespace,
) -> Measured:
    """Measure a model in both forms."""
    inputs = list_inputs(encoder)
    raw = make_raw_rows(rows, inputs)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "model.onnx")
        exported.write_bytes(export_plainly(bundle, families))
        kind = find_kind(exported)
        plain, compiled = (
            join_encoder(exported, encoder, compiles=compiles) for compiles in (False, True)
        )
    forms = [open_graph(graph, inputs, n_threads=1, device="cpu") for graph in (plain, compiled)]
    batch = cut_input(take_first(raw, BATCH_SIZE), 0, BATCH_SIZE)
    singles = cut_singles(take_first(raw, N_SINGLES), N_SINGLES)
    plain_s, compiled_s = take_turns(forms, [batch], asked=asked)
    plain_row_s, compiled_row_s = take_turns(forms, singles, asked=asked)
    parts: list[Any] = [
        cut_input(raw, start, start + BATCH_SIZE) for start in range(0, len(raw), BATCH_SIZE)
    ]
    expected, found = (np.concatenate([form(part) for part in parts]) for form in forms)
    return Measured(
        name,
        kind,
        throughput_gain=plain_s / compiled_s,
        latency_ratio=compiled_row_s / plain_row_s,
        n_rows=len(expected),
        n_labels_differ=count_differing(expected, found),
    )


def export_plainly(bundle: Bundle, families: Mapping[str, str]) -> bytes:
    """Return a model as its converter exports it; a cascade as it is stored."""
    if bundle.model not in families:
        return (bundle.path / ONNX_FILE).read_bytes()
    trusted = replace(bundle, family=families[bundle.model], is_trusted=True)
    family = get_family(families[bundle.model])
    return bytes(family.export_onnx(trusted.load_native(), bundle.schema))


def find_kind(exported: Path) -> str:
    """Return what a model computes most of the time."""
    import onnx

    operators = {node.op_type for node in onnx.load(exported).graph.node}
    return next((kind for name, kind in KINDS.items() if name in operators), "products")


def take_turns(
    functions: Sequence[Answer], requests: Sequence[Any], *, asked: argparse.Namespace
) -> list[float]:
    """Return the seconds of a call of each function, the median of slices in random order."""
    generator = random.Random(asked.seed)  # noqa: S311 - an order of turns
    slices: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function(requests[0])
    end_s = time.perf_counter() + asked.seconds * len(functions)
    order = list(range(len(functions)))
    while time.perf_counter() < end_s or len(slices[0]) < 5:
        generator.shuffle(order)
        first = generator.randrange(len(requests))
        for place in order:
            slices[place].append(_time_slice(functions[place], requests, first))
    return [statistics.median(times) for times in slices]


def _time_slice(function: Answer, requests: Sequence[Any], first: int) -> float:
    """Return the seconds a call has computed, as the mean of a slice."""
    n_calls = 0
    end_s = time.perf_counter() + SLICE_S
    started_s = time.thread_time()
    while not n_calls or time.perf_counter() < end_s:
        function(requests[(first + n_calls) % len(requests)])
        n_calls += 1
    return (time.thread_time() - started_s) / n_calls


def count_differing(expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> int:
    """Count rows whose answer differs by more than rounding."""
    if expected.shape[1] == 1:
        spread = float(expected.std()) or 1.0
        return int((np.abs(expected - found) > VALUE_MARGIN * spread).sum())
    second, first = np.sort(expected, axis=1)[:, -2:].T
    differs = expected.argmax(axis=1) != found.argmax(axis=1)
    return int((differs & (first - second > MARGIN)).sum())


if __name__ == "__main__":
    main()
