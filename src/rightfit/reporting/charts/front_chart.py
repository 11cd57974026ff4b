"""Quality against what it costs: every profile of a dataset, the Pareto front, limits, winners.

An application's limits are broken lines that the legend names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rightfit._core.formatting import format_number
from rightfit.measuring.metrics import METRICS, METRICS_BY_COLUMN
from rightfit.measuring.naming import (
    listing,
    metric_name,
    metric_title,
    metric_unit,
    sentence_case,
    serving_labels,
    words,
)
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.assessment.assessment import find_limits
from rightfit.ranking.assessment.pareto import find_pareto_front
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS, read_profiles
from rightfit.reporting.charts.palette import NEUTRAL, Chart, Mark, PlotlyJson, base_layout

COST_METRICS = tuple(metric.column for metric in METRICS if metric.is_charted)
HEIGHT_PX = 460
MANY_DECADES = 2  # from here on a tick per decade is enough
DASHES = ("dot", "dash", "longdash", "dashdot", "longdashdot")


@dataclass(frozen=True)
class LimitLine:
    """A limit an application puts on a metric."""

    application: str
    metric: str
    kind: str
    value: float


def select_front(profiles: pl.DataFrame, *, cost: str, quality: str) -> pl.DataFrame:
    """Return the profiles that no other one beats in both cost and quality, cheapest first.

    Of equal ones the first.

    >>> frame = pl.DataFrame({"model_size_mib": [1.0, 2.0, 3.0], "quality": [0.5, 0.9, 0.8]})
    >>> select_front(frame, cost="model_size_mib", quality="quality")["quality"].to_list()
    [0.5, 0.9]
    """
    more_is_better = METRICS_BY_COLUMN[cost].better == "higher"
    measured = profiles.drop_nulls([cost, quality])
    gains = measured.select(pl.col(cost) * (1 if more_is_better else -1), quality).to_numpy()
    front = measured.filter(find_pareto_front(gains))
    return front.unique([cost, quality], keep="first", maintain_order=True).sort(
        cost, descending=more_is_better
    )


def draw_front(
    profiles: pl.DataFrame,
    *,
    dataset: str,
    quality_title: str,
    marks: Mapping[str, Mark],
    limits: Sequence[LimitLine],
    winners: pl.DataFrame,
) -> Chart:
    """Draw quality against a cost the reader chooses from a menu.

    Returns:
        A figure whose menu switches the cost; limits on that cost are its vertical lines.
    """
    costs = [cost for cost in COST_METRICS if cost in profiles and profiles[cost].count()]
    wins = winners.group_by(PROFILE_KEYS, maintain_order=True).agg(pl.col("application"))
    labelled = profiles.join(wins, on=PROFILE_KEYS, how="left", maintain_order="left")
    views = {
        metric_title(cost): _draw_cost(labelled, cost, dataset, quality_title, marks, limits)
        for cost in costs
    }
    return behind_menu(views, label="Cost on the horizontal axis")


def draw_nothing(dataset: str) -> Chart:
    """Say that no profile of a dataset was measured."""
    title = f"{sentence_case(words(dataset))}: every search has failed, see the losers' reasons"
    return Chart(data=[], layout=base_layout(title))


def find_limit_lines(
    applications: Applications, profiles: pl.DataFrame, quality: QualityMetric
) -> list[LimitLine]:
    """Resolve every application's limits for a dataset.

    Limits on ``quality`` become limits on the dataset's own metric, which is what charts show.

    A ``max_degradation`` refers to the best of ``profiles``, which are those of one dataset.

    Returns:
        One line per application and limit.
    """
    table = read_profiles(profiles)
    lines = []
    for name, application in applications.items():
        for limit in find_limits(table, application):
            metric, value = limit.metric, float(limit.bound.flat[0])
            if metric == "quality":
                metric = "quality_raw"
                worst, best = quality.raw_bounds
                value = worst + value * (best - worst)
            lines.append(LimitLine(name, metric, "min" if limit.is_floor else "max", value))
    return lines


def _draw_cost(
    rows: pl.DataFrame,
    cost: str,
    dataset: str,
    quality_title: str,
    marks: Mapping[str, Mark],
    limits: Sequence[LimitLine],
) -> PlotlyJson:
    """Draw quality against one cost; ``rows`` are profiles with the applications they have won."""
    measured = rows.drop_nulls([cost, "quality_raw"])
    front = select_front(measured, cost=cost, quality="quality_raw")
    won = measured.drop_nulls("application")
    by_family = measured.partition_by("model", as_dict=True)
    bounds = [limit.value for limit in limits if limit.metric == cost]
    decades = [math.log10(x) for x in (*rows[cost].drop_nulls(), *bounds) if x > 0]
    low, high = min(decades), max(decades)
    margin = 0.05 * (high - low) + 0.05
    return {
        "data": [
            {
                "type": "scatter",
                "x": front[cost].to_list(),
                "y": front["quality_raw"].to_list(),
                "name": "Pareto front",
                "mode": "lines",
                "line": {"color": NEUTRAL, "width": 2, "shape": "hv"},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "x": won[cost].to_list(),
                "y": won["quality_raw"].to_list(),
                "name": "winner",
                "mode": "markers",
                "marker": {
                    "size": 20,
                    "symbol": "circle-open",
                    "color": NEUTRAL,
                    "line": {"width": 2},
                },
                "hovertext": [
                    f"Winner: {listing(list(map(words, names)))}" for names in won["application"]
                ],
                "hoverinfo": "text",
                "showlegend": False,
            },
            *(
                _family_trace(by_family.get((family,), measured.clear()), cost, quality_title, mark)
                for family, mark in marks.items()
            ),
        ],
        "layout": {
            **base_layout(
                f"{sentence_case(words(dataset))}: quality against {metric_name(cost)}",
                "Filled: native runtime. Open: ONNX Runtime. Ring: winner.",
            ),
            "height": HEIGHT_PX,
            "hovermode": "closest",
            "legend": {"y": -0.18, "yanchor": "top"},  # below: limits make it long
            "xaxis": {
                "type": "log",
                "title": {
                    "text": f"{metric_title(cost)}, {METRICS_BY_COLUMN[cost].better} is better"
                },
                "tickformat": "~s" if metric_unit(cost) == "rows/s" else "~g",
                "range": [low - margin, high + margin],
                "dtick": 1 if high - low + 2 * margin > MANY_DECADES else None,
            },
            "yaxis": {"title": {"text": sentence_case(quality_title)}},
            "shapes": _draw_limits(rows, cost, limits),
        },
    }


def _family_trace(profiles: pl.DataFrame, cost: str, quality_title: str, mark: Mark) -> PlotlyJson:
    native = [runtime == "native" for runtime in profiles["runtime"]]
    symbols = [mark.symbol if filled else f"{mark.symbol}-open" for filled in native]
    family = profiles["model"][0] if profiles.height else ""
    return {
        "type": "scatter",
        "x": profiles[cost].to_list(),
        "y": profiles["quality_raw"].to_list(),
        "name": words(family),
        "showlegend": profiles.height > 0,
        "mode": "markers",
        "marker": {
            "color": mark.color,
            "symbol": symbols,
            "size": 10,
            "line": {"width": 2, "color": mark.color},
        },
        "text": [
            f"{name} ({serving})"
            for name, serving in zip(profiles["candidate"], serving_labels(profiles), strict=True)
        ],
        "customdata": [
            [_write_ends(row, "quality_raw"), _write_ends(row, cost)] for row in profiles.to_dicts()
        ],
        "hovertemplate": (
            f"<b>%{{text}}</b><br>{quality_title} %{{y:.4~g}}%{{customdata[0]}}<br>"
            f"{metric_name(cost)} %{{x:.3~g}} {metric_unit(cost)}%{{customdata[1]}}<extra></extra>"
        ),
    }


def _write_ends(row: Mapping[str, float | None], column: str) -> str:
    """Write the 95 % interval of a metric, empty where it is not known."""
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return (
        "" if low is None or high is None else f" ({format_number(low)} to {format_number(high)})"
    )


def _draw_limits(
    profiles: pl.DataFrame, cost: str, limits: Sequence[LimitLine]
) -> list[dict[str, object]]:
    """Draw limits on the cost, and those on quality that lie near any measured one.

    Returns:
        Plotly's shapes, each with its name; an application's lines are broken in its own way.
    """
    quality = profiles["quality_raw"].drop_nulls().to_list()
    nearby = (max(quality) - min(quality)) / 3 if quality else 0.0
    lowest = min(quality, default=0.0) - nearby
    applications = list(dict.fromkeys(limit.application for limit in limits))
    shapes: list[dict[str, object]] = []
    for limit in limits:
        is_quality = limit.metric == "quality_raw"
        if limit.metric != cost and not (is_quality and limit.value >= lowest):
            continue
        across, along = ("x", "y") if is_quality else ("y", "x")
        sign = "≤" if limit.kind == "max" else "≥"
        unit = "" if is_quality else metric_unit(limit.metric)
        shapes.append(
            {
                "type": "line",
                "layer": "below",
                f"{along}0": limit.value,
                f"{along}1": limit.value,
                f"{across}0": 0,
                f"{across}1": 1,
                f"{across}ref": f"{across} domain",
                "line": {"dash": DASHES[applications.index(limit.application) % len(DASHES)]},
                "name": f"{words(limit.application)} {sign} "
                f"{format_number(limit.value)} {unit}".strip(),
                "showlegend": True,
            }
        )
    return shapes


def behind_menu(views: Mapping[str, PlotlyJson], *, label: str) -> Chart:
    """Put figures behind one menu; the reader sees one at a time, the first to begin with.

    Args:
        views: Label in the menu -> figure; the figures share one template.
        label: What the menu chooses, for readers who cannot see that it is one; kept in the
            layout's ``meta.menu_label``.

    Returns:
        One figure with the traces of all; a choice swaps the visible traces and the layout.
    """
    first = next(iter(views))
    owners = [name for name, view in views.items() for _ in view["data"]]
    traces = [
        {**trace, "visible": name == first}
        for name, view in views.items()
        for trace in view["data"]
    ]
    menu = {
        "active": 0,
        "x": 0,  # between title and plot, so that it covers neither
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 8},
        "buttons": [
            {
                "label": name,
                "method": "update",
                "args": [
                    {"visible": [owner == name for owner in owners]},
                    # empty lists, so that nothing of the view before it stays
                    {"shapes": [], "annotations": []}
                    | {key: value for key, value in view["layout"].items() if key != "template"},
                ],
            }
            for name, view in views.items()
        ],
    }
    menu_layout = {"meta": {"menu_label": label}, "updatemenus": [menu]}
    return Chart(data=traces, layout={**views[first]["layout"], **menu_layout})
