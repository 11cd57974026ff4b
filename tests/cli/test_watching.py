from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result
from factories.studies import Study

from rightfit.cli import watching
from rightfit.cli.stored_answers import read_answers
from rightfit.kedro_project.datasets.stores import JsonStoreDataset
from rightfit.kedro_project.stored_results import StoredResults
from rightfit.ranking.explanation.answer import Answer
from rightfit.ranking.records.baseline import load_watch

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]


def test_winner_is_measured_again_and_what_was_found_is_kept(
    ask_with_rows: Ask, study: Study
) -> None:
    result = ask_with_rows("check", "--measure", "--json", "--margin-pct", "1000")

    (winner,) = json.loads(result.stdout)["winners"]  # no candidate qualifies for the other
    assert (winner["application"], winner["candidate"]) == ("web_api", "linear-000")
    store = JsonStoreDataset(filepath=str(study.root / "07_model_output" / "watches")).load()
    kept = load_watch(store)
    assert kept is not None
    assert result.exit_code == bool(kept.changed)


def test_winners_that_are_not_measured_here_are_named(
    ask_with_rows: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_twice(results: StoredResults) -> list[Answer]:
        here = next(one for one in read_answers(results) if one.decision.winner)
        winner = here.decision.winner
        assert winner is not None
        serving = replace(winner.serving, device="cpu@board")
        there = winner.model_copy(update={"serving": serving})
        decision = here.decision.model_copy(update={"winner": there})
        return [here, replace(here, decision=decision)]

    monkeypatch.setattr(watching, "read_answers", read_twice)

    result = ask_with_rows("check", "--measure", "--margin-pct", "1000")

    named = "not measured  linear-000, web_api on landsat: measured on board\n"
    assert named in result.output
    assert "of 1 changed" in result.output


def test_measuring_again_needs_a_ranking(ask_with_rows: Ask, study: Study) -> None:
    for path in (study.root / "08_reporting").rglob("recommendations.json"):
        if path.is_file():
            path.unlink()

    result = ask_with_rows("check", "--measure")

    assert result.exit_code == 1
    assert "No run has written recommendations" in result.output


def test_watch_without_a_winner_that_was_measured_here_says_so(
    ask_with_rows: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "split_device", lambda device: (device, "board"))

    result = ask_with_rows("check", "--measure")

    assert result.exit_code == 1
    assert "There is no winner to measure again" in result.output


def test_damaged_rows_are_named(ask_with_rows: Ask, study: Study) -> None:
    for path in (study.root / "05_model_input").rglob("*.parquet"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-10])

    result = ask_with_rows("check", "--measure")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
