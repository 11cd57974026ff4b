"""A training followed through its checkpoints: quality, costs and structure at each of them.

Training is measured where it happens, in the process that searches: a fresh process for each
trial would cost more than most trials. Serving costs, which decide, come from ``measuring``.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rightfit.measuring.worker.meters.memory import read_memory, reset_peak, return_free_memory
from rightfit.measuring.worker.units import MS_PER_S, NS_PER_S
from rightfit.models.predictions import check_predictions
from rightfit.models.quality.standard_errors import standard_error
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.families.sklearn_training import with_one_openmp_thread
from rightfit_search.families.training_work import TrainingSize
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.pausing.costs import predict_cpu_s

Json = dict[str, Any]

# Each takes memory beside its model, too little to be measured and too much for a thousand trials.
MAX_KEPT = 100

N_FEW = 4_096  # rows of a training that forecasts a larger one
# Entries of a point that describe its model, which may be an earlier one.
_OF_MODEL = ("quality_raw", "quality_raw_error", "structure", "kept_checkpoint")


class FitMeter:
    """Adds up the cost of the training stretches of one trial.

    ``fit_peak_memory_mib`` is the highest resident memory during training, above that which other
    trials take: what a stretch adds at its peak, and what earlier stretches have left. Memory that
    earlier trials have freed is given back first, or a training that takes it again would count
    as needing none. It needs Linux' ``/proc/self/clear_refs``; elsewhere it is ``None``.
    """

    def __init__(self) -> None:
        self._wall_ns = 0
        self._cpu_ns = 0
        self._peak_mib: float | None = None
        self.kept_mib = 0.0  # that training has left resident

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Measure a stretch of training; validation in between is left out."""
        if not self._wall_ns:  # of other trials; what this one frees it may use again
            return_free_memory()
        measures_memory = reset_peak()
        start_mib = read_memory().resident_mib if measures_memory else 0.0
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        try:
            yield
        finally:
            self._wall_ns += time.perf_counter_ns() - wall_ns
            self._cpu_ns += time.process_time_ns() - cpu_ns
            if measures_memory:
                memory = read_memory()
                peak_mib = self.kept_mib + memory.peak_mib - start_mib
                self._peak_mib = max(self._peak_mib or 0.0, peak_mib)
                self.kept_mib = max(0.0, self.kept_mib + memory.resident_mib - start_mib)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        return self._cpu_ns / NS_PER_S

    def read(self, *, n_steps: int) -> dict[str, float | None]:
        """Return the fit metrics so far.

        Args:
            n_steps: Training steps taken.
        """
        wall_s = self._wall_ns / NS_PER_S
        return {
            "fit_time_s": wall_s,
            "step_time_ms": wall_s * MS_PER_S / n_steps,
            "fit_peak_memory_mib": self._peak_mib,
            "fit_cpu_cores": self.cpu_s / wall_s if wall_s > 0 else None,
        }


@dataclass(frozen=True)
class Look:
    """What is known of a trial at a checkpoint.

    Args:
        model: The model so far; it is trained further once the next look is asked for.
        point: ``checkpoint`` (1 …), ``n_steps``, ``quality_raw`` on the validation rows and
            ``quality_raw_error``, its standard error, the fit metrics so far, ``fit_cpu_s`` and
            ``validate_cpu_s`` (CPU seconds since the trial's start), ``work_s`` (what both usually
            take, see ``pausing/costs.py``; what they took in a family without such a line),
            ``structure`` (see ``Family.describe_structure``) and ``kept_checkpoint``, that of the
            model: an earlier one where it is better and the family can go back to it.
        kept_mib: Memory that the training keeps while it is paused here.
    """

    model: Any
    point: Json
    kept_mib: float


def follow_training(cell: Cell, run: TrainingRun) -> Iterator[Look]:
    """Train a configuration and look at it at each checkpoint.

    Where a family can go back to an earlier model of its training, the best so far is looked at if
    it is better by more than one standard error: few validation rows would often prefer a short
    training by chance.

    Args:
        cell: Family, validation rows and quality metric.
        run: The training, on the cell's rows.

    Yields:
        One look per checkpoint.

    Raises:
        ArithmeticError: If the quality is not a number.
        ValueError: If the answers are not those of the task.
    """
    family, validation = get_family(cell.family), cell.validation
    checkpoints = family.train(run)
    meter = FitMeter()
    validate_ns = 0
    best: Json = {}
    for number in range(1, run.n_checkpoints + 1):
        with meter.training():
            checkpoint = next(checkpoints)
        start_ns = time.process_time_ns()
        with with_one_openmp_thread():
            # a copy: a model that writes to its rows would spoil those that judge all others
            answers = family.predict(checkpoint.model, validation.rows.copy())
        answers = check_predictions(
            answers, n_rows=len(validation.labels), schema=validation.schema
        )
        quality_raw = cell.quality.score(validation.labels, answers)
        error = standard_error(cell.quality, validation.labels, answers)
        validate_ns += time.process_time_ns() - start_ns
        if not math.isfinite(quality_raw):
            raise ArithmeticError(f"validation quality is {quality_raw} at checkpoint {number}")
        validate_s = validate_ns / NS_PER_S
        structure = family.describe_structure(checkpoint.model)
        usual_s = predict_work_s(
            cell,
            run.configuration,
            structure,
            len(run.data.labels),
            checkpoint=number,
            n_checkpoints=run.n_checkpoints,
        )
        point: Json = {
            "checkpoint": number,
            "n_steps": checkpoint.n_steps,
            "quality_raw": quality_raw,
            "quality_raw_error": error,
            **meter.read(n_steps=checkpoint.n_steps),
            "fit_cpu_s": meter.cpu_s,
            "validate_cpu_s": validate_s,
            "structure": structure,
            "kept_checkpoint": number,
            "work_s": meter.cpu_s + validate_s if usual_s is None else usual_s,
        }
        model = checkpoint.model
        if not best or quality_raw >= best["quality_raw"]:
            best = point
        elif (
            best["quality_raw"] - quality_raw > error
            and (prefix := family.take_prefix(model, best["n_steps"])) is not None
        ):
            model, point = prefix, point | {name: best[name] for name in _OF_MODEL}
        yield Look(model, point, meter.kept_mib)


def forecast_first_look(cell: Cell, run: TrainingRun) -> Json:
    """Forecast what a training takes to its first checkpoint, from two on few of its rows.

    Counts of the structure grow with the rows as a power, by the two trainings.

    Args:
        cell: Family, validation rows and quality metric.
        run: The training, on all rows.

    Returns:
        ``work_s``, the CPU seconds that it usually takes, and ``cpu_s``, corrected by what the
        larger of the two took on this machine.
    """
    data = run.data
    few = [
        next(follow_training(cell, replace(run, data=sample_rows(data, n)))).point
        for n in (N_FEW // 2, N_FEW)
    ]
    growth = len(data.labels) / N_FEW
    structure = {
        name: count * growth ** _estimate_exponent(few[0]["structure"][name], count)
        for name, count in few[1]["structure"].items()
    }
    usual_s = predict_work_s(
        cell,
        run.configuration,
        structure,
        len(data.labels),
        n_checkpoints=run.n_checkpoints,
    )
    cpu_s = few[1]["fit_cpu_s"] + few[1]["validate_cpu_s"]
    if usual_s is None:
        return {"work_s": cpu_s * growth, "cpu_s": cpu_s * growth}
    return {"work_s": usual_s, "cpu_s": usual_s * cpu_s / few[1]["work_s"]}


def foresee_first_look(
    cell: Cell, configuration: Configuration, n_checkpoints: int
) -> dict[str, float] | None:
    """Return what a training usually takes to its first checkpoint, where settings alone tell.

    Args:
        cell: Family, train and validation rows.
        configuration: The settings.
        n_checkpoints: Those of the whole training.

    Returns:
        As :func:`forecast_first_look`; ``None`` where it takes a training to know.
    """
    structure = get_family(cell.family).foresee_structure(
        configuration, cell.train.schema, n_checkpoints=n_checkpoints
    )
    if structure is None:
        return None
    n_rows = len(cell.train.labels)
    work_s = predict_work_s(cell, configuration, structure, n_rows, n_checkpoints=n_checkpoints)
    return None if work_s is None else {"work_s": work_s, "cpu_s": work_s}


def predict_work_s(
    cell: Cell,
    configuration: Configuration,
    structure: Mapping[str, float],
    n_rows: int,
    *,
    n_judged: int | None = None,
    checkpoint: int = 1,
    n_checkpoints: int = 1,
    has_pairs: bool = True,
) -> float | None:
    """Return the CPU seconds that a training and its validation usually take to a checkpoint.

    Epochs that depend on the rows are counted.

    Args:
        cell: The family and its data.
        configuration: The settings.
        structure: Of the model at the checkpoint, or of one like it.
        n_rows: Rows that it learns from.
        n_judged: Rows that validate; ``None``: the cell's.
        checkpoint: The checkpoint.
        n_checkpoints: Of the whole training.
        has_pairs: Whether pairs of rows count. No training passes over them, and a slope that was
            fitted to trainings on up to 16,000 rows would make most of what millions take.

    Returns:
        ``None`` for a family whose costs are not known.
    """
    size = TrainingSize(
        n_rows=n_rows,
        n_judged=len(cell.validation.labels) if n_judged is None else n_judged,
        n_features=cell.train.schema.n_features,
        n_outputs=cell.train.schema.n_outputs,
    )
    counts = get_family(cell.family).count_work(
        configuration, size, structure, checkpoint=checkpoint, n_checkpoints=n_checkpoints
    )
    return predict_cpu_s(cell.family, counts if has_pairs else counts | {"row_pairs": 0.0})


def _estimate_exponent(half: float, whole: float) -> float:
    """Return the power by which a count grows with the rows, at least 0 and at most 1."""
    return min(max(math.log2(whole / half), 0.0), 1.0) if half > 0 and whole > 0 else 0.0


def sample_rows(data: TrainingData, n_rows: int) -> TrainingData:
    """Take evenly spaced rows, and one of each class."""
    spaced = np.linspace(0, len(data.labels) - 1, n_rows).astype(np.int64)
    firsts = np.unique(data.labels, return_index=True)[1] if data.schema.classes else spaced
    chosen = np.union1d(spaced, firsts)
    return TrainingData(data.rows[chosen], data.labels[chosen], data.schema)


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
            or sum(training.kept_mib for _, training in self._kept.values()) > self._cap_mib
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
