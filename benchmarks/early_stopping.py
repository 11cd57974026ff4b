"""What early stopping saves and loses, replayed on recorded trainings.

The recordings in ``benchmarks/recorded`` come from ``kedro run --pipeline early_stopping`` (48
random configurations in each of 9 cells, trained to the end and measured; 2 cores, no GPU, shared
host). Syne Tune's schedulers are compared where it is installed: ``pip install '.[bench]'``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from rightfit.tuning.experiment.experiment import Experiment, run_experiment
from rightfit.tuning.experiment.known_early import tabulate_known_early
from rightfit.tuning.experiment.savings import headline, summarise_cells, summarise_savings
from rightfit.tuning.experiment.standard_experiment import make_experiment
from rightfit.tuning.judge.stopping_rules import RuleParams

HERE = Path(__file__).resolve().parent
CONF = HERE.parent / "conf" / "base"


def make_compared(**arguments: Any) -> Experiment:
    """Make the standard experiment, with Syne Tune's schedulers where they are installed."""
    experiment = make_experiment(**arguments)
    if importlib.util.find_spec("syne_tune") is None:
        return experiment
    sys.path.insert(0, str(HERE))
    from syne_tune_policies import SyneTunePolicy

    others = {
        "moasha": lambda applications: SyneTunePolicy("moasha"),  # noqa: ARG005
        "syne_tune_median": lambda applications: SyneTunePolicy("median"),  # noqa: ARG005
    }
    return replace(experiment, policies={**experiment.policies, **others})


def main() -> None:
    """Replay, print the tables, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=HERE / "recorded")
    parser.add_argument("--n-orders", type=int, default=None)
    parser.add_argument("--seed", type=int, default=None, help="of the orders")
    parser.add_argument("--min-gain", type=float, default=None)
    parser.add_argument("--finishing-share", type=float, default=None)
    parser.add_argument("--luck", type=float, default=0.0, help="in the validation of quality")
    parser.add_argument("--unaware", action="store_true", help="the judge takes luck for truth")
    options = parser.parse_args()
    params = _read("early_stopping")["replay"]
    changed = {"min_gain": options.min_gain, "finishing_share": options.finishing_share}
    rules = _read("training")["rules"] | {
        key: value for key, value in changed.items() if value is not None
    }
    replays = run_experiment(
        make_compared,
        {
            "curves": options.recorded / "curves.parquet",
            "profiles": options.recorded / "profiles.parquet",
            "applications": _read("applications"),
            "models": yaml.safe_load((options.recorded / "models.yml").read_text())["models"],
            "rules": RuleParams.model_validate(rules),
            "n_orders": options.n_orders or params["n_orders"],
            "seed": params["seed"] if options.seed is None else options.seed,
            "luck": options.luck,
            "knows_luck": not options.unaware,
        },
        n_workers=params["n_workers"],
        on_task=lambda done, n: print(f"{done}/{n}", end="\r", file=sys.stderr, flush=True),
    )
    summary = summarise_savings(replays, seed=params["seed"])
    curves = pl.read_parquet(options.recorded / "curves.parquet")
    profiles = pl.read_parquet(options.recorded / "profiles.parquet")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, float_precision=4):
        print(summarise_cells(replays).sort("policy", "cell", "application"))
        print(tabulate_known_early(curves, profiles))
        print(summary)
    print(json.dumps({k: _round(v) for k, v in headline(summary, replays).items()}))


def _read(block: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / f"parameters_{block}.yml").read_text())[block]
    return content


def _round(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
