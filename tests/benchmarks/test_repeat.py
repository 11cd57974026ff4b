from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import repeat
from factories.rankings import (
    around,
    make_application,
    make_applications,
    make_profile,
    make_profiles,
    make_rules,
)

from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.ranking.explanation.decisions import write_recommendations

QUALITY = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})


def make(name: str, predictions: str, quality: float) -> dict[str, Any]:
    values = {"predictions_sha256": predictions, "settings": "{}"}
    return make_profile(name, **around("quality", quality, 0.001), **values)


def read(*rows: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> repeat.Decided:
    """Rank profiles, and read that as a run's results."""
    profiles = make_profiles(*rows)
    ranking = Ranking(Profiles(profiles), make_applications(test=QUALITY), make_rules())
    stored = {
        "resource_profiles": profiles,
        "rankings": ranking.table,
        "recommendations": write_recommendations(ranking.recommendations),
    }
    results = SimpleNamespace(load_newest=stored.__getitem__)
    location = SimpleNamespace(open_results=lambda: results)
    monkeypatch.setattr(repeat, "ProjectLocation", lambda *_, **__: location)
    return repeat.read(Path(), "base")


def test_candidates_are_told_by_their_predictions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = read(make("net-1", "a", 0.5), make("cascade-1", "b", 0.9), monkeypatch=monkeypatch)
    renamed = read(make("net-1", "a", 0.5), make("cascade-2", "b", 0.9), monkeypatch=monkeypatch)
    other = read(make("net-1", "a", 0.5), make("cascade-1", "c", 0.9), monkeypatch=monkeypatch)

    same = repeat.compare([first, renamed], 0.01)
    assert capsys.readouterr().out == ""
    different = repeat.compare([first, other], 0.01)
    assert len(capsys.readouterr().out.splitlines()) == 2  # the cascade of each
    assert (same["unsaid"], same["winners_same_min"], same["candidates_common"]) == (0, 1, 1)
    assert (different["unsaid"], different["winners_same_min"]) == (1, 0)
    assert different["candidates_common"] == pytest.approx(1 / 3)


CHOICE = ("web_api", "landsat")


def decide(
    winner: str, mark: str, worths: dict[str, float], equal: tuple[str, ...] = ()
) -> repeat.Decided:
    """One decision of a run, and what its candidates are worth."""
    return repeat.Decided(
        candidates={},
        winners={CHOICE: ("landsat", winner, "onnx", 1, "cpu", "request")},
        utilities={},
        marks={CHOICE: mark},
        equal={CHOICE: set(equal)},
        worths={CHOICE: worths},
        doubted={CHOICE: set()},
    )


@pytest.mark.parametrize(
    ("mark", "equal", "n_contradictions"),
    [("clear", (), 1), ("likely", (), 0), ("clear", ("a",), 0)],
)
def test_clear_winners_contradict_unless_one_run_calls_them_equal(
    mark: str, equal: tuple[str, ...], n_contradictions: int
) -> None:
    runs = [decide("a", "clear", {}), decide("a", "clear", {}), decide("b", mark, {}, equal)]

    assert repeat.count_contradictions(runs) == n_contradictions


def test_a_mark_holds_where_the_other_runs_find_the_winner_practically_the_best() -> None:
    first = decide("a", "clear", {"a": 0.9, "b": 0.1})  # a: 0.6 by the others, b: 0.605
    second = decide("b", "clear", {"a": 0.8, "b": 0.81})  # b: 0.25 by the others, a: 0.65
    third = decide("a", "likely", {"a": 0.4, "b": 0.4})  # a: 0.85 by the others

    runs = [first, second, third]

    assert repeat.share_held(runs, "clear", 0.01) == 0.5
    assert repeat.share_held(runs, "likely", 0.01) == 1.0
    assert repeat.share_held(runs, "open", 0.01) is None


def test_a_winner_that_breaks_a_limit_in_another_run_does_not_hold() -> None:
    runs = [decide("a", "clear", {"a": 0.9}), decide("a", "open", {"a": -math.inf})]

    assert repeat.share_held(runs, "clear", 0.01) == 0.0


def test_a_winner_that_no_other_run_has_is_left_out() -> None:
    runs = [decide("a", "clear", {"a": 0.9}), decide("b", "clear", {"a": 0.1, "b": 0.9})]

    assert repeat.share_held(runs, "clear", 0.01) == 0.0  # of the first alone
