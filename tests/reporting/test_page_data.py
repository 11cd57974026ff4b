"""Data of the report's scripts."""

from __future__ import annotations

import copy

from factories.reports import APPLICATIONS, build_results

from rightfit.reporting.page_data import collect_page_data


def test_margin_is_of_errors_alone_where_a_limit_kept_another_from_winning() -> None:
    device = copy.deepcopy(APPLICATIONS["edge_device"])
    device["constraints"] = {"model_size_mib": {"min": 0.05}}  # linear-03 and linear-11 break it
    results = build_results({"edge_device": device})
    rows = {row["candidate"]: row for row in results.rankings.filter(dataset="landsat").to_dicts()}
    found = collect_page_data(results)["decisions"]["edge_device"]["landsat"]
    gap = rows["linear-03"]["utility"] - rows["net-09"]["utility"]

    assert found["winner"] == "net-09"
    assert not rows["linear-03"]["feasible"]
    assert 0 < found["margin"]["linear-03"] < gap
    assert found["margin"]["forest-14"] > 0
