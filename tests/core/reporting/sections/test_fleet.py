"""The report of a fleet: the switch's winners, and the table of kinds and prices."""

from __future__ import annotations

from factories.reports import APPLICATIONS, LADDER

from rightfit.reporting.decision_views import DecisionView, view_decisions
from rightfit.reporting.markdown_report import render_markdown
from rightfit.reporting.page_data import collect_page_data
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.hardware import build_fleet


def view(results: Results, application: str) -> DecisionView:
    (decision,) = view_decisions(results, application, [])
    return decision


def test_switch_shows_the_winner_and_the_limits_of_the_other_kind(fleet_results: Results) -> None:
    decision = view(fleet_results, "web_api")
    assert decision.decision.winner is not None
    board, laptop = decision.kinds

    assert decision.decision.winner.candidate == "forest-14"
    assert board.member.candidate == "net-05"
    limits = [limit for figure in board.figures for limit in figure.limits]
    assert limits
    assert all(is_met for is_met, _ in limits)
    assert ("0.887", "accuracy") in [(figure.value, figure.name) for figure in board.figures]
    assert (laptop.member.label, laptop.figures) == ("not measured", ())


def test_charts_of_another_kind_read_its_own_profiles(fleet_results: Results) -> None:
    data = collect_page_data(fleet_results)
    board = data["decisions"]["web_api"]["landsat"]["kinds"]["board"]
    own = {
        profile["serving"]
        for profile in data["profiles"]["landsat"]
        if profile["path"] == board["path"]
    }

    assert board["winner"] == "net-05"
    assert board["serving"] in own
    assert all(serving.endswith("cpu@board") for serving in own)


def test_table_has_a_line_for_each_kind_and_markdown_the_same(fleet_results: Results) -> None:
    (section,) = build_fleet(fleet_results)
    (table,) = section.tables
    lines = render_markdown(fleet_results, LADDER).splitlines()

    assert len(table.rows) == 3 * len(APPLICATIONS)
    assert [row[2] for row in table.rows[:3]] == ["this_machine", "board", "laptop"]
    assert table.rows[2][3] == "not measured"
    assert {row[5] for row in table.rows if row[2] == "board"} == {"7.3"}  # 0.01 × 730 h
    assert "## The fleet" in lines
    assert sum("| board |" in line for line in lines) == len(APPLICATIONS)


def test_report_of_a_single_kind_has_no_fleet(results: Results) -> None:
    assert build_fleet(results) == []
    assert view_decisions(results, "web_api", [])[0].kinds == ()
