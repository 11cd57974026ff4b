"""Turn YAHPO Gym's surrogates into recordings that ``benchmarks/early_stopping.py`` can replay.

It needs the package ``yahpo_gym`` and its public data (``slds-lmu/yahpo_data``, Apache-2.0;
Pfisterer et al. 2022), neither of which comes with this project:

    python benchmarks/yahpo_recordings.py --data yahpo_data --out foreign --datasets 3945 7593

``lcbench`` gives the family ``net`` (validation accuracy and time by epoch), ``rbv2_xgboost`` the
family ``boosting`` (accuracy and training time by rounds). Surrogates have no serving costs, so
these are modelled from the structure: nets at 5 GFLOP/s, trees at 1.2 ns a comparison, errors of
10 % on timings and 1 % on memory. Accuracies get seeded noise, since surrogates have none.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

N_CONFIGURATIONS, N_LOOKS, SEED = 48, 6, 7
TRIAL_NOISE, LOOK_NOISE = 0.005, 0.003  # standard deviations, of accuracy
TIMING_NOISE, MEMORY_NOISE = 0.1, 0.01  # of the logarithm
SERVINGS = (("native", 1), ("native", 2), ("onnx", 1), ("onnx", 2))
NET_NS_PER_OPERATION, TREE_NS_PER_COMPARISON = 0.2, 1.2
BASE_MIB = {"native": 220.0, "onnx": 58.0}


@dataclass(frozen=True)
class Scenario:
    """Where a family's curves come from.

    Args:
        name: YAHPO's scenario.
        model: Name of the family here.
        length: The setting that counts epochs or rounds.
        quality: The target that is the accuracy.
        time: The target that is the training time, in seconds up to that length.
        scale: Of the accuracy, to lie between 0 and 1.
    """

    name: str
    model: str
    length: str
    quality: str
    time: str
    scale: float


SCENARIOS = (
    Scenario("lcbench", "net", "epoch", "val_accuracy", "time", 0.01),
    Scenario("rbv2_xgboost", "boosting", "nrounds", "acc", "timetrain", 1.0),
)


def main() -> None:
    """Sample configurations of every dataset, ask the surrogates, write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of yahpo_data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", required=True, help="OpenML task ids")
    options = parser.parse_args()
    from yahpo_gym import BenchmarkSet, local_config

    local_config.init_config()
    local_config.set_data_path(str(options.data))
    curves: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []
    for scenario in SCENARIOS:
        benchmark = BenchmarkSet(scenario.name)
        for dataset in options.datasets:
            if dataset in benchmark.instances:
                benchmark.set_instance(dataset)
                rng = np.random.default_rng([SEED, int(dataset), len(scenario.name)])
                record_dataset(benchmark, scenario, dataset, rng, curves, profiles)
    options.out.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(curves, infer_schema_length=None).write_parquet(options.out / "curves.parquet")
    pl.DataFrame(profiles).write_parquet(options.out / "profiles.parquet")
    models = {"net": {"growth": "constant"}, "boosting": {"growth": "affine"}}
    (options.out / "models.yml").write_text(yaml.safe_dump({"models": models}))


def record_dataset(
    benchmark: Any,
    scenario: Scenario,
    dataset: str,
    rng: np.random.Generator,
    curves: list[dict[str, Any]],
    profiles: list[dict[str, Any]],
) -> None:
    """Add a dataset's rows: curves at doubling lengths, and what the finished models cost."""
    space = benchmark.get_opt_space(drop_fidelity_params=False, seed=int(rng.integers(2**31)))
    drawn = space.sample_configuration(N_CONFIGURATIONS)
    for index, configuration in enumerate(dict(one) for one in drawn):
        whole = 52 if scenario.length == "epoch" else int(configuration[scenario.length])
        lengths = [max(1, round(whole / 2**back)) for back in range(N_LOOKS - 1, -1, -1)]
        answers = benchmark.objective_function(
            [configuration | {scenario.length: n} for n in lengths]
        )
        noise = rng.normal(0, TRIAL_NOISE) + rng.normal(0, LOOK_NOISE, N_LOOKS)
        qualities = [
            float(np.clip(answer[scenario.quality] * scenario.scale + bump, 0, 1))
            for answer, bump in zip(answers, noise, strict=True)
        ]
        seconds = np.maximum.accumulate([max(answer[scenario.time], 0.0) for answer in answers])
        keys = {"dataset": dataset, "model": scenario.model, "index": index}
        fixed = {"export_cpu_s": 0.5, "snapshot": False, "configuration": json.dumps(configuration)}
        for look, n_steps in enumerate([0, *lengths]):
            structure = describe_structure(scenario, configuration, n_steps)
            curves.append(
                {
                    **keys,
                    "checkpoint": look,
                    "n_steps": n_steps,
                    "quality": qualities[look - 1] if look else None,
                    "quality_raw": qualities[look - 1] if look else None,
                    "fit_cpu_s": float(seconds[look - 1]) if look else 0.0,
                    "validate_cpu_s": 0.01 * float(seconds[look - 1]) if look else 0.0,
                    "fit_time_s": float(seconds[look - 1]) if look else None,
                    "step_time_ms": 1e3 * float(seconds[look - 1]) / n_steps if look else None,
                    "fit_peak_memory_mib": 100.0 if look else None,
                    "fit_cpu_cores": 1.0 if look else None,
                    "structure": None if structure is None else json.dumps(structure),
                    **fixed,
                }
            )
        structure = describe_structure(scenario, configuration, whole) or {}
        profiles += [
            {**keys, "checkpoint": N_LOOKS, "quality": qualities[-1], **row}
            for row in model_costs(scenario, structure, rng)
        ]


def describe_structure(
    scenario: Scenario, configuration: dict[str, Any], n_steps: int
) -> dict[str, float] | None:
    """Return the counts of a model; ``None`` before there is any tree."""
    if scenario.model == "net":
        units = float(configuration["max_units"])
        n_parameters = units * units * float(configuration["num_layers"]) / 2 + 100 * units
        return {"n_parameters": n_parameters, "n_operations": n_parameters}
    if not n_steps:
        return None
    depth = float(configuration["max_depth"])
    n_nodes = n_steps * min(2.0**depth, 256.0)
    return {"n_parameters": 3 * n_nodes, "n_operations": n_steps * depth}


def model_costs(
    scenario: Scenario, structure: dict[str, float], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Model what serving costs, with errors as real measurements have them."""
    ns = NET_NS_PER_OPERATION if scenario.model == "net" else TREE_NS_PER_COMPARISON
    row_ms = structure["n_operations"] * ns / 1e6
    weights_mib = structure["n_parameters"] * 4 / 2**20
    rows = []
    for runtime, n_threads in SERVINGS:
        one_ms = (row_ms + (0.1 if runtime == "native" else 0.01)) / n_threads**0.5
        p50, p95, p99, per_row = (
            one_ms * np.array([1, 1.2, 1.6, 0.5]) * np.exp(rng.normal(0, TIMING_NOISE, 4))
        )
        memory, one_row = np.exp(rng.normal(0, MEMORY_NOISE, 2))
        rows.append(
            {
                "runtime": runtime,
                "n_threads": n_threads,
                "device": "cpu",
                "latency_p50_ms": float(p50),
                "latency_p95_ms": float(max(p95, p50)),
                "latency_p99_ms": float(max(p99, p95, p50)),
                "throughput_rows_per_s": float(1e3 / per_row),
                "cpu_cores": 0.98 * n_threads,
                "peak_memory_mib": float((BASE_MIB[runtime] + 1.5 * weights_mib) * memory),
                "peak_memory_one_row_mib": float((BASE_MIB[runtime] + weights_mib) * one_row),
                "model_memory_mib": 1.5 * weights_mib,
                "model_size_mib": weights_mib,
                "measured_how": json.dumps({"measured_s": 1.0}),
            }
        )
    return rows


if __name__ == "__main__":
    main()
