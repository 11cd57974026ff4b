"""Quality against cost, and figures behind a menu."""

from __future__ import annotations

import polars as pl
import pytest
from plotly.graph_objects import Bar, Figure

from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS
from rightfit.reporting.charts.front_chart import (
    LimitLine,
    behind_menu,
    draw_front,
    find_limit_lines,
    select_front,
)
from rightfit.reporting.charts.palette import marks_of
from rightfit.reporting.run_results import Results

PROFILES = pl.DataFrame(
    {
        "dataset": ["landsat"] * 4,
        "model": ["linear", "linear", "net", "net"],
        "candidate": ["linear-1", "linear-2", "net-1", "net-2"],
        "runtime": ["onnx", "native", "onnx", "native"],
        "n_threads": [1, 1, 2, 2],
        "device": ["cpu"] * 4,
        "request_path": ["model"] * 4,
        "quality_raw": [0.80, 0.85, 0.90, 0.84],
        "latency_p50_ms": [0.1, 1.0, 10.0, 10.0],
        "latency_p50_ms_low": [0.09, 0.9, None, 9.0],
        "latency_p50_ms_high": [0.12, 1.2, None, 12.0],
        "throughput_rows_per_s": [1e6, 1e5, None, 1e3],
        "peak_memory_mib": pl.Series([None] * 4, dtype=pl.Float64),
    }
)
WINNERS = PROFILES[[2, 2]].select(*PROFILE_KEYS).with_columns(application=pl.Series(["a_b", "c"]))
LIMITS = [
    LimitLine("a_b", "latency_p50_ms", "max", 20.0),
    LimitLine("c", "quality_raw", "min", 0.83),
    LimitLine("far", "quality_raw", "min", 0.10),
    LimitLine("other", "throughput_rows_per_s", "min", 2e4),
]


@pytest.fixture
def figure():
    chart = draw_front(
        PROFILES,
        dataset="landsat",
        quality_title="accuracy",
        marks=marks_of(PROFILES["model"]),
        limits=LIMITS,
        winners=WINNERS,
    )
    return Figure(chart)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("latency_p50_ms", ["linear-1", "linear-2", "net-1"]),
        ("throughput_rows_per_s", ["linear-1", "linear-2"]),
    ],
)
def test_pareto_front_keeps_what_nothing_beats(cost: str, expected: list[str]) -> None:
    front = select_front(PROFILES, cost=cost, quality="quality_raw")

    assert front["candidate"].to_list() == expected


def test_front_shows_one_cost_and_offers_those_that_were_measured(figure) -> None:
    buttons = figure.layout.updatemenus[0].buttons
    shown = {trace.name for trace in figure.data if trace.visible}

    assert [button.label for button in buttons] == ["Latency p50 (ms)", "Throughput (rows/s)"]
    assert figure.layout.updatemenus[0].active == 0
    assert shown == {"Pareto front", "winner", "linear", "net"}
    assert figure.layout.xaxis.title.text == "Latency p50 (ms), lower is better"
    assert figure.layout.yaxis.title.text == "Accuracy"


def test_front_names_limits_on_the_shown_cost_and_near_qualities_in_its_legend(figure) -> None:
    shown = figure.layout.shapes
    other = figure.layout.updatemenus[0].buttons[1].args[1]["shapes"]

    assert [shape.name for shape in shown] == ["a b ≤ 20 ms", "c ≥ 0.83"]
    assert [shape["name"] for shape in other] == ["c ≥ 0.83", "other ≥ 20 k rows/s"]
    assert all(shape.showlegend and shape.label.text is None for shape in shown)
    assert shown[0].line.dash != shown[1].line.dash
    assert shown[1].line.dash == other[0]["line"]["dash"]  # an application's, whatever the cost


def test_front_tells_intervals_at_a_mark_where_they_are_known(figure) -> None:
    linear, net = (trace for trace in figure.data[:4] if trace.name in ("linear", "net"))

    assert [cost for _, cost in linear.customdata] == [" (0.09 to 0.12)", " (0.9 to 1.2)"]
    assert [cost for _, cost in net.customdata] == ["", " (9 to 12)"]
    assert linear.marker.symbol == ("circle-open", "circle")


def test_front_rings_a_winner_and_tells_all_it_wins(figure) -> None:
    (ring,) = (trace for trace in figure.data[:4] if trace.name == "winner")

    assert ring.hovertext == ("Winner: a b and c",)
    assert (ring.x, ring.y) == ((10.0,), (0.90,))


def test_limit_lines_are_absolute_and_in_the_metric_of_the_dataset(results: Results) -> None:
    profiles = results.profiles.filter(pl.col("dataset") == "landsat")
    lines = find_limit_lines(
        results.applications, profiles, QualityMetric(name="accuracy", worst=0.25, best=1.0)
    )
    found = {(line.application, line.metric, line.kind): line.value for line in lines}

    assert found == pytest.approx(
        {
            ("satellite_archive", "throughput_rows_per_s", "min"): 2e5,
            # best accuracy 0.912, less 0.1 of the way from 0.25 to 1
            ("satellite_archive", "quality_raw", "min"): 0.837,
            ("edge_device", "peak_memory_mib", "max"): 96,
            ("web_api", "latency_p99_ms", "max"): 0.08,
            ("web_api", "quality_raw", "min"): 0.715,
        }
    )


def make_figures() -> dict[str, Figure]:
    one = Figure([Bar(x=[1]), Bar(x=[2])], layout={"title": {"text": "one"}, "height": 300})
    two = Figure([Bar(x=[3])], layout={"title": {"text": "two"}, "height": 400})
    return {"one": one.add_annotation(text="note"), "two": two}


def test_menu_shows_one_figure_and_swaps_layouts() -> None:
    views = {name: figure.to_plotly_json() for name, figure in make_figures().items()}
    merged = Figure(behind_menu(views, label="Which"))
    one, two = merged.layout.updatemenus[0].buttons

    assert [trace.visible for trace in merged.data] == [True, True, False]
    assert merged.layout.title.text == "one"
    assert one.args[0]["visible"] == [True, True, False]
    assert one.args[1]["title"] == {"text": "one"}
    assert two.args[1]["annotations"] == []  # those of the other view go
    assert merged.layout.meta == {"menu_label": "Which"}
