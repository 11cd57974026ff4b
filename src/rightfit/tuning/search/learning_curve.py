"""A training followed through its checkpoints: quality, costs and structure at each of them."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rightfit.families.family import Configuration, TrainingRun
from rightfit.families.predictions import check_predictions
from rightfit.families.registry import get_family
from rightfit.tuning.pausing.training_costs import TrainingSize, count_work, predict_cpu_s
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.search.fit_meter import FitMeter

Json = dict[str, Any]

# Each takes memory beside its model, too little to be measured and too much for a thousand trials.
MAX_KEPT = 100


@dataclass(frozen=True)
class Look:
    """What is known of a trial at a checkpoint.

    Args:
        model: The model so far; it is trained further once the next look is asked for.
        point: ``checkpoint`` (1 …), ``n_steps``, ``quality_raw`` on the validation rows and
            ``quality_raw_error``, its standard error, the fit metrics so far, ``fit_cpu_s`` and
            ``validate_cpu_s`` (CPU seconds since the trial's start), ``work_s`` (what both usually
            take, see ``training_costs.py``; what they took in a family without such a line) and
            ``structure`` (see ``Family.describe_structure``).
        kept_mib: Memory that the training keeps while it is paused here.
    """

    model: Any
    point: Json
    kept_mib: float


def follow_training(
    cell: Cell,
    configuration: Configuration,
    *,
    n_checkpoints: int,
    seed: int,
    n_threads: int,
    device: str,
) -> Iterator[Look]:
    """Train a configuration and look at it at each checkpoint.

    Args:
        cell: Data, family and quality metric.
        configuration: Hyper-parameters.
        n_checkpoints: Looks at the training.
        seed: Seed of the training.
        n_threads: Threads training may use.
        device: ``cpu`` or ``cuda``.

    Yields:
        One look per checkpoint.

    Raises:
        ArithmeticError: If the quality is not a number.
        ValueError: If the answers are not those of the task.
    """
    family = get_family(cell.family)
    checkpoints = family.train(
        TrainingRun(configuration, cell.train, n_checkpoints, seed, n_threads, device)
    )
    meter = FitMeter()
    validate_ns = 0
    for number in range(1, n_checkpoints + 1):
        with meter.training():
            checkpoint = next(checkpoints)
        start_ns = time.process_time_ns()
        quality_raw, error = _validate(checkpoint.model, cell)
        validate_ns += time.process_time_ns() - start_ns
        if not math.isfinite(quality_raw):
            raise ArithmeticError(f"validation quality is {quality_raw} at checkpoint {number}")
        point: Json = {
            "checkpoint": number,
            "n_steps": checkpoint.n_steps,
            "quality_raw": quality_raw,
            "quality_raw_error": error,
            **meter.read(n_steps=checkpoint.n_steps),
            "fit_cpu_s": meter.cpu_s,
            "validate_cpu_s": validate_ns / 1e9,
            "structure": family.describe_structure(checkpoint.model),
        }
        usual_s = _predict_cpu_s(cell, configuration, point, n_checkpoints)
        point["work_s"] = (
            point["fit_cpu_s"] + point["validate_cpu_s"] if usual_s is None else usual_s
        )
        yield Look(checkpoint.model, point, meter.kept_mib)


def _predict_cpu_s(
    cell: Cell, configuration: Configuration, point: Json, n_checkpoints: int
) -> float | None:
    schema = cell.train.schema
    size = TrainingSize(
        n_rows=len(cell.train.labels),
        n_judged=len(cell.validation.labels),
        n_features=schema.n_features,
        n_outputs=schema.n_outputs,
    )
    counts = count_work(
        size,
        cell.family,
        configuration,
        point["structure"],
        checkpoint=point["checkpoint"],
        n_checkpoints=n_checkpoints,
    )
    return predict_cpu_s(cell.family, counts)


def _validate(model: Any, cell: Cell) -> tuple[float, float]:
    """Return a model's raw quality on the validation rows, and its standard error."""
    known = cell.validation
    answers = get_family(cell.family).predict(model, known.rows)
    checked = check_predictions(answers, n_rows=len(known.labels), schema=known.schema)
    raw = cell.quality.score(known.labels, checked)
    return raw, cell.quality.error(known.labels, checked, raw=raw)


class PausedTrainings:
    """The paused trainings of one worker.

    Args:
        cap_mib: What they may keep in memory together; beyond it those that waited longest are
            dropped, and start anew.
    """

    def __init__(self, cap_mib: float) -> None:
        self._cap_mib = cap_mib
        self._kept: OrderedDict[tuple[int, int], tuple[Iterator[Look], Look]] = OrderedDict()

    def keep(self, number: int, n_looks: int, training: Iterator[Look], look: Look) -> None:
        """Keep a trial's training after so many looks, the latest of them given."""
        self._kept[number, n_looks] = (training, look)
        while self._kept and (
            len(self._kept) > MAX_KEPT
            or sum(one.kept_mib for _, one in self._kept.values()) > self._cap_mib
        ):
            self._kept.popitem(last=False)

    def take(self, number: int, n_looks: int) -> Iterator[Look] | None:
        """Take a trial's training out; ``None`` if it is not kept or another worker has gone on."""
        training, _ = self._kept.pop((number, n_looks), (None, None))
        return training

    def look_at(self, number: int, n_looks: int) -> Look | None:
        """Return a kept training's latest look; ``None`` if it is not kept."""
        _, look = self._kept.get((number, n_looks), (None, None))
        return look

    def clear(self) -> None:
        """Drop all of them."""
        self._kept.clear()
