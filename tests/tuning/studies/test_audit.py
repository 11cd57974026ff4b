from __future__ import annotations

import pytest
from demands import ACCURACY, Play
from recordings import application

from rightfit.families.family import TrainingData
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.studies.audit import audit_search
from rightfit.tuning.studies.search_tables import tabulate_trials


@pytest.fixture
def play(blobs: TrainingData) -> Play:
    return Play(
        blobs, applications=Applications(ACCURACY | {"tiny": application(max_size_mib=0.01)})
    )


def test_audit_sums_up_the_search_and_names_each_winner(play: Play) -> None:
    for quality in (0.80, 0.85, 0.90, 0.95):
        play.run(quality - 0.02, quality)
    stop = play.run(0.2, 0.3)

    audit = audit_search(play.record(), play.cell, play.demand, n_orders=5, seed=0)
    rows = {row["application"]: row for row in audit.to_dicts()}

    assert stop is not None
    assert rows["accuracy"]["winner"] == 3
    assert rows["accuracy"]["utility"] == pytest.approx(0.95)
    assert rows["accuracy"]["n_survived"] <= rows["accuracy"]["n_orders"] == 5
    assert rows["tiny"]["winner"] is None  # all models are too large
    assert rows["tiny"]["n_survived"] is None
    assert (rows["tiny"]["n_trials"], rows["tiny"]["n_stopped"]) == (5, 1)
    assert rows["tiny"]["saved_s"] > 0
    assert rows["tiny"]["wrong_share_low"] is None  # nothing was audited


def test_audit_counts_the_stops_that_were_wrong(blobs: TrainingData) -> None:
    play = Play(blobs, audit_share=1.0)
    for quality in (0.80, 0.85, 0.90, 0.95):
        play.run(quality - 0.02, quality)
    play.run(0.2, 0.3)  # rightly given up
    play.run(0.2, 0.99)  # wrongly

    row = audit_search(play.record(), play.cell, play.demand, n_orders=1, seed=0).to_dicts()[0]

    assert (row["n_audited"], row["n_wrong"], row["n_stopped"]) == (2, 1, 0)
    assert 0 < row["wrong_share_low"] < 0.5 < row["wrong_share_high"] < 1


def test_winner_that_comes_last_survives_every_order(blobs: TrainingData) -> None:
    play = Play(blobs)
    play.run(0.98, 0.99)
    play.run(0.1, 0.2)

    row = audit_search(play.record(), play.cell, play.demand, n_orders=6, seed=0).to_dicts()[0]

    assert row["n_survived"] == 6


def test_saved_compute_is_estimated_from_pace_and_usual_ending(play: Play) -> None:
    for quality in (0.80, 0.85, 0.90, 0.95):
        play.run(quality - 0.02, quality)
    stop = play.run(0.2, 0.3)

    trials = tabulate_trials(play.study, play.cell, n_checkpoints=2)
    stopped = trials.filter(state="stopped")

    assert stop is not None
    assert stop.checkpoint == 1
    measured_s = 0.5 * len(play.bench.measured) / trials.filter(state="complete").height
    assert stopped["saved_s"][0] == pytest.approx(1.0 + measured_s)  # as much training again
    assert trials.filter(state="complete")["saved_s"].null_count() == trials.height - 1
