"""Exports, loads and baselines of another version: they answer alike, or are refused."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.exports import choose, make_model
from factories.reports import make_load_curve
from factories.studies import make_raw

from rightfit._core.processes.codec import to_plain
from rightfit.data.request_path import usage
from rightfit.exporting.export_folder import export_model
from rightfit.measuring.serving import Serving
from rightfit.models.export_check import HASHES
from rightfit.ranking.records.baseline import (
    Baseline,
    MeasuredOn,
    StoredWinner,
    compare_baselines,
    read_baseline,
)
from rightfit_deploy.http_load.curve import judge_curve
from rightfit_deploy.sizing import count_instances
from rightfit_deploy.verbs.load_test import summarise_curve
from rightfit_deploy.winner_size import read_load

CALL = "model.json"
OTHERS = (None, "new", -1, 0, 3, 10**400, [], {}, True, [[0]], float("nan"))
NEVER = (None, "", -1, 10**400, 1e308, [], {}, [[0]], float("nan"), float("-inf"))
GONE = object()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("versions")
    model = make_model(folder / "bundle")
    export_model(choose(model), model, folder / "export")
    return folder / "export"


def list_places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each field, nested ones too."""
    keys = content if isinstance(content, dict) else range(min(len(content), 2))
    for key in keys if isinstance(content, dict | list) else ():
        yield (*place, key)
        if isinstance(content[key], dict | list):
            yield from list_places(content[key], (*place, key))


def change(content: Any, place: tuple[Any, ...], value: object) -> Any:
    """Return a copy with another value at a place, or without it."""
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    if value is GONE:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed


def test_fields_of_another_version_change_no_answer(exported: Path, tmp_path: Path) -> None:
    columns = {name: make_raw()[name].to_list()[:20] for name in make_raw().columns}
    answers = usage.open_model(exported)(columns)
    content = json.loads((exported / CALL).read_text())
    cases = [((), content | {"new_field": {"a": 1}})]
    for place in list_places(content):
        cases += [(place, change(content, place, value)) for value in (GONE, *OTHERS)]
    n_refused = 0
    shutil.copytree(exported, tmp_path / "other")
    listed = (exported / HASHES).read_text()
    before = hashlib.sha256((exported / CALL).read_bytes()).hexdigest()

    for place, changed in cases:
        text = json.dumps(changed).encode()
        (tmp_path / "other" / CALL).write_bytes(text)
        after = hashlib.sha256(text).hexdigest()
        (tmp_path / "other" / HASHES).write_text(listed.replace(before, after))
        try:
            others = usage.open_model(tmp_path / "other")(columns)
        except ValueError:  # and nothing else
            n_refused += 1
        else:
            np.testing.assert_allclose(others, answers, err_msg=str(place))

    assert len(cases) > 200
    assert n_refused > len(cases) / 4


def try_changes(
    content: Any, file: Path, read: Callable[[Path], Any]
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each change of a field: place, value, and what is read, or the ValueError instead."""
    for place in list_places(content):
        for value in (GONE, *OTHERS, *NEVER):
            file.write_text(json.dumps(change(content, place, value)))
            try:
                result = read(file)
            except ValueError as err:  # and nothing else
                result = err
            yield place, value, result


def test_fields_of_a_load_are_of_a_load_or_named(tmp_path: Path) -> None:
    content = json.loads(json.dumps(to_plain(make_load_curve())))
    optional = {"highest_rate_per_s", "knee_per_s", "others_cores", "0.5", "0.95", "0.99"}
    file, n_read, refusals = tmp_path / "load.json", 0, []

    for place, value, curve in try_changes(content, file, read_load):
        if isinstance(curve, ValueError):
            refusals.append(str(curve))
            continue
        n_read += 1
        list(summarise_curve(curve))
        judged = judge_curve(curve, curve.limit)
        table = count_instances(
            {"board": judged}, [1.0, 1e6], headroom_pct=30, prices={}, per_row=False
        )
        assert list(table.write_lines()), place
        is_unread = place[-1] in ("loop", "is_distribution_free", "errors")  # no figures
        lacks = value is None and place[-1] in {*optional, "low", "high"}
        is_empty = value in ([], {}) and place[-1] in ("opened", "closed")
        assert is_unread or lacks or is_empty or value not in NEVER, (place, value)

    assert n_read > 100
    assert all(text.startswith(str(file)) for text in refusals)


def test_fields_of_a_baseline_are_of_one_or_named(tmp_path: Path) -> None:
    figures = {"value": 0.8, "low": 0.7, "high": 0.9}
    winner = StoredWinner(
        candidate="linear-000",
        model="linear",
        serving=Serving("onnx", 1),
        batch_size=256,
        utility=figures,
        metrics={"quality": figures},
    )
    now = Baseline(
        format_version=3,
        ranked_in="now",
        machine=MeasuredOn(cpu="Hand-made CPU", n_cores=2, memory_mib=8192),
        winners={"web_api": {"landsat": winner}},
    )
    content = json.loads(now.model_dump_json())
    file, accepted, refusals = tmp_path / "baseline.json", set(), []

    for place, value, before in try_changes(content, file, read_baseline):
        if isinstance(before, ValueError):
            refusals.append(str(before))
            continue
        list(compare_baselines(before, now, margin_pct=5))
        if place[-1] in ("value", "low", "high"):
            assert value is None or value is GONE or _lies_inside(before), (place, value)
        if value in ("", -1):
            accepted.add((place[-1], value))

    assert accepted <= {("ranked_in", ""), ("cpu", ""), ("low", -1)}
    assert all(text.startswith(str(file)) for text in refusals)


def _lies_inside(baseline: Baseline) -> bool:
    winner = baseline.winners["web_api"]["landsat"]
    assert winner is not None
    assert winner.utility is not None
    return all(
        (figure.low or -np.inf) <= figure.value <= (figure.high or np.inf)
        for figure in (winner.utility, *winner.metrics.values())
    )


def test_the_same_candidate_served_otherwise_is_told_so() -> None:
    figure = {"value": 0.8, "low": 0.7, "high": 0.9}
    winners = [
        StoredWinner(
            candidate="linear-000",
            model="linear",
            serving=Serving(runtime, 1),
            batch_size=None,
            utility=figure,
            metrics={"quality": figure},
        )
        for runtime in ("native", "onnx")
    ]
    before, now = (
        Baseline(
            format_version=3, ranked_in="now", machine=None, winners={"web_api": {"landsat": one}}
        )
        for one in winners
    )

    (comparison,) = compare_baselines(before, now, margin_pct=5)

    expected = "linear-000 with onnx, 1 thread, cpu has replaced native, 1 thread, cpu"
    assert comparison.notes == (expected,)
