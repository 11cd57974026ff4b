"""The experiment as the project runs it: recordings as tables, policies by their settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.experiment.experiment import Experiment, standard_policies
from rightfit.tuning.experiment.recorded import read_cells
from rightfit.tuning.judge.stopping_rules import RuleParams
from rightfit.tuning.search.space import Space


def make_experiment(
    *,
    curves: Path,
    profiles: Path,
    applications: Mapping[str, Any],
    models: Mapping[str, Any],
    rules: RuleParams,
    n_orders: int,
    seed: int,
    luck: float = 0.0,
    knows_luck: bool = True,
) -> Experiment:
    """Make the experiment from files, so that several processes can.

    Args:
        curves: Recorded curves of all cells, parquet.
        profiles: Recorded profiles of all cells, parquet.
        applications: The parameters ``applications``.
        models: The parameters ``models``.
        rules: The judge's.
        n_orders: Random orders of the trials.
        seed: Seed of the orders.
        luck: Standard deviation of the luck in each trial's validation.
        knows_luck: Whether the judge knows that deviation.
    """
    spaces = {name: Space.model_validate(block["space"]) for name, block in models.items()}
    return Experiment(
        cells=read_cells(
            pl.read_parquet(curves),
            pl.read_parquet(profiles),
            lambda model, configuration: spaces[model].place(configuration),
        ),
        applications=dict(Applications.model_validate(applications).items()),
        policies=standard_policies(rules),
        n_orders=n_orders,
        seed=seed,
        luck=luck,
        knows_luck=knows_luck,
    )
