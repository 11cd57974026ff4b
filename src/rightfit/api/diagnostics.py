"""What people look at before they believe a winner, from its stored predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rightfit.measuring.profiles.diagnostics import (
    CalibrationCurve,
    ThresholdCurve,
    count_confusions,
    trace_calibration,
    trace_thresholds,
)
from rightfit.reporting.charts.diagnostic_charts import (
    draw_calibration,
    draw_confusions,
    draw_predictions,
    draw_thresholds,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

    from rightfit.models.schema import Task
    from rightfit.reporting.charts.palette import Chart


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """A model's predictions for all test rows, and what they show.

    Args:
        task: What is predicted.
        targets: True class positions, or values, shape (n_rows,).
        predictions: Probabilities, shape (n_rows, n_classes), or values, (n_rows, 1).
    """

    task: Task
    targets: npt.NDArray[Any]
    predictions: npt.NDArray[np.float32]

    @cached_property
    def confusion_matrix(self) -> npt.NDArray[np.int64] | None:
        """Rows by true and likeliest class, (n_classes, n_classes); ``None``: a regression."""
        if self.task == "regression":
            return None
        return count_confusions(self.targets, self.predictions)

    @cached_property
    def calibration(self) -> CalibrationCurve | None:
        """Probabilities against what happened; ``None``: a regression."""
        if self.task == "regression":
            return None
        return trace_calibration(self.targets, self.predictions)

    @cached_property
    def thresholds(self) -> ThresholdCurve | None:
        """Precision and recall of class 1 by threshold; ``None``: there are not two classes."""
        if self.task == "regression" or self.predictions.shape[1] != 2:
            return None
        return trace_thresholds(self.targets, self.predictions[:, 1])

    @cached_property
    def residuals(self) -> npt.NDArray[np.float64] | None:
        """True minus predicted values, shape (n_rows,); ``None``: a classification."""
        if self.task != "regression":
            return None
        return self.targets.astype(float) - self.predictions[:, 0]

    def plot(self) -> dict[str, PlotlyFigure]:
        """Draw each of them, by its name; the subtitle says how to read it."""
        from plotly.graph_objects import Figure

        return {name: Figure(chart) for name, chart in self._draw().items()}

    def _draw(self) -> dict[str, Chart]:
        charts: dict[str, Chart] = {}
        if self.confusion_matrix is not None:
            charts["confusion_matrix"] = draw_confusions(self.confusion_matrix)
        if self.calibration is not None:
            charts["calibration"] = draw_calibration(self.calibration)
        if self.thresholds is not None:
            charts["thresholds"] = draw_thresholds(self.thresholds)
        if self.residuals is not None:
            charts["predictions"] = draw_predictions(self.targets, self.predictions[:, 0])
        return charts
