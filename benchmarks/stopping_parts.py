"""What each part of the pausing rule adds: recordings replayed with one part switched off.

Our rule alone, families of a dataset in sequence; ``python benchmarks/early_stopping.py`` compares
it with others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import yaml

import rightfit_study.early_stopping.experiment as replaying
from rightfit.parameters.defaults import read_default
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing import (
    expected_utility,
    pausing_rule,
    quality_projection,
    serving_costs,
)
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.priors import Prior
from rightfit_study.early_stopping.experiment import (
    SCHEMA,
    Experiment,
    ReplayTask,
    replay_task,
)
from rightfit_study.early_stopping.peers import Policy
from rightfit_study.early_stopping.recorded import learn_elsewhere, read_cells
from rightfit_study.early_stopping.savings import summarise_savings

HERE = Path(__file__).resolve().parent
NOWHERE = 1e9
COLUMNS = ("saved", "regret_mean", "regret_p95", "n_lost", "n_feasible", "trained", "overhead_pct")


@dataclass(frozen=True)
class Ablation:
    """A part that is switched off.

    Args:
        part: What is missing.
        constants: Module, name and value of what is replaced.
        pausing: Values of ``PausingParams`` that are replaced.
    """

    part: str
    constants: tuple[tuple[object, str, object], ...] = ()
    pausing: dict[str, float] = field(default_factory=dict)


def _keep(*kept: str) -> Callable[..., Prior]:
    """Return a way to learn from other datasets that keeps only what is named."""

    def learn(cell: object, cells: object) -> Prior:
        whole = LEARN(cell, cells)  # type: ignore[arg-type]
        return Prior(**{name: getattr(whole, name) for name in kept})

    return learn


LEARN = learn_elsewhere
ABLATIONS = (
    Ablation("nothing"),
    Ablation("priors", ((replaying, "learn_elsewhere", _keep()),)),
    Ablation("prior of costs", ((replaying, "learn_elsewhere", _keep("quality")),)),
    Ablation("prior of quality", ((replaying, "learn_elsewhere", _keep("lines")),)),
    Ablation(
        "learning of costs",
        ((serving_costs, "N_FOR_A_FIT", NOWHERE), (serving_costs, "N_TO_REPLACE", NOWHERE)),
    ),
    Ablation(
        "learning of quality",
        (
            (quality_projection, "SLOPE_WEIGHT", NOWHERE),
            (quality_projection, "RISE_WEIGHT", NOWHERE),
            (quality_projection, "SPREAD_WEIGHT", NOWHERE),
        ),
    ),
    Ablation("trend", ((quality_projection, "TREND", 0.0),)),
    Ablation("less weight of those far behind", ((quality_projection, "NEAR", NOWHERE),)),
    Ablation("heavy tails", ((expected_utility, "SURPRISES", expected_utility.ERRORS),)),
    Ablation("growth of costs from look to look", ((pausing_rule, "GROWTH_WEIGHT", NOWHERE),)),
    Ablation("root of the cost (gain per second)", pausing={"cost_exponent": 1.0}),
    Ablation("cost (gain alone)", pausing={"cost_exponent": 1e-6}),
    Ablation("giving up on infeasible applications", pausing={"min_feasible_probability": 0.0}),
)


def main() -> None:
    """Replay without each part, print a line each, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=HERE / "recorded")
    parser.add_argument("--applications", type=Path, default=HERE / "applications.yml")
    parser.add_argument("--datasets", nargs="+", default=None, help="only these")
    parser.add_argument("--parts", nargs="+", default=None, help="only these")
    parser.add_argument("--n-orders", type=int, default=2, help="sequences of the families")
    options = parser.parse_args()
    pausing = read_default("training")["pausing"]
    asked = Applications.model_validate(_read(options.applications)["applications"])
    applications = dict(asked.items())
    models = _read(options.recorded / "models.yml")["models"]
    growth = {name: block["growth"] for name, block in models.items() if "growth" in block}
    curves, profiles = (
        pl.read_parquet(options.recorded / f"{name}.parquet") for name in ("curves", "profiles")
    )
    cells = read_cells(curves, profiles, growth)
    found = {}
    for ablation in ABLATIONS:
        if options.parts is not None and ablation.part not in options.parts:
            continue
        experiment = Experiment(
            cells,
            applications,
            PausingParams.model_validate(pausing | ablation.pausing),
            n_orders=options.n_orders,
            seed=7,
            datasets=options.datasets or list(dict.fromkeys(cell.dataset for cell in cells)),
        )
        found[ablation.part] = _replay(experiment, ablation)
        figures = ", ".join(f"{name} {value:.4g}" for name, value in found[ablation.part].items())
        print(f"without {ablation.part}: {figures}", flush=True)
    print(json.dumps(found))


def _replay(experiment: Experiment, ablation: Ablation) -> dict[str, float]:
    policy = Policy("pausing", experiment.params.min_gain, "rule")
    rows = []
    patches = [patch.object(*constant) for constant in ablation.constants]
    for one in patches:
        one.start()
    try:
        for dataset in experiment.datasets:
            for order in range(experiment.n_orders):
                rows += replay_task(experiment, ReplayTask(dataset, policy, order))
    finally:
        for one in patches:
            one.stop()
    summary = summarise_savings(pl.DataFrame(rows, schema=SCHEMA)).row(0, named=True)
    return {name: float(np.round(summary[name], 4)) for name in COLUMNS}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


if __name__ == "__main__":
    main()
