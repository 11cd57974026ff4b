"""What people look at before they believe a model, each a chart with a sentence on how to read it.

The sentence is the chart's subtitle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.measuring.profiles.diagnostics import CalibrationCurve, ThresholdCurve
from rightfit.reporting.charts.palette import NEUTRAL, TONES, Chart, PlotlyJson, base_layout

HEIGHT_PX = 420
N_POINTS = 1_000  # drawn of rows or thresholds


def draw_confusions(counts: npt.NDArray[np.int64]) -> Chart:
    """Draw a confusion matrix, shape (n_classes, n_classes)."""
    classes = [f"class {position}" for position in range(len(counts))]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    heatmap: PlotlyJson = {
        "type": "heatmap",
        "x": classes,
        "y": classes,
        "z": shares.tolist(),
        "text": counts.tolist(),
        "texttemplate": "%{text}",
        "hovertemplate": "true: %{y}<br>predicted: %{x}<br>%{text} rows<extra></extra>",
        "colorscale": [[0, TONES[-1]], [1, TONES[0]]],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
    }
    read = "Rows off the diagonal are answered wrongly."
    chart = _chart([heatmap], "Confusion matrix", read, "predicted", "true")
    chart["layout"]["yaxis"]["autorange"] = "reversed"
    return chart


def draw_calibration(curve: CalibrationCurve) -> Chart:
    """Draw probabilities against observed shares."""
    points = _line(curve.predicted, curve.observed, TONES[0], "model") | {"mode": "lines+markers"}
    read = "Below the dotted line the model is too sure."
    return _chart(
        [_diagonal(0.0, 1.0), points], "Calibration", read, "predicted probability", "observed"
    )


def draw_thresholds(curve: ThresholdCurve) -> Chart:
    """Draw precision and recall by threshold."""
    kept = _thin(len(curve.thresholds))
    traces = [
        _line(curve.thresholds[kept], values[kept], color, name)
        for name, values, color in (
            ("precision", curve.precision, TONES[0]),
            ("recall", curve.recall, TONES[3]),
        )
    ]
    read = "A higher threshold finds fewer rows of class 1; more of those found are right."
    chart = _chart(traces, "Precision and recall", read, "threshold", "share")
    chart["layout"]["showlegend"] = True
    return chart


def draw_predictions(targets: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> Chart:
    """Draw predicted against true values, both of shape (n_rows,)."""
    kept = _thin(len(targets))
    points = _line(targets[kept], predicted[kept], TONES[0], "rows") | {
        "mode": "markers",
        "marker": {"color": TONES[0], "opacity": 0.5},
    }
    low, high = float(np.min(targets)), float(np.max(targets))
    read = "The farther a row lies from the dotted line, the larger its error."
    return _chart([_diagonal(low, high), points], "Predictions", read, "true", "predicted")


def _line(x: npt.NDArray[Any], y: npt.NDArray[Any], color: str, name: str) -> PlotlyJson:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x.tolist(),
        "y": y.tolist(),
        "name": name,
        "line": {"color": color},
    }


def _diagonal(low: float, high: float) -> PlotlyJson:
    ends = np.array([low, high])
    line = _line(ends, ends, NEUTRAL, "ideal")
    return line | {"line": {"color": NEUTRAL, "dash": "dot"}, "hoverinfo": "skip"}


def _thin(n: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, N_POINTS)).astype(np.int64))


def _chart(traces: list[PlotlyJson], title: str, read: str, x_title: str, y_title: str) -> Chart:
    layout = base_layout(title, read) | {
        "height": HEIGHT_PX,
        "showlegend": False,
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
    }
    return Chart(data=traces, layout=layout)
