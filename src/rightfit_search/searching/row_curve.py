"""A learning curve over rows: what more rows than a sample are expected to bring and to cost.

A candidate is trained on a quarter and a half of its sample, judged by the same validation rows,
and compared with the model of the whole sample. By the logarithm of the rows learning curves are
mostly concave (Viering and Loog, The Shape of Learning Curves: a Review, arXiv:2103.10948): each
doubling brings less than the one before. So the last one bounds those to come.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from rightfit.measuring.worker.units import NS_PER_S
from rightfit.models.quality.standard_errors import find_deviations
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.learning_curve import Json, predict_work_s, sample_rows

PARTS = (4, 2)  # of the sample that models are trained on
# Of the gain by a doubling, from one to the next: benchmarks/constants/learn_row_curves.py.
DECLINE = 0.7
N_ERRORS = 2  # standard errors in each direction
# Beyond the spread of costs in the sample: benchmarks/constants/learn_row_costs.py.
COST_FACTOR = 2.0


@dataclass(frozen=True)
class RowCurve:
    """Qualities and costs of trainings on growing parts of a sample, the whole sample last.

    Args:
        n_rows: Rows of each training.
        qualities: Raw qualities on the validation rows, higher is better.
        covariance: Of their errors by the choice of the validation rows.
        cpu_s: CPU seconds of each training.
        work_s: What each usually takes; its rows in a family whose costs are not known.
    """

    n_rows: tuple[int, ...]
    qualities: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    cpu_s: tuple[float, ...]
    work_s: tuple[float, ...]

    @property
    def error(self) -> float:
        """Standard error of the sample's quality by the choice of the validation rows."""
        return float(np.sqrt(self.covariance[-1][-1]))


@dataclass(frozen=True)
class Forecast:
    """An expected figure with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def measure_row_curve(cell: Cell, run: TrainingRun, model: object, n_checkpoints: int) -> Json:
    """Train on parts of a sample and judge; its costs lack that of the whole sample.

    Args:
        cell: Family, validation rows and quality metric.
        run: The training.
        model: What was trained on the whole sample.
        n_checkpoints: Checkpoints of it.
    """
    family, validation = get_family(cell.family), cell.validation
    n_rows, models, cpu_s = list[int](), list[object](), list[float]()
    for part in PARTS:
        data = sample_rows(run.data, len(run.data.labels) // part)
        start_ns = time.process_time_ns()
        *_, last = islice(family.train(replace(run, data=data)), n_checkpoints)
        cpu_s.append((time.process_time_ns() - start_ns) / NS_PER_S)
        models.append(last.model)
        n_rows.append(len(data.labels))
    answers = [family.predict(model, validation.rows.copy()) for model in (*models, model)]
    labels, quality = validation.labels, cell.quality
    structures = [family.describe_structure(model) for model in (*models, model)]
    n_rows.append(len(run.data.labels))
    deviations = np.array([find_deviations(quality, labels, answer) for answer in answers])
    return {
        "n_rows": n_rows,
        "qualities": [quality.score(labels, answer) for answer in answers],
        "covariance": (deviations @ deviations.T).tolist(),
        "cpu_s": cpu_s,
        "work_s": [
            predict_all_rows_s(cell, run.configuration, structure, n)
            for structure, n in zip(structures, n_rows, strict=True)
        ],
    }


def forecast_gain(curve: RowCurve, n_from: int, n_to: int) -> Forecast:
    """Forecast by how much quality rises from some rows to more.

    Each doubling is expected to bring 0.7 of the one before. At best all bring as much as the last
    one measured, at worst none brings anything; the error of that one widens both.

    Args:
        curve: Qualities at growing numbers of rows.
        n_from: Rows that are learnt from, at least those of the curve.
        n_to: Rows that might be.

    >>> rows, qualities = (2_000, 4_000, 8_000), (0.75, 0.775, 0.7875)
    >>> curve = RowCurve(rows, qualities, tuple(map(tuple, 1e-8 * np.eye(3))), (1,) * 3, (1,) * 3)
    >>> print(forecast_gain(curve, 8_000, 32_000))
    0.0149 (0 to 0.0256)
    """
    n_measured = np.log2(curve.n_rows[-1] / curve.n_rows[-2])  # doublings
    step = (curve.qualities[-1] - curve.qualities[-2]) / n_measured
    contrast = np.array([-1, 1]) / n_measured
    variance = float(contrast @ np.array(curve.covariance)[-2:, -2:] @ contrast)
    margin = N_ERRORS * np.sqrt(max(variance, 0.0))
    first, last = np.log2(np.array([n_from, n_to]) / curve.n_rows[-1])
    declines = DECLINE / (1 - DECLINE) * (DECLINE**first - DECLINE**last)
    return Forecast(
        value=float(max(step, 0.0) * declines),
        low=float(min(step - margin, 0.0) * min(last - first, 1.0)),
        high=float(max(step + margin, 0.0) * (last - first)),
    )


def predict_all_rows_s(
    cell: Cell, configuration: Configuration, structure: Mapping[str, float], n_rows: int
) -> float:
    """Return the CPU seconds that a training usually takes, validation and pairs of rows left out.

    For a family whose costs are not known, they are taken to grow with the rows.

    Args:
        cell: The family and its data.
        configuration: The settings.
        structure: Of the model, or of one like it.
        n_rows: Rows that it learns from.
    """
    work_s = predict_work_s(cell, configuration, structure, n_rows, n_judged=0, has_pairs=False)
    return float(n_rows) if work_s is None else work_s


def forecast_cpu_s(curve: RowCurve, work_s: float) -> Forecast:
    """Foretell the CPU seconds of a training that usually takes so many.

    The sample's training says how those of this machine compare. The interval reaches beyond what
    all sizes say, in each direction by :data:`COST_FACTOR`: a training that reads its rows in
    blocks works in another way than one in memory.
    """
    ratios = np.array(curve.cpu_s) / np.array(curve.work_s)
    ends = (ratios[-1], ratios.min() / COST_FACTOR, ratios.max() * COST_FACTOR)
    return Forecast(*(work_s * float(ratio) for ratio in ends))


def choose_n_rows(curves: list[RowCurve], n_all: int) -> int:
    """Choose the fewest rows beyond which no candidate gains what can be told, even at best.

    From the sample on, rows are doubled while the upper end of the gain that all rows would add for
    any candidate exceeds the standard error of its quality. That end is wide: curves that still
    rise mostly lead to all rows.

    Args:
        curves: Of the candidates.
        n_all: Rows that there are.

    Returns:
        Rows of the largest sample where nothing more comes, at most ``n_all``.
    """
    n_rows = max(curve.n_rows[-1] for curve in curves)
    while n_rows < n_all and any(
        forecast_gain(curve, n_rows, n_all).high > curve.error for curve in curves
    ):
        n_rows *= 2
    return min(n_rows, n_all)
