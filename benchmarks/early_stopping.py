"""What early stopping saves and loses, replayed on recorded trainings.

The recordings in ``benchmarks/recorded`` come from ``kedro run --pipelines early_stopping`` (48
random configurations in each of 9 cells, trained to the end and measured; 2 cores, no GPU, shared
host). Any folder in the same format is replayed with ``--recorded``: see
``docs/explanation/evidence/early_stopping.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from rightfit.parameters.defaults import read_default
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit_study.early_stopping.experiment import Experiment, run_experiment
from rightfit_study.early_stopping.known_early import tabulate_known_early
from rightfit_study.early_stopping.recorded import read_cells
from rightfit_study.early_stopping.savings import headline, summarise_cells, summarise_savings
from rightfit_study.early_stopping.within_budget import compare_within

HERE = Path(__file__).resolve().parent
CONF = HERE.parent / "conf" / "base"
# Foreign datasets on which the rule's constants were chosen, 2026-11-25; judged on all others.
TUNED_ON = ("adult", "credit_g", "jannis", "krvskp", "phoneme", "segment")


def main() -> None:
    """Replay, print the tables, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=HERE / "recorded")
    parser.add_argument("--applications", type=Path, default=HERE / "applications.yml")
    parser.add_argument("--datasets", nargs="+", default=None, help="only these")
    parser.add_argument("--kinds", nargs="+", default=None, help="beside pausing, only these peers")
    parser.add_argument("--n-orders", type=int, default=None)
    parser.add_argument("--n-workers", type=int, default=None)
    parser.add_argument("--min-gain", type=float, default=None)
    parser.add_argument(
        "--budget-cpu-s", type=float, default=None, help="pausing and no stopping at this budget"
    )
    options = parser.parse_args()
    params = _read_file(CONF / "study/parameters_early_stopping.yml")["early_stopping"]["replay"]
    pausing = read_default("training")["pausing"]
    if options.min_gain is not None:
        pausing["min_gain"] = options.min_gain
    models = _read_file(options.recorded / "models.yml")["models"]
    growth = {name: block["growth"] for name, block in models.items() if "growth" in block}
    curves, profiles = (
        pl.read_parquet(options.recorded / f"{name}.parquet") for name in ("curves", "profiles")
    )
    cells = read_cells(curves, profiles, growth)
    asked = Applications.model_validate(_read_file(options.applications)["applications"])
    experiment = Experiment(
        cells,
        dict(asked.items()),
        PausingParams.model_validate(pausing),
        n_orders=options.n_orders or params["n_orders"],
        seed=params["seed"],
        datasets=options.datasets or list(dict.fromkeys(cell.dataset for cell in cells)),
        kinds=None if options.kinds is None else ("pausing", *options.kinds),
    )
    if options.budget_cpu_s is not None:
        _replay_within(experiment, options.budget_cpu_s)
        return
    replays = run_experiment(
        experiment,
        n_workers=options.n_workers or params["n_workers"],
        on_task=lambda done, n: print(f"{done}/{n}", end="\r", file=sys.stderr, flush=True),
    )
    summary = summarise_savings(replays)
    ours = summarise_cells(replays.filter(pl.col("kind") == "pausing"))
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=240, float_precision=4):
        print(tabulate_known_early(curves, profiles))
        print(ours.filter((pl.col("setting") == pausing["min_gain"]) & (pl.col("variant") == "")))
        print(summary)
        is_tuned = pl.col("dataset").is_in(TUNED_ON)
        for title, part in (("chosen on", is_tuned), ("judged on", ~is_tuned)):
            half = replays.filter(part & (pl.col("kind") == "pausing"))
            if 0 < half.height < replays.filter(pl.col("kind") == "pausing").height:
                print(title, half["dataset"].unique(maintain_order=True).to_list())
                print(summarise_savings(half))
    figures = asdict(headline(replays, summary, seed=params["seed"]))
    print(json.dumps({name: _round(value) for name, value in figures.items()}))


def _replay_within(experiment: Experiment, budget_s: float) -> None:
    """Print what pausing and no stopping come to within the same budget."""
    training = read_default("training")
    found = compare_within(experiment, budget_s=budget_s, breadth=training["breadth_share"])
    means = pl.col("n_begun", "n_trained", "cost_s", "regret").mean()
    with pl.Config(tbl_rows=-1, tbl_width_chars=120, float_precision=4):
        print(found.group_by("dataset", "model", "method", maintain_order=True).agg(means))
    regrets = found.group_by("method", maintain_order=True).agg(pl.col("regret").mean())
    print(json.dumps({name: _round(value) for name, value in regrets.iter_rows()}))


def _read_file(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _round(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
