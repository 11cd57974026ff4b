from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from factories.measurements import make_round
from factories.studies import Study

from rightfit._core.errors import RightfitError
from rightfit.api import candidate_measuring
from rightfit.cli import watching
from rightfit.cli.stored_answers import read_answers
from rightfit.kedro_project.datasets.stores import JsonStoreDataset
from rightfit.kedro_project.stored_results import StoredResults
from rightfit.measuring.rounds.block_timing import measure_jobs
from rightfit.measuring.rounds.jobs import Job
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.ranking.explanation.answer import Answer
from rightfit.ranking.records.baseline import load_watch

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]
SHARES = ("0.5", "0.95", "0.99")


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
    def read_twice(results: StoredResults, **_options: object) -> list[Answer]:
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
    assert "of 1 regressed" in result.output


def test_winners_of_two_releases_are_timed_in_common_blocks(
    ask_with_rows: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline, timed = tmp_path / "baseline.json", []

    def measure(jobs: Sequence[Job], *arguments: Any, **options: Any) -> list[MeasurementState]:
        timed.extend(zip(jobs, states := measure_jobs(jobs, *arguments, **options), strict=True))
        return states

    monkeypatch.setattr(candidate_measuring, "measure_jobs", measure)
    ask_with_rows("check", "--against", baseline, "--write")

    result = ask_with_rows("check", "--against", baseline, "--measure", "--margin-pct", "1000")

    assert "of 1 regressed" in result.output, result.output
    (now, now_state), (before, before_state) = timed
    assert {one.block for one in now_state.rounds} & {one.block for one in before_state.rounds}
    assert now.subject.rows != before.subject.rows  # each reads what its encoder made


def test_slower_winner_than_that_of_the_baseline_has_changed(
    ask_with_rows: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_down(jobs: Sequence[Job], *_: object, **__: object) -> list[MeasurementState]:
        return [
            MeasurementState(
                rounds=tuple(
                    make_round(
                        percentiles_ns=dict.fromkeys(SHARES, times * ms * 1e6),
                        latency={"n_calls": 200},
                        block=f"a.{number}",
                    )
                    for number, ms in enumerate((1.0, 4.0, 2.0, 8.0, 1.0, 3.0))  # for both alike
                ),
                settled="precise",
            )
            for times in (1.2, 1.0)
        ]

    monkeypatch.setattr(candidate_measuring, "measure_jobs", slow_down)
    ask_with_rows("check", "--against", tmp_path / "baseline.json", "--write")

    result = ask_with_rows("check", "--against", tmp_path / "baseline.json", "--measure", "--json")

    (winner,) = json.loads(result.stdout)["winners"]
    assert result.exit_code == 1
    assert any(one.startswith("latency p95 is worse: ") for one in winner["faults"]), winner


def test_release_that_cannot_be_measured_any_more_is_no_reason_to_pass(
    ask_with_rows: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(jobs: Sequence[Job], *_: object, **__: object) -> list[MeasurementState]:
        return [MeasurementState(error="out of memory")] * len(jobs)

    monkeypatch.setattr(candidate_measuring, "measure_jobs", fail)
    ask_with_rows("check", "--against", tmp_path / "baseline.json", "--write")

    result = ask_with_rows("check", "--against", tmp_path / "baseline.json", "--measure")

    assert result.exit_code == 1
    assert "scaled quality was not measured" in result.output


def test_winner_that_was_lost_since_the_baseline_is_a_fault(
    ask_with_rows: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_lost(results: StoredResults, *, ranked_in: str | None = None) -> list[Answer]:
        answers = list(read_answers(results, ranked_in=ranked_in))
        winning = next(one for one in answers if one.decision.winner)
        if ranked_in is not None:
            return [winning, replace(winning, application="edge_device")]
        losing = next(one for one in answers if one.decision.winner is None)
        return [winning, replace(losing, application="edge_device")]

    monkeypatch.setattr(watching, "read_answers", read_lost)
    ask_with_rows("check", "--against", tmp_path / "baseline.json", "--write")

    result = ask_with_rows("check", "--against", tmp_path / "baseline.json", "--measure", "--json")

    lost = json.loads(result.stdout)["winners"][1]
    assert lost["faults"] == ["no candidate meets its limits any more; linear-000 did"]


def test_baseline_of_a_ranking_that_is_stored_no_longer_is_refused(
    ask_with_rows: Ask, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    ask_with_rows("check", "--against", baseline, "--write")
    content = json.loads(baseline.read_text(encoding="utf-8"))
    baseline.write_text(json.dumps(content | {"ranked_in": "2020-01-01"}), encoding="utf-8")

    result = ask_with_rows("check", "--against", baseline, "--measure")

    assert result.exit_code == 1
    assert "The ranking of 2020-01-01 is not stored here" in result.output


@pytest.mark.parametrize(
    ("dropped", "classes", "reason"),
    [
        (["origin"], ("0", "1", "2"), r"columns that landsat has no longer: \['origin'\]"),
        ([], ("a", "b"), "predict other classes"),
    ],
)
def test_earlier_winners_that_cannot_answer_the_rows_of_today_are_refused(
    dropped: list[str], classes: tuple[str, ...], reason: str, study: Study, tmp_path: Path
) -> None:
    raw = candidate_measuring.RawTest(study.raw.drop(dropped), study.encoder)
    release = candidate_measuring.Release({"linear-000": study.bundle}, {}, raw, "2026-01-01")

    with pytest.raises(RightfitError, match=f"The winners of 2026-01-01 .*{reason}.*--write"):
        release.plan("landsat", tmp_path / "rows", classes)


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
    for path in (study.root / "04_feature").rglob("*.parquet"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-10])

    result = ask_with_rows("check", "--measure")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
