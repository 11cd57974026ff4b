"""Does ``rightfit check`` notice a winner that got 30 % slower, and leave an identical one alone?

The winner is an ONNX file of equal layers, measured as ``rightfit measure`` does; the slower one
has 30 % more of them. A baseline is measured once. Then both are measured again and again, in
turns, and compared with it. Ends with one line of JSON: the shares of the slower ones that were
noticed, and of the identical ones that were reported.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
from factories.onnx_files import write_onnx
from onnx import TensorProto, helper

from rightfit.evaluation.own_models import measure_file
from rightfit.serving.baseline import Baseline, KeptWinner, compare_baselines, read_figures

WIDTH = 256
N_LAYERS = 40
N_SLOWER = 52  # 30 % more
ASKED = ("latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib")
MARGIN_PCT = 5.0


def write_layers(path: Path, n_layers: int) -> Path:
    """Write a model of so many equal layers."""
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5).astype(np.float32)
    names = ["x", *(f"h{i}" for i in range(n_layers - 1)), "y"]
    return write_onnx(
        path,
        [
            helper.make_node("MatMul", [before, "w"], [after])
            for before, after in itertools.pairwise(names)
        ],
        inputs={"x": (TensorProto.FLOAT, ["n", WIDTH])},
        outputs={"y": (TensorProto.FLOAT, ["n", WIDTH])},
        weights={"w": weights},
    )


def measure_winner(path: Path, preset: str) -> Baseline:
    """Measure a file as the winner of an application."""
    measured = measure_file(path, preset=preset)
    winner = KeptWinner(
        candidate="winner",
        model="winner",
        serving=measured.profile.serving,
        batch_size=measured.profile.best_batch_size,
        utility=None,
        metrics=read_figures(measured.profile, ASKED),
    )
    return Baseline(
        format_version=2, ranked_in="", machine=None, winners={"application": {"data": winner}}
    )


def fails(before: Baseline, path: Path, preset: str) -> bool:
    """Tell whether a check fails, after printing what it finds."""
    now = measure_winner(path, preset)
    (found,) = compare_baselines(before, now, margin_pct=MARGIN_PCT)
    winner = now.winners["application"]["data"]
    p50 = winner.metrics["latency_p50_ms"].value if winner else float("nan")
    print(f"{path.name}: p50 {p50:.4g} ms, {'; '.join(found.faults) or 'passes'}", flush=True)
    return bool(found.faults)


def compare_turns(preset: str, n_times: int) -> dict[str, float]:
    """Measure a baseline once, then the slower and the identical model in turns.

    Returns:
        Share of the slower ones that were noticed, and of the identical ones that were reported.
    """
    with tempfile.TemporaryDirectory() as folder:
        same = write_layers(Path(folder) / "same.onnx", N_LAYERS)
        slower = write_layers(Path(folder) / "slower.onnx", N_SLOWER)
        before = measure_winner(same, preset)
        found = [
            (fails(before, slower, preset), fails(before, same, preset)) for _ in range(n_times)
        ]
    detects, alarms = (sum(one) / len(found) for one in zip(*found, strict=True))
    return {"check_detects": detects, "check_false_alarms": alarms}


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--n-times", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(compare_turns(options.preset, options.n_times)))


if __name__ == "__main__":
    main()
