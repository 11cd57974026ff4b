"""The report as Markdown."""

from __future__ import annotations

import polars as pl
from factories.reports import APPLICATIONS, LADDER, build_results, make_profiles

from rightfit.reporting.markdown_report import render_markdown
from rightfit.reporting.run_results import Results


def test_markdown_has_a_line_per_decision_with_winner_status_and_limits(results: Results) -> None:
    lines = render_markdown(results, LADDER).splitlines()
    (line,) = (line for line in lines if line.startswith("| web\\_api | landsat |"))
    cells = line.split(" | ")

    assert cells[2:5] == ["forest-14", "onnx, 1 thread", "likely"]
    assert "meets ≤ 0.08 ms, 49 % left" in line
    assert sum(line.startswith(("| web", "| sat", "| edge", "| accuracy")) for line in lines) == 12


def test_markdown_takes_names_for_text() -> None:
    name = "<b>|`x`\n# y"
    profiles = make_profiles().with_columns(candidate=pl.col("candidate") + name)
    text = render_markdown(build_results(APPLICATIONS, profiles), LADDER)

    assert "\\<b\\>\\|\\`x\\`" in text
    assert "\n# y" not in text
