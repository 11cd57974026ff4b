"""Throughput and peak memory against the batch size: a line per profile, a view per dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import polars as pl

from rightfit._core.formatting import count
from rightfit.measuring.metrics import METRICS_BY_COLUMN, Figure
from rightfit.measuring.naming import metric_name, metric_title, sentence_case, words
from rightfit.measuring.profile import Profile
from rightfit.measuring.throughput_curve import NO_CURVE, SHOWN
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS
from rightfit.reporting.charts.front_chart import behind_menu
from rightfit.reporting.charts.palette import Chart, Mark, PlotlyJson, base_layout

HEIGHT_PX = 460
CHOSEN_PX, OTHER_PX = 11, 5  # of the marks


@dataclass(frozen=True)
class _Line:
    """A profile with a curve, and whether an application chose it."""

    profile: Profile
    has_won: bool


def draw_curves(profiles: pl.DataFrame, winners: pl.DataFrame, marks: Mapping[str, Mark]) -> Chart:
    """Draw the curves of all profiles that have one; those of winners are thick.

    Args:
        profiles: Profiles of all datasets, each with its request path.
        winners: The rankings' rows of winners.
        marks: Colour and symbol of each family.

    Returns:
        A figure whose menu chooses dataset and metric; it says so where no profile has a curve.
    """
    won = set(winners.select(PROFILE_KEYS).rows())
    lines: dict[str, list[_Line]] = {}
    for row in profiles.iter_rows(named=True):
        profile = Profile.from_row(row)
        if profile.throughput_curve:
            line = _Line(profile, has_won=tuple(row[key] for key in PROFILE_KEYS) in won)
            lines.setdefault(profile.dataset, []).append(line)
    if not lines:
        layout = base_layout("No throughput by batch size", sentence_case(NO_CURVE))
        return Chart(data=[], layout=layout)
    views = {
        f"{words(dataset)}: {metric_name(metric)}": _draw_view(dataset, metric, drawn, marks)
        for dataset, drawn in lines.items()
        for metric in SHOWN
    }
    return behind_menu(views, label="Dataset and metric")


def _draw_view(
    dataset: str, metric: str, lines: Sequence[_Line], marks: Mapping[str, Mark]
) -> PlotlyJson:
    groups = {
        (family, has_won): [
            line.profile
            for line in lines
            if (line.profile.model, line.has_won) == (family, has_won)
        ]
        for has_won in (False, True)  # winners above the others
        for family in marks
    }
    better = METRICS_BY_COLUMN[metric].better
    return {
        "data": [
            _draw_profiles(profiles, metric, marks[family], has_won=has_won)
            for (family, has_won), profiles in groups.items()
            if profiles
        ],
        "layout": {
            **base_layout(
                f"{sentence_case(words(dataset))}: {metric_name(metric)} by batch size",
                "Large: the size that a profile's figures are of. Thick: winner.",
            ),
            "height": HEIGHT_PX,
            "hovermode": "closest",
            "legend": {"y": -0.18, "yanchor": "top"},
            "xaxis": {
                "type": "log",
                "title": {"text": "Rows a call"},
                "tickvals": sorted(
                    {one.batch_size for line in lines for one in line.profile.throughput_curve}
                ),
            },
            "yaxis": {
                "type": "log",
                "title": {"text": f"{metric_title(metric)}, {better} is better"},
                "tickformat": "~s",
            },
        },
    }


def _draw_profiles(
    profiles: Sequence[Profile], metric: str, mark: Mark, *, has_won: bool
) -> PlotlyJson:
    """Draw profiles of one family as one trace, with a gap after each line."""
    xs: list[int | None] = []
    figures: list[Figure | None] = []
    sizes: list[int] = []
    texts: list[str] = []
    for profile in profiles:
        curve = profile.throughput_curve
        for point in curve:
            xs.append(point.batch_size)
            figures.append(point[metric])
            is_chosen = point.batch_size == curve.best_batch_size
            sizes.append(CHOSEN_PX if is_chosen else OTHER_PX)
            texts.append(
                f"<b>{profile.candidate} ({profile.serving.label})</b><br>{point[metric]} "
                f"at {count(point.batch_size, 'row')} a call"
            )
        xs.append(None)
        figures.append(None)
        sizes.append(OTHER_PX)
        texts.append("")
    above, below = (
        [
            0.0
            if one is None or one.value is None or end(one) is None
            else abs(end(one) - one.value)
            for one in figures
        ]
        for end in (attrgetter("high"), attrgetter("low"))
    )
    return {
        "type": "scatter",
        "x": xs,
        "y": [one and one.value for one in figures],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": above,
            "arrayminus": below,
            "thickness": 1,
            "width": 3,
        },
        "mode": "lines+markers",
        "line": {"color": mark.color, "width": 3 if has_won else 1},
        "marker": {"color": mark.color, "symbol": mark.symbol, "size": sizes},
        "opacity": 1.0 if has_won else 0.5,
        "name": f"{words(profiles[0].model)}{', winner' if has_won else ''}",
        "hovertext": texts,
        "hoverinfo": "text",
    }
