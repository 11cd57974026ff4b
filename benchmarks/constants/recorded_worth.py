"""How much recorded configurations are worth to many applications."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from record_portfolios import N_CHECKPOINTS, RECORDED, read_block

from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import THREADS, Application, Applications
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit_search.families.registry import get_family
from rightfit_search.searching.observing import project_structure
from rightfit_search.searching.pausing.costs import ServingCosts
from rightfit_search.searching.pausing.observed import ObservedTrial, Seen
from rightfit_search.searching.pausing.priors import Prior, read_shipped_prior

Floats = npt.NDArray[np.float64]

HERE = Path(__file__).resolve().parent
SERVINGS = tuple(Serving("onnx", n_threads, "cpu") for n_threads in (1, 2))
N_DRAWN_APPLICATIONS = 12
SEED = 23


@dataclass(frozen=True)
class RecordedTrainings:
    """One family's trainings on one table.

    Args:
        table: Name of the table.
        model: Name of the model.
        trials: By number, each with the looks that were recorded.
        searched: Searched settings by number.
        own: By application, what each number is worth by its validated quality, limits counted from
            the family's own best, since another family's lead says nothing about this one; 0 where
            it breaks a limit or was too long; shape (n_numbers,).
    """

    table: str
    model: str
    trials: Mapping[int, ObservedTrial]
    searched: Mapping[int, Mapping[str, Any]]
    own: dict[str, Floats]

    @property
    def prior(self) -> Prior:
        """What earlier searches taught of the family."""
        return read_shipped_prior(read_block(self.model).family)


def read_samples() -> dict[str, Application]:
    """Return the sample applications."""
    return dict(_read_applications(HERE.parents[1] / "conf/base/parameters_applications.yml"))


def list_applications() -> dict[str, Application]:
    """Return the sample applications, those of the replays, and some drawn at random."""
    found = read_samples()
    replays = _read_applications(HERE / "applications.yml")
    found |= {f"replays_{name}": one for name, one in replays.items()}
    return found | {f"drawn_{place}": _draw(place) for place in range(N_DRAWN_APPLICATIONS)}


def read_recorded(applications: Mapping[str, Application]) -> list[RecordedTrainings]:
    """Read all trainings, and what they are worth."""
    cells = [
        _read_cell(str(table), str(model), rows)
        for (table, model), rows in pl.read_parquet(RECORDED).group_by(
            "table", "model", maintain_order=True
        )
    ]
    asked = {m for one in applications.values() for m in one.needed_metrics()}
    metrics = sorted({*asked, THREADS} - {"quality"})
    for cell in cells:
        costs = _predict_costs(cell, metrics)
        validated = np.array([_final(cell.trials.get(n)) for n in range(max(cell.trials) + 1)])
        for name, application in applications.items():
            cell.own[name] = _judge(costs, validated, application, float(np.nanmax(validated)))
    return cells


def is_whole(trial: ObservedTrial) -> bool:
    """Return whether a training reached its end."""
    return len(trial.qualities) == N_CHECKPOINTS


def _final(trial: ObservedTrial | None) -> float:
    return trial.qualities[-1] if trial is not None and is_whole(trial) else np.nan


def _read_cell(table: str, model: str, rows: pl.DataFrame) -> RecordedTrainings:
    block = read_block(model)
    family = get_family(block.family)
    trials, searched = {}, {}
    for (number,), looks in rows.group_by("number", maintain_order=True):
        found = looks.sort("checkpoint").to_dicts()
        configuration = {**block.fixed, **json.loads(found[0]["configuration"])}
        seen = [Seen(0, None, None)]
        for look in found:
            ratio = family.steps_ratio(configuration, look["checkpoint"], N_CHECKPOINTS)
            structure = project_structure(
                json.loads(look["structure"]), growth=family.growth, ratio=ratio
            )
            seen.append(
                Seen(
                    look["checkpoint"],
                    look["quality"],
                    structure,
                    quality_error=look["quality_error"],
                    spent_s=look["work_s"],
                )
            )
        trials[int(str(number))] = ObservedTrial(int(str(number)), tuple(seen))
        searched[int(str(number))] = json.loads(found[0]["configuration"])
    return RecordedTrainings(table, model, trials, searched, {})


def _predict_costs(cell: RecordedTrainings, metrics: Sequence[str]) -> dict[str, Floats]:
    """Return what each whole training costs to serve, shape (n_numbers, n_servings); else NaN."""
    costs = ServingCosts(cell.prior.lines)
    found = {metric: np.full((max(cell.trials) + 1, len(SERVINGS)), np.nan) for metric in metrics}
    for number, trial in cell.trials.items():
        if is_whole(trial):
            for metric, column in found.items():
                column[number] = [
                    one.n_threads
                    if metric == THREADS
                    else costs.predict(trial.last.structure, one, metric)[0]
                    for one in SERVINGS
                ]
    return found


def _judge(
    costs: Mapping[str, Floats], quality: Floats, application: Application, best: float
) -> Floats:
    """Return the utility of each number, served as suits it best."""
    values = {**costs, "quality": np.broadcast_to(quality[:, None], costs[THREADS].shape)}
    limits = resolve_limits(application, {"quality": np.asarray(best)})
    judged = judge_profiles(values, application, limits=limits)
    worth: Floats = np.where(judged.feasible, judged.utility, 0.0).max(axis=1)
    return worth


def _read_applications(path: Path) -> dict[str, Application]:
    read = yaml.safe_load(path.read_text(encoding="utf-8"))["applications"]
    return dict(Applications.model_validate(read))


def _draw(place: int) -> Application:
    """Draw an application: quality and one to three costs, and how much quality it may lose."""
    rng = np.random.default_rng([SEED, place])
    costs: dict[str, dict[str, Any]] = {
        "latency_p50_ms": {"worst": 20, "best": 0.01},
        "latency_p99_ms": {"worst": 20, "best": 0.05},
        "throughput_rows_per_s": {"worst": 1.0e4, "best": 1.0e7},
        "peak_memory_mib": {"worst": 1024, "best": 64},
        "model_size_mib": {"worst": 64, "best": 0.001},
    }
    chosen = rng.choice(list(costs), size=rng.integers(1, 4), replace=False)
    objectives: dict[str, Any] = {
        str(name): {**costs[str(name)], "scale": "log", "weight": float(rng.uniform(0.5, 4))}
        for name in chosen
    }
    objectives["quality"] = {"worst": 0.5, "best": 1.0, "weight": float(rng.uniform(2, 8))}
    lost = float(rng.choice([0.005, 0.01, 0.02, 0.05, 0.1]))
    return Application.model_validate(
        {
            "description": "drawn",
            "scenario": "offline",
            "objectives": objectives,
            "constraints": {"quality": {"max_degradation": lost}},
        }
    )
