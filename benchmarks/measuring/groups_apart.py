"""Do intervals hold what profiles are told to take in another run, which only the reference joins?

``groups_apart.py DATA_ROOT DATA_ROOT...`` compares the profiles that several runs of one project
measured in six processes and more. Printed for each metric: how often two intervals hold the
difference of two runs, without and with the error of a group's blocks, and what two intervals
reach, in logarithms.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.interval import Interval
from rightfit.measuring.metrics import MetricTable
from rightfit.measuring.profiles.measured import Measured, tell_at_usual_speed
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams

METRICS = (
    MetricTable.latency_p50_ms,
    MetricTable.latency_p95_ms,
    MetricTable.latency_p99_ms,
    MetricTable.throughput_rows_per_s,
)
SETTINGS = EvaluationParams.model_validate(read_default("evaluation")).settings
MIN_ROUNDS = 6


def main() -> None:
    """Print two lines for each metric."""
    for metric, is_apart in itertools.product(METRICS, (False, True)):
        differences, reaches = [], []
        runs = [tell_run(Path(root), is_apart=is_apart) for root in sys.argv[1:]]
        for first, second in itertools.combinations(runs, 2):
            for key in first.keys() & second.keys():
                pair = (first[key], second[key])
                ours, theirs = (one.interval(metric) for one in pair)
                if isinstance(ours, str) or isinstance(theirs, str):
                    continue
                if metric.depends_on_batch and pair[0].batch_size != pair[1].batch_size:
                    continue
                differences.append(abs(math.log(ours.value / theirs.value)))
                reaches.append(math.hypot(find_reach(ours), find_reach(theirs)))
        print(
            f"{metric.column}, {'with' if is_apart else 'without'} the error: "
            f"{len(reaches)} pairs, held {np.mean(np.less_equal(differences, reaches)):.3f}, "
            f"reach {np.median(reaches):.3f}"
        )


def tell_run(root: Path, *, is_apart: bool) -> dict[str, Measured]:
    """Return the undisturbed measurements of six processes and more of a run, by their keys."""
    store = JsonStore(root / "07_model_output" / "measurements")
    groups: dict[str, dict[str, MeasurementState]] = defaultdict(dict)
    reference = MeasurementState()
    for key in list(store.keys()):
        if key.startswith(("environment", "http", "predictions")):
            continue
        state = store.get_record(key, MeasurementState)
        if state is None or not state.rounds:
            continue
        if key.startswith("reference"):
            reference = state
        else:
            groups[state.rounds[0].block.partition(".")[0]][key] = state
    speed = Measured(reference, SETTINGS)
    found: dict[str, Measured] = {}
    for states in groups.values():
        group = [Measured(state, SETTINGS) for state in states.values()]
        told = tell_at_usual_speed(group, speed, is_apart=is_apart)
        found |= {
            key: one
            for key, one in zip(states, told, strict=True)
            if len(one.rounds) >= MIN_ROUNDS and not one.is_disturbed
        }
    return found


def find_reach(interval: Interval) -> float:
    """Return half an interval's width in logarithms; infinite where it is not known."""
    if interval.low is None or interval.high is None:
        return math.inf
    return math.log(interval.high / interval.low) / 2


if __name__ == "__main__":
    main()
