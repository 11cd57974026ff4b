from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from factories.rankings import make_application, make_applications
from factories.studies import LATER, Study

from rightfit.datasets.stores import JsonStoreDataset
from rightfit.profiling.serving import Serving
from rightfit.serving.baseline import Baseline, KeptFigure, KeptWinner, compare_winners, load_watch
from rightfit.verbs import watch as watching

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]


def test_winner_is_measured_again_and_what_was_found_is_kept(
    ask_with_rows: Ask, study: Study
) -> None:
    result = ask_with_rows("watch", "--json", "--margin-pct", "1000")

    (winner,) = json.loads(result.stdout)["winners"]  # no candidate qualifies for the other
    assert (winner["application"], winner["candidate"]) == ("web_api", "linear-000")
    store = JsonStoreDataset(filepath=str(study.root / "07_model_output" / "watches")).load()
    kept = load_watch(store)
    assert kept is not None
    assert result.exit_code == bool(kept.changed)


def test_watch_needs_a_ranking(ask_with_rows: Ask, study: Study) -> None:
    for path in (study.root / "08_reporting").rglob("recommendations.json"):
        if path.is_file():
            path.unlink()

    result = ask_with_rows("watch")

    assert result.exit_code == 1
    assert "No run has written recommendations" in result.output


def test_watch_without_a_winner_says_so(
    ask_with_rows: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_can_watch", lambda *_: False)

    result = ask_with_rows("watch")

    assert result.exit_code == 1
    assert "There is no winner to measure again" in result.output


def test_damaged_rows_are_named(ask_with_rows: Ask, study: Study) -> None:
    for path in (study.root / "05_model_input").rglob("*.parquet"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-10])

    result = ask_with_rows("watch")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output


def make_baseline(value: float, low: float, high: float) -> Baseline:
    winner = KeptWinner(
        candidate="net-001",
        model="net",
        serving=Serving("onnx", 1),
        batch_size=None,
        utility=None,
        metrics={"latency_p50_ms": KeptFigure(value=value, low=low, high=high)},
    )
    winners = {"web_api": {"landsat": winner}}
    return Baseline(format_version=2, ranked_in=LATER, machine=None, winners=winners)


def watch(now: Baseline, **application: object) -> tuple[str, ...]:
    applications = make_applications(web_api=make_application(**application))
    (found,) = compare_winners(
        make_baseline(1.0, 0.9, 1.1), now, applications, margin_pct=5, disturbed=()
    )
    return found.changes


def test_winner_within_its_interval_is_unchanged() -> None:
    assert watch(make_baseline(1.08, 1.05, 1.2)) == ()


def test_winner_that_left_its_interval_has_changed() -> None:
    (change,) = watch(make_baseline(1.3, 1.2, 1.4))

    assert change.startswith("latency p50 is worse")


def test_winner_that_breaks_a_limit_now_has_changed() -> None:
    (change,) = watch(make_baseline(1.08, 1.05, 1.2), constraints={"latency_p50_ms": {"max": 1.05}})

    assert "the limit is" in change


def test_faster_winner_is_unchanged() -> None:
    assert watch(make_baseline(0.5, 0.4, 0.6)) == ()
