"""Data of the report's scripts."""

from __future__ import annotations

import copy
from dataclasses import replace

from factories.reports import APPLICATIONS, LADDER, build_results

from rightfit.ranking.explanation.decisions import FinalQuality
from rightfit.reporting.html_report import render_report
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


def test_quality_corrected_for_luck_is_not_drawn_beside_others_that_are_not() -> None:
    results = build_results({"accuracy_first": APPLICATIONS["accuracy_first"]})
    recommendation = results.recommendations["accuracy_first"]
    judged = {
        how: FinalQuality(raw=0.8, raw_low=0.7, raw_high=0.9, chosen_by=0.9, how=how)
        for how in ("nested", "held_out")
    }
    datasets = {
        dataset: decision.model_copy(update={"final_quality": judged[how]})
        for (dataset, decision), how in zip(
            recommendation.datasets.items(), ("nested", "held_out", "held_out"), strict=True
        )
    }
    changed = recommendation.model_copy(update={"datasets": datasets})
    results = replace(results, recommendations={"accuracy_first": changed})
    found = collect_page_data(results)["decisions"]["accuracy_first"]

    assert found["landsat"]["unseen"] is None
    assert found["flights"]["unseen"] == [0.8, 0.7, 0.9]
    assert (
        "Quality: by nested resampling, for want of test rows or on test rows not used for the "
        "choice, with its 95 % interval"
    ) in render_report(results, LADDER)
