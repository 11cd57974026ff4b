"""Stored predictions judged by another metric, per segment, and ranked: no model takes part."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.stored_predictions import STORES, N, predict, store_profiles

import rightfit as rf
from rightfit._core.processes.json_store import JsonStore
from rightfit.api.stored_qualities import require_judgeable
from rightfit.measuring.profile import PREDICTIONS
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.models.quality.metric import QualityMetric

QUALITY = {"weight": 1, "worst": 0.0, "best": 1.0}


def ask(**settings: Any) -> rf.Application:
    return rf.Application.model_validate({"objectives": {"quality": QUALITY}, **settings})


@pytest.fixture
def opposite(tmp_path: Path) -> rf.Profiles:
    """One candidate is better in each big store."""
    predictions = {
        "linear-1": predict({"big": 0.98, "other": 0.70}, seed=1),
        "forest-1": predict({"big": 0.80, "other": 0.96}, seed=2),
    }
    return store_profiles(tmp_path, predictions, peak_memory_mib=100.0)


def test_equal_predictions_share_a_file_and_rows_are_stored_once(tmp_path: Path) -> None:
    values = predict({}, seed=0)

    profiles = store_profiles(tmp_path, {"linear-1": values, "forest-1": values.copy()})

    assert profiles.table[PREDICTIONS].n_unique() == 1
    assert len(list((tmp_path / "predictions").iterdir())) == 2
    assert profiles.predictions["data"].columns.columns == ["store"]  # bytes are no segment


def test_threshold_function_and_metric_rank_again(opposite: rf.Profiles) -> None:
    ranking = rf.rank(opposite, {"web": ask()})

    moved = ranking.with_quality(
        {"name": "accuracy", "threshold": 0.2, "worst": 0.5, "best": 1.0}, "web"
    )
    own = ranking.with_quality(
        {"name": lambda labels, shares: shares[:400, 1].mean(), "worst": 0.0, "best": 1.0}
    )

    assert ranking.decision().winner.candidate == "forest-1"
    assert moved.winner().quality_raw.value == 1.0  # every row is answered with 0.3 or 0.7
    assert own.decision().winner.candidate == "linear-1"
    first = opposite.predictions["data"].predictions[opposite["linear-1"].table[PREDICTIONS][0]]
    assert own.winner().quality_raw.value == pytest.approx(first[:400, 1].mean())
    with pytest.raises(rf.RightfitError, match="only missing from the test rows"):
        ranking.with_quality({"costs": [[0, 1], [5, 0]]})  # all are of one class
    with pytest.raises(rf.RightfitError, match="the metric r2 is one of regression"):
        ranking.with_quality("r2")
    with pytest.raises(rf.RightfitError, match="a function cannot be saved"):
        own.save("anywhere")


def test_application_of_its_own_metric_ranks_beside_one_that_has_none(
    opposite: rf.Profiles, tmp_path: Path
) -> None:
    block = {"name": "accuracy", "threshold": 0.2, "worst": 0.5, "best": 1.0}

    ranking = rf.rank(opposite, {"web": ask(), "alarm": ask(quality=block)})
    ranking.save(tmp_path / "saved")
    loaded = rf.Ranking.load(tmp_path / "saved")

    for each in (ranking, loaded):
        assert each.leaderboard("alarm")["accuracy"].to_list() == [1.0, 1.0]
        assert max(each.leaderboard("web")["accuracy"]) < 0.95


def test_segments_have_a_winner_each_beyond_the_errors(opposite: rf.Profiles) -> None:
    segments = rf.rank(opposite, {"web": ask(per="store")}).decision().segments

    assert segments is not None
    assert [(one.segment, one.candidate, one.n_rows) for one in segments.winners] == [
        ("big", "linear-1", N)
    ]
    assert segments.memory_mib == 200.0
    assert segments.utility_gain > 0
    (line,) = segments.skipped
    assert "store tiny" in line
    assert "3 test rows" in line
    assert "forest-1" in line


def test_control_characters_of_a_value_reach_no_sentence(opposite: rf.Profiles) -> None:
    rows = opposite.predictions["data"]
    hostile = pl.col("store") + "\x1b[2J\nstore"
    columns = rows.columns.with_columns(hostile)
    profiles = replace(opposite, predictions={"data": replace(rows, columns=columns)})
    segments = rf.rank(profiles, {"web": ask(per="store")}).decision().segments

    assert segments is not None
    assert "big?[2J store" in segments.sentence
    assert "store tiny?[2J store: " in segments.skipped[0]
    assert segments.winners[0].segment == "big\x1b[2J\nstore"


def test_one_winner_serves_all_where_another_is_better_by_chance(tmp_path: Path) -> None:
    predictions = {
        "linear-1": predict({"big": 0.90, "other": 0.90}, seed=1),
        "forest-1": predict({"big": 0.91, "other": 0.91}, seed=2),
    }

    profiles = store_profiles(tmp_path, predictions)
    segments = rf.rank(profiles, {"web": ask(per="store")}).decision().segments

    assert segments is not None
    assert segments.n_judged == 2
    assert segments.winners == []


@pytest.mark.parametrize("limit_mib", [150.0, 250.0])
def test_memory_of_several_models_counts(opposite: rf.Profiles, limit_mib: float) -> None:
    application = ask(per="store", constraints={"peak_memory_mib": {"max": limit_mib}})

    segments = rf.rank(opposite, {"web": application}).decision().segments

    assert segments is not None
    assert bool(segments.winners) == (limit_mib > 200.0)
    assert ("memory" in segments.sentence) == (limit_mib < 200.0)


def test_column_that_no_dataset_has_is_one_clear_error(opposite: rf.Profiles) -> None:
    with pytest.raises(rf.RightfitError, match=r"web: data has no column 'shop' \(per\).*store"):
        rf.rank(opposite, {"web": ask(per="shop")})


@pytest.mark.parametrize(
    "column", [pl.Series(range(1_001)), pl.Series([timedelta(1)]), pl.Series([[1]])]
)
def test_column_that_makes_no_segments_is_refused_before_anything_is_searched(
    column: pl.Series, opposite: rf.Profiles
) -> None:
    rows = pl.DataFrame({"id": column})

    with pytest.raises(rf.RightfitError, match=r"web.per: the column 'id' must have .*1,000 diff"):
        require_judgeable({"web": ask(per="id")}, rows, pl.Series(["a"]), None)
    with pytest.raises(rf.RightfitError, match=r"no column 'id' .*1,000 different.*it has store"):
        rf.rank(opposite, {"web": ask(per="id")})


def test_predictions_that_were_not_kept_are_one_clear_error(opposite: rf.Profiles) -> None:
    bare = rf.Profiles(opposite.table, qualities=opposite.qualities)

    with pytest.raises(rf.RightfitError, match="predictions for data were not kept: measure"):
        rf.rank(bare, {"web": ask()}).with_quality("f1")


def flip(path: Path) -> None:
    """Change some bytes."""
    content = bytearray(path.read_bytes())
    for position in range(40, 80):
        content[position] ^= 64
    path.write_bytes(content)


def shorten(path: Path) -> None:
    about = pl.read_parquet_metadata(path)
    pl.read_parquet(path).head(5).write_parquet(path, metadata=about)


def swap(path: Path) -> None:
    other = next(other for other in path.parent.iterdir() if other != path)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def put_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "nothing": lambda path: path.write_bytes(b"nothing"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-99]),
    "flipped": flip,
    "shortened": shorten,
    "swapped": swap,
    "a pipe": put_a_pipe,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("is_of_rows", [False, True])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_predictions_are_named(
    tmp_path: Path, damage: Callable[[Path], object], is_of_rows: bool
) -> None:
    profiles = store_profiles(tmp_path, {"linear-1": predict({}, seed=0)})
    name = profiles.table[PREDICTIONS][0]
    paths = sorted((tmp_path / "predictions").iterdir(), key=lambda path: path.stem == name)
    damage(paths[not is_of_rows])

    with pytest.raises(rf.RightfitError, match=r"stored predictions for data.*are damaged"):
        load_predictions(JsonStore(tmp_path), profiles.table)


def test_predictions_for_the_same_rows_are_read_whichever_metric_they_were_stored_with(
    tmp_path: Path,
) -> None:
    profiles = store_profiles(
        tmp_path, {"linear-1": predict({}, seed=0), "forest-1": predict({}, seed=1)}
    )
    rows = replace(profiles.predictions["data"], metric=QualityMetric(name="f1", worst=0, best=1))
    name = rows.store(JsonStore(tmp_path), predict({}, seed=2))
    table = profiles.table.with_columns(
        pl.when(candidate="forest-1").then(pl.lit(name)).otherwise(PREDICTIONS).alias(PREDICTIONS)
    )

    loaded = load_predictions(JsonStore(tmp_path), table)["data"]

    assert set(loaded.predictions) == set(table[PREDICTIONS])


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/passwd", "", "a" * 5_000, "*"])
def test_name_of_predictions_that_is_no_hash_opens_nothing(tmp_path: Path, name: str) -> None:
    table = store_profiles(tmp_path, {"linear-1": predict({}, seed=0)}).table

    with pytest.raises(rf.RightfitError, match="names no stored predictions"):
        load_predictions(JsonStore(tmp_path), table.with_columns(pl.lit(name).alias(PREDICTIONS)))


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (lambda labels, shares: 1 / 0, "division by zero"),
        (lambda labels, shares: float("nan"), "is nan"),
        (lambda labels, shares: shares, "fails"),
    ],
)
def test_function_that_is_no_metric_is_one_clear_error(
    opposite: rf.Profiles, function: Callable[..., float], fault: str
) -> None:
    ranking = rf.rank(opposite, {"web": ask()})

    with pytest.raises(rf.RightfitError, match=f"applications.web: data: the metric.*{fault}"):
        ranking.with_quality({"name": function, "worst": 0, "best": 1})


@pytest.mark.parametrize(
    "column",
    [
        [None] * len(STORES),
        [timedelta(1)] * len(STORES),
        [str(row // 3) for row in range(len(STORES))],
        ["<b>\x1b[31m"] * len(STORES),
        [float("nan")] * len(STORES),
    ],
    ids=["nulls", "durations", "three rows each", "markup", "NaN"],
)
@pytest.mark.parametrize("name", ["target", "../..", "^.*$", "", "x" * 5_000])
def test_odd_column_of_segments_is_refused_or_leaves_the_overall_winner(
    tmp_path: Path, column: list[object], name: str
) -> None:
    predictions = {"linear-1": predict({}, seed=0)}
    profiles = store_profiles(tmp_path, predictions, pl.DataFrame({name: column}))

    segments = None
    with suppress(rf.RightfitError):  # a traceback fails
        segments = rf.rank(profiles, {"web": ask(per=name)}).decision().segments

    assert segments is None or segments.winners == []
