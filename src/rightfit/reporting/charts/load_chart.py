"""A server from idle to overload: latency, cores and failed requests over the rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rightfit.formatting import format_number
from rightfit.http_load.load_records import LoadCurve, LoadStep
from rightfit.reporting.charts.palette import NEUTRAL, PlotlyJson, base_layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

HEIGHT_PX = 460
LATENCY, CORES, FAILED = "y", "y2", "y3"  # the panels, from above
DASHES = {0.5: "solid", 0.95: "dash", 0.99: "dot"}  # told apart without a colour, too


def draw_load(curve: LoadCurve, *, title: str) -> Figure:
    """Draw the steps of a load curve whose rates were set."""
    from plotly.graph_objects import Figure

    steps = sorted(curve.opened, key=lambda step: step.level)
    return Figure(
        data=[*_latency_traces(steps), *_cost_traces(steps)],
        layout={
            **base_layout(title, "Open marks: the server no longer kept up."),
            "height": HEIGHT_PX,
            "xaxis": {
                "title": {"text": "Requests per second"},
                "rangemode": "tozero",
                "anchor": FAILED,
            },
            "yaxis": {
                "title": {"text": "Latency (ms)"},
                "type": "log",
                "dtick": "D2",
                "domain": [0.46, 1],
            },
            "yaxis2": {"title": {"text": "Cores"}, "domain": [0.22, 0.38], "rangemode": "tozero"},
            "yaxis3": {
                "title": {"text": "Failed"},
                "domain": [0, 0.14],
                "range": [0, max(0.05, *(1.1 * _failed_share(step) for step in steps))],
                "tickformat": ".0%",
                "nticks": 3,
            },
            "shapes": list(_lines(curve)),
        },
    )


def draw_no_load(reason: str) -> Figure:
    """Say that no server was loaded."""
    from plotly.graph_objects import Figure

    return Figure(layout={**base_layout(f"No winner was loaded: {reason}"), "height": 120})


def _latency_traces(steps: Sequence[LoadStep]) -> Iterator[Scatter]:
    from plotly.graph_objects import Scatter

    for share, dash in DASHES.items():
        shown = [(step, found) for step in steps if (found := step.latency_ms[share]) is not None]
        bounds = [
            (found.high - found.value, found.value - found.low)
            if found.high is not None and found.low is not None
            else (0.0, 0.0)
            for _, found in shown
        ]
        yield Scatter(
            x=[step.level for step, _ in shown],
            y=[found.value for _, found in shown],
            error_y={
                "array": [above for above, _ in bounds],
                "arrayminus": [below for _, below in bounds],
                "thickness": 1,
                "width": 3,
            },
            name=f"p{share * 100:g}",
            mode="lines+markers",
            line={"dash": dash, "width": 2},
            marker={"symbol": [_symbol(step) for step, _ in shown], "size": 8},
            hovertemplate="%{x:.4~s} requests/s: %{y:.3~g} ms<extra>%{fullData.name}</extra>",
        )


def _cost_traces(steps: Sequence[LoadStep]) -> Iterator[Scatter]:
    from plotly.graph_objects import Scatter

    for axis, values, unit in (
        (CORES, [step.server_cores for step in steps], "%{y:.2f} cores"),
        (FAILED, [_failed_share(step) for step in steps], "%{y:.1%} failed"),
    ):
        yield Scatter(
            x=[step.level for step in steps],
            y=values,
            yaxis=axis,
            showlegend=False,
            mode="lines+markers",
            line={"color": NEUTRAL, "width": 2},
            marker={"symbol": [_symbol(step) for step in steps], "size": 7},
            hovertemplate=f"%{{x:.4~s}} requests/s: {unit}<extra></extra>",
        )


def _symbol(step: LoadStep) -> str:
    return "circle" if step.keeps_up else "circle-open"


def _failed_share(step: LoadStep) -> float:
    return sum(step.errors.values()) / max(step.n_requests, 1)


def _lines(curve: LoadCurve) -> Iterator[PlotlyJson]:
    """Yield the limit of the latency, and the rates that follow from the curve."""
    limit = f"limit of p{curve.limit_share * 100:g}: {format_number(curve.limit_ms)} ms"
    yield {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": curve.limit_ms,
        "y1": curve.limit_ms,
        "label": {"text": limit, "textposition": "start", "yanchor": "bottom"},
    }
    rates = {"within the limit": curve.highest_rate_per_s, "knee": curve.knee_per_s}
    together: dict[float, list[str]] = {}
    for name, rate in rates.items():
        if rate is not None:
            together.setdefault(rate, []).append(name)
    for rate, names in together.items():
        yield {
            "type": "line",
            "yref": "paper",
            "x0": rate,
            "x1": rate,
            "y0": 0,
            "y1": 1,
            "label": {
                "text": " and ".join(names),
                "textposition": "end",
                "textangle": -90,
                "xanchor": "right",
            },
        }
