"""What a request costs, beside an earlier version: ``make bench-request BEFORE=COMMIT``, quiet.

Wants the results of a finished main job. Its winners and one candidate of each of its cells answer
whole requests, raw columns in, encoder and model in one graph, with one thread. Each version does
so in a process of its own; both share a core and are timed in turns of milliseconds, in random
order. Requests come as lists, as NumPy arrays and as frames of polars.

Ends with one line of JSON, ratios of the earlier version's time to this one's:

- ``request_gain_1``, ``_32``, ``_256``, ``_2048``, ``_16384``: by rows of a request, as geometric
  means over models and forms; ``request_worst``: the lowest of any model, form and size;
- ``answers_differ``: awkward requests with another answer, to the bit, or another refusal, of
  ``n_awkward``; ``refusals_clearer``: refused before in words of ONNX Runtime,
  NumPy or Python, now in Rightfit's;
- ``whole_to_graph_1``, ``whole_to_graph_2048``: the whole call of this version against the graph
  alone on tensors made before, of products, one row of lists and 2,048 rows of arrays, the highest;
  ``before_...``: of the earlier version.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from main_job import PROJECT, _checked_out
from serving_search import find_kind, read_models

from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.row_reading import make_raw_rows
from rightfit.models.bundle import ONNX_FILE
from rightfit_kedro.grid import read_grid
from rightfit_kedro.stored_results import ProjectLocation

SIZES = (1, 32, 256, 2_048, 16_384)
FORMS = ("lists", "arrays", "polars")
SLICE_S = 0.003
LIBRARY_WORDS = ("ONNXRuntimeError", "setting an array element", "values to unpack")
MIN_PAIRS = 7


class Version:
    """A version's process.

    Args:
        source: Its ``src``.
        core: The core that it runs on.
    """

    def __init__(self, source: Path, core: int) -> None:
        worker = str(Path(__file__).with_name("request_worker.py"))
        environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(  # noqa: S603 - this program's own arguments
            [sys.executable, worker],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(self.process.pid, {core})

    def ask(self, *request: Any) -> Any:
        """Have it do something; return its answer."""
        written, read = self.process.stdin, self.process.stdout
        if written is None or read is None:
            raise TypeError("the process has no pipes")
        written.write(json.dumps(request) + "\n")
        written.flush()
        line = read.readline()
        if not line:
            raise SystemExit(f"A worker ended at {request}")
        return json.loads(line)

    def ask_well(self, *request: Any) -> Any:
        """As :meth:`ask`; end where it fails."""
        reply = self.ask(*request)
        if isinstance(reply, dict) and set(reply) == {"error"}:
            raise SystemExit(f"{request}: {reply['error']}")
        return reply


def main() -> None:
    """Measure all models and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--before", default="HEAD^", help="commit or checkout of the other version")
    parser.add_argument("--project", type=Path, default=Path(), help="with a finished main job")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each figure and version")
    parser.add_argument("--only", default="", help="models whose name contains it")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--forms", nargs="*", default=FORMS)
    parser.add_argument("--no-awkward", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random.seed(asked.seed)
    core = max(os.sched_getaffinity(0))
    with contextlib.ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
        source = Path(asked.before)
        if not source.is_dir():
            source = kept.enter_context(_checked_out(asked.before, folder / "before"))
        versions = [Version(place.resolve() / "src", core) for place in (source, PROJECT)]
        place = ProjectLocation(folder=asked.project.resolve())
        results, families = place.open_results(), read_grid(place.read_parameters()).families
        measured = [
            measure_model(versions, name, kind, files, folder, asked)
            for name, kind, files in store_models(results, families, folder)
            if asked.only in name
        ]
        print(json.dumps(summarise(measured)))
        for version in versions:
            version.process.terminate()


def store_models(
    results: Any, families: Iterable[str], folder: Path
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, kind, and the files of model, encoder and raw rows of the models to measure."""
    models: dict[str, tuple[Any, Any, Any]] = {}
    for name, bundle, encoder, rows in read_models(results, everything=False):
        models[name] = bundle, encoder, rows
    seen = {bundle.sha256 for bundle, _, _ in models.values()}
    for winner, (_, encoder, rows) in list(models.items()):
        dataset = winner.partition(",")[0]
        for model in families:
            cell = f"{dataset}.{model}.candidates"
            if cell in seen or not results.list_versions(cell):
                continue
            seen.add(cell)
            bundles = results.load_newest(cell).values()
            others = [one for one in bundles if one.sha256 not in seen and ONNX_FILE in one.files]
            if others:
                models[f"{dataset}, {others[0].path.name}"] = others[0], encoder, rows
    for number, (name, (bundle, encoder, rows)) in enumerate(models.items()):
        encoder_file, rows_file = folder / f"{number}.json", folder / f"{number}.npy"
        encoder_file.write_text(json.dumps(encoder))
        np.save(rows_file, make_raw_rows(rows, list_inputs(encoder)))
        model_file = bundle.path / ONNX_FILE
        yield name, find_kind(model_file), [str(model_file), str(encoder_file), str(rows_file)]


def measure_model(
    versions: list[Version],
    name: str,
    kind: str,
    files: list[str],
    folder: Path,
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """Return ratios and differences of one model."""
    for number, version in enumerate(versions):
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        version.ask_well("open", *files, str(place))
    found: dict[str, Any] = {"name": name, "kind": kind, "gains": {}, "shares": {}}
    for form in asked.forms:
        for n_rows in asked.sizes:
            faults = [version.ask("prepare", form, n_rows) for version in versions]
            if any(faults):  # what the earlier version cannot read, as images in a frame
                print(f"{name:36} {form:7} {n_rows:6} not compared: {faults}", flush=True)
                continue
            times = take_turns(versions, asked.seconds)
            before_ns, now_ns = times["whole"]
            found["gains"][form, n_rows] = before_ns / now_ns
            found["shares"][form, n_rows] = [
                whole / graph for whole, graph in zip(*times.values(), strict=True)
            ]
            before, now = found["shares"][form, n_rows]
            print(
                f"{name:36} {kind:9} {form:7} {n_rows:6} {before_ns / 1000:10.1f} -> "
                f"{now_ns / 1000:9.1f} us x {before_ns / now_ns:6.2f}; "
                f"whole / graph {before:5.2f} -> {now:5.2f}",
                flush=True,
            )
    tried = [{}, {}] if asked.no_awkward else [one.ask_well("try_awkward") for one in versions]
    found["n_awkward"] = len(tried[0])
    differ = [key for key in tried[0] if tried[0][key] != tried[1].get(key)]
    found["clearer"] = [
        key
        for key in differ
        if any(words in tried[0][key] for words in LIBRARY_WORDS)
        and tried[1].get(key, "").startswith("ValueError: ")
        and not any(words in tried[1][key] for words in LIBRARY_WORDS)
    ]
    found["differ"] = [key for key in differ if key not in found["clearer"]]
    for key in found["differ"][:10]:
        print(f"    {key}:\n        {tried[0][key][:200]}\n        {str(tried[1].get(key))[:200]}")
    return found


def take_turns(versions: list[Version], seconds: float) -> dict[str, list[float]]:
    """Return the nanoseconds of whole calls and of the graph alone, of each version."""
    figures: dict[str, list[float]] = {}
    for what in ("whole", "graph"):
        slices: list[list[float]] = [[] for _ in versions]
        spent_ns = 0.0
        budget_ns = seconds * 1e9 * len(versions) / (1 if what == "whole" else 3)
        order = list(range(len(versions)))
        while spent_ns < budget_ns or len(slices[0]) < MIN_PAIRS:
            random.shuffle(order)
            for place in order:
                slices[place].append(versions[place].ask("time_slice", what, SLICE_S))
                spent_ns += max(slices[place][-1], SLICE_S * 1e9)
        figures[what] = [statistics.median(times) for times in slices]
    return figures


def summarise(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the last line."""
    gains = [(*key, gain) for one in measured for key, gain in one["gains"].items()]
    figures: dict[str, Any] = {"n_models": len(measured)}
    for n_rows in sorted({size for _, size, _ in gains}):
        of_size = [gain for _, size, gain in gains if size == n_rows]
        figures[f"request_gain_{n_rows}"] = round(statistics.geometric_mean(of_size), 3)
    for form in dict.fromkeys(form for form, _, _ in gains):
        of_form = [gain for kind, _, gain in gains if kind == form]
        figures[f"request_gain_{form}"] = round(statistics.geometric_mean(of_form), 3)
    figures["request_worst"] = round(min(gain for _, _, gain in gains), 3)
    figures["answers_differ"] = sum(len(one["differ"]) for one in measured)
    figures["refusals_clearer"] = sum(len(one["clearer"]) for one in measured)
    figures["n_awkward"] = sum(one["n_awkward"] for one in measured)
    for key, label in ((("lists", 1), "1"), (("arrays", 2_048), "2048")):
        shares = [
            one["shares"][key]
            for one in measured
            if key in one["shares"] and one["kind"] == "products"
        ]
        if shares:
            before, now = (max(pair[i] for pair in shares) for i in (0, 1))
            figures[f"whole_to_graph_{label}"] = round(now, 2)
            figures[f"before_whole_to_graph_{label}"] = round(before, 2)
    return figures


if __name__ == "__main__":
    main()
