"""Winners are loaded once, within their time, and a server that fails is a reason, not an error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.exports import choose, make_model
from factories.studies import make_raw

from rightfit._core.processes.codec import to_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit.data.request_path.feeding import TensorInput
from rightfit.exporting.export_folder import export_model
from rightfit.exporting.model_call import Model
from rightfit.measuring.profile import LoadTried, MeasuredHow
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.records.load_records import LatencyLimit, find_latency_limit
from rightfit_deploy.http_load import loading
from rightfit_deploy.http_load.loading import (
    HttpLoadParams,
    ServedWinner,
    WinnerBench,
    read_bodies,
    read_rate,
    write_bodies,
)

pytestmark = pytest.mark.whole

LIMIT = LatencyLimit(0.5, 1_000)
SETTINGS = HttpLoadParams(
    scenarios=("server",),
    max_s=60,
    step_s=1.0,  # in which one request is answered, on a machine that is busy
    warm_up_s=0.05,
    client_factor=256,
    rate_shares=(0.5,),
    n_beyond=0,
    n_refinements=0,
    max_stretch=1,
    p99_limit_ms=50,
    n_requests=10,
)


@pytest.fixture(scope="module")
def winner(tmp_path_factory: pytest.TempPathFactory) -> ServedWinner:
    model = make_model(tmp_path_factory.mktemp("model"))
    candidate = choose(model).decision.winner
    assert candidate is not None
    return ServedWinner("landsat", candidate, model, make_raw())


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[..., WinnerBench]:
    def make(max_s: float = 60.0) -> WinnerBench:
        settings = SETTINGS.model_copy(update={"max_s": max_s})
        return WinnerBench(settings, JsonStore(tmp_path), "here")

    return make


def test_winner_is_served_loaded_and_its_curve_kept(
    winner: ServedWinner, make_bench: Callable[..., WinnerBench]
) -> None:
    first, again = make_bench(), make_bench(max_s=0.0)

    curve, reason = first.load(winner, LIMIT)
    kept, _ = again.load(winner, LIMIT)

    assert reason == ""
    assert curve is not None
    assert curve.capacity_per_s > 0
    assert [step.errors for step in curve.opened] == [{}]
    assert kept == curve
    assert (first.spent_s > 0, again.spent_s) == (True, 0)


def test_server_that_fails_is_a_reason(
    winner: ServedWinner, make_bench: Callable[..., WinnerBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("The server did not start: no module named uvicorn")

    monkeypatch.setattr(loading, "load_winner", fail)
    curve, reason = make_bench().load(winner, LIMIT)

    assert curve is None
    assert "no module named uvicorn" in reason


def test_winners_left_over_say_that_the_time_was_spent(
    winner: ServedWinner, make_bench: Callable[..., WinnerBench]
) -> None:
    spent = make_bench(max_s=10.0)
    spent.spent_s = 10.5

    assert spent.load(winner, LIMIT) == (
        None,
        "the 10 s for loading (http_load.max_s) were spent before",
    )


def test_the_rate_is_the_one_that_the_export_was_measured_at(
    exported: Path, model: Model, tmp_path: Path
) -> None:
    how = MeasuredHow(preset="standard", devices=("cpu",), server=LoadTried(40.0, 0.1, ()))
    export_model(choose(model, measured_how=to_plain(how)), model, tmp_path)

    assert (read_rate(exported), read_rate(tmp_path)) == (None, 40)


IMAGES_AND_MORE = (
    TensorInput("numbers", "float64", ("size",)),
    TensorInput("texts", "string", ("kind",)),
    TensorInput("image", "uint8", ("photo",)),
)


def test_bodies_hold_the_columns_that_the_model_reads(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = {
        "size": [1.5, None, math.nan],
        "kind": ["a", None, "b"],
        "photo": [b"\x00\xff", b"\x01\x02", b""],
        "day": [date(2026, 1, 1)] * 3,
    }
    pl.DataFrame(rows).write_parquet(path)

    bodies = read_bodies(path, IMAGES_AND_MORE, n_rows=1)
    pairs = read_bodies(path, IMAGES_AND_MORE, n_rows=2)

    first = {"size": 1.5, "kind": "a", "photo": "AP8="}
    second = {"size": None, "kind": None, "photo": "AQI="}
    third = {"size": None, "kind": "b", "photo": ""}
    assert [json.loads(body) for body in bodies] == [[first], [second], [third]]
    assert [json.loads(body) for body in pairs] == [[first, second]]


@pytest.mark.parametrize("image", ["AP8=", [0, 255]])
def test_images_of_a_table_may_be_written_as_in_requests(image: object) -> None:
    rows = pl.DataFrame({"size": [1.5], "kind": ["a"], "photo": [image]})

    (body,) = write_bodies(rows, IMAGES_AND_MORE)

    assert json.loads(body)[0]["photo"] == image


@pytest.mark.parametrize(
    ("name", "content", "n_rows", "message"),
    [
        ("rows.csv", "size,kind\n1,a\n", 1, r"The rows lack the columns \['photo'\], which"),
        ("rows.csv", "size,kind,photo\nbig,a,\n", 1, "Row 0: 'size' must be a number or null"),
        ("rows.json", '[{"size": 1}]', 2, "it has 1 row, a request has 2"),
        ("rows.json", "[]", 1, "it has 0 rows, a request has 1"),
        ("rows.json", "[1]", 1, "must hold a list of rows, one object each"),
        ("rows.json", '[{"size": NaN}]', 1, "not JSON compliant"),
    ],
)
def test_rows_that_make_no_request_are_refused(
    tmp_path: Path, name: str, content: str, n_rows: int, message: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(ValueError, match=message):
        read_bodies(tmp_path / name, IMAGES_AND_MORE, n_rows=n_rows)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({}, LatencyLimit(0.99, 50)),
        ({"latency_p95_ms": {"max": 10}}, LatencyLimit(0.95, 10)),
        ({"latency_p95_ms": {"max": 10}, "latency_p99_ms": {"max": 20}}, LatencyLimit(0.99, 20)),
    ],
)
def test_limit_is_the_application_s(constraints: dict[str, Any], expected: LatencyLimit) -> None:
    application = Application.model_validate(
        {
            "description": "-",
            "scenario": "server",
            "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
            "constraints": constraints,
        }
    )

    assert find_latency_limit(application, 50) == expected
