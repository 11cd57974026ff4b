from __future__ import annotations

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

    same = repeat.compare([first, renamed])
    assert capsys.readouterr().out == ""
    different = repeat.compare([first, other])
    assert len(capsys.readouterr().out.splitlines()) == 2  # the cascade of each
    assert (same["unsaid"], same["winners_same_min"], same["candidates_common"]) == (0, 1, 1)
    assert (different["unsaid"], different["winners_same_min"]) == (1, 0)
    assert different["candidates_common"] == pytest.approx(1 / 3)
