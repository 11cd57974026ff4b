"""Figures behind a menu."""

from __future__ import annotations

import pytest
from plotly.graph_objects import Bar, Figure

from rightfit.reporting.charts.front_chart import behind_menu


def make_figures() -> dict[str, Figure]:
    one = Figure([Bar(x=[1]), Bar(x=[2])], layout={"title": {"text": "one"}, "height": 300})
    two = Figure([Bar(x=[3])], layout={"title": {"text": "two"}, "height": 400})
    return {"one": one.add_annotation(text="note"), "two": two}


def test_menu_shows_one_figure_and_swaps_layouts() -> None:
    merged = behind_menu(make_figures(), shown="two", label="Which")
    one, two = merged.layout.updatemenus[0].buttons

    assert [trace.visible for trace in merged.data] == [False, False, True]
    assert merged.layout.title.text == "two"
    assert one.args[0]["visible"] == [True, True, False]
    assert one.args[1]["title"] == {"text": "one"}
    assert two.args[1]["annotations"] == []  # those of the other view go
    assert merged.layout.meta == {"menu_label": "Which"}


def test_menu_refuses_an_unknown_figure() -> None:
    with pytest.raises(ValueError, match=r"one of \['one', 'two'\], but got shown='three'"):
        behind_menu(make_figures(), shown="three", label="Which")
