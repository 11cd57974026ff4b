"""Boosted trees of LightGBM, XGBoost or CatBoost, as their families hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rightfit.models.schema import Task


@dataclass
class Booster:
    """A trained model of one of the libraries; ``objective``: what XGBoost calls what it learnt."""

    trees: Any
    task: Task = "classification"
    n_threads: int = 1
    objective: str | None = None
