from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import psutil
import pytest
from fakes.stopping_rules import BehindBest, NeedsArgument, NoRule
from harness.python_programs import run_python

from rightfit._core.errors import RightfitError
from rightfit._core.processes.starting import ForkServer
from rightfit.api.rank import rank
from rightfit.data.request_path.usage import PROFILE, read_export
from rightfit.exporting import model_call
from rightfit.ranking.applications.applications import Application
from rightfit_search.api import search as searching
from rightfit_search.api import search_arguments
from rightfit_search.api.fitted import FittedModel
from rightfit_search.api.search import search
from rightfit_search.api.search_result import SearchResult
from rightfit_search.api.searched_table import check_target, read_table
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.parallel import forked_workers
from rightfit_search.searching.studies.budget import CallLimit

pytestmark = pytest.mark.whole

SMALL_MODEL = {
    "small_box": {
        "description": "a box with little room",
        "scenario": "single_stream",
        "objectives": {
            "quality": {"weight": 3, "worst": 0.5, "best": 1.0},
            "model_size_mib": {"weight": 1, "worst": 10, "best": 0.001, "scale": "log"},
        },
        "constraints": {"n_threads": {"max": 1}},
    }
}
MISSPELT = {"api": SMALL_MODEL["small_box"] | {"constraints": {"latncy_p95_ms": {"max": 1}}}}
QUICK: dict[str, Any] = {"families": ["linear"], "n_trials": 2, "budget_cpu_s": None}


def ask(**settings: Any) -> dict[str, Any]:
    """One application that asks for the quality alone, and judges it in its own way."""
    return {"mine": {"objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}}, **settings}}


def make_houses(n_rows: int = 200) -> pl.DataFrame:
    """Houses whose price depends on size and town; some sizes are missing."""
    rng = np.random.default_rng(0)
    size = rng.uniform(30, 200, n_rows)
    town = rng.choice(["north", "south"], n_rows)
    price = 3 * size + 90 * (town == "north") + rng.normal(0, 10, n_rows)
    return pl.DataFrame(
        {
            "size": pl.Series([None if i % 17 == 0 else float(x) for i, x in enumerate(size)]),
            "town": town,
            "price": price,
            "is_dear": price > 400,
        }
    )


HOUSES = make_houses()


@pytest.fixture(scope="module")
def found(children: set[psutil.Process]) -> SearchResult:
    return search(HOUSES.drop("is_dear"), "price", **QUICK)


def test_distinct_targets_are_freed_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references = []

    def check_and_refer(frame: pl.DataFrame, target: str) -> pl.Series:
        values = check_target(frame, target)
        references.append(weakref.ref(values))
        return values

    monkeypatch.setattr(searching, "check_target", check_and_refer)
    monkeypatch.setattr(searching, "search_dataset", lambda *_, **__: references[0]())

    assert search(make_houses(), "price") is None


def test_the_model_found_predicts_from_raw_rows(found: SearchResult) -> None:
    model = found.best()
    rows = [
        {"size": 100.0, "town": "north"},
        {"size": 100.0, "town": "south"},
        {"size": None, "town": "elsewhere"},
    ]

    north, south, _ = model.predict(rows)
    assert north - south == pytest.approx(90, abs=15)
    assert model.predict(pl.DataFrame(rows)).tolist() == model.predict(rows).tolist()
    assert model.predict(pd.DataFrame(rows)).tolist() == model.predict(rows).tolist()
    assert model.candidate == "linear-000"
    assert set(model.settings) >= {"alpha", "penalty"}


def test_quality_alone_measures_nothing(found: SearchResult, children: set[psutil.Process]) -> None:
    winner = found.ranking.winner("quality").candidate
    profile = next(one for one in found.profiles if one.candidate == winner)
    quality = profile["quality_raw"]

    assert quality.low < quality.value < quality.high
    assert 0.9 < quality.value < 1
    assert profile["model_size_mib"].value > 0
    assert profile["latency_p50_ms"].value is None
    assert "quality alone was asked for" in profile["latency_p50_ms"].reason
    assert found.trials.height == 2
    assert set(psutil.Process().children()) <= children


def test_the_same_seed_repeats_a_search(found: SearchResult) -> None:
    again = search(HOUSES.drop("is_dear"), "price", **QUICK)

    assert again.trials["params"].to_list() == found.trials["params"].to_list()
    assert again.trials["quality_raw"].to_list() == found.trials["quality_raw"].to_list()


LOCK = threading.Lock()


def share_within_ten(targets: np.ndarray, predictions: np.ndarray) -> float:
    return float((np.abs(targets - predictions) < 10).mean())


@pytest.mark.parametrize("n_jobs", [1, pytest.param(-1, marks=pytest.mark.long)])
def test_a_function_judges_in_every_process(n_jobs: int) -> None:
    table, families = HOUSES.drop("is_dear"), ["linear", "sklearn.linear_model.Ridge"]
    limits = QUICK | {"families": families, "n_jobs": n_jobs, "refit": False}
    tolerance = 10.0  # the closure is sent to the workers with its value

    result = search(table, "price", quality=share_within_ten, **limits)
    share_missed = {"name": lambda y, p: (np.abs(y - p) >= tolerance).mean(), "worst": 1, "best": 0}
    loss = search(table, "price", quality=share_missed, **limits)

    assert result.profiles[0].quality_metric == "share within ten"
    shares = result.trials["quality_raw"].to_list()
    assert all(share * 32 % 1 == 0 for share in shares)  # of 32 rows
    assert loss.trials["quality_raw"].to_list() == pytest.approx([share - 1 for share in shares])
    assert not any("guessing" in remark for remark in loss.remarks)
    metric = pickle.loads(pickle.dumps(loss)).data_card.quality  # noqa: S301
    assert metric.score(np.zeros(2), np.array([[9.0], [11.0]])) == -0.5


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        (lambda y, p: float(LOCK.locked() or (p > y).mean()), "cannot be sent to the processes"),
        ({"name": share_within_ten, "worst": 1}, "one with both of its bounds"),
        (lambda _, __: 1 / 0, "division by zero"),
        (lambda _, __: sys.exit("no licence"), "fails: no licence"),
    ],
)
def test_a_function_that_cannot_judge_is_refused_before_anything_slow(
    quality: object, message: str
) -> None:
    with pytest.raises(RightfitError, match=message):
        search(HOUSES.drop("is_dear"), "price", quality=quality, **QUICK)


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        (pl.Series(["no", "yes"] * 100), ["no", "yes"]),
        (pl.Series([3, 7] * 100), [3, 7]),
        (pl.Series([False, True] * 100), [False, True]),
        (pl.Series([0.0, 1.0] * 100), [0, 1]),
    ],
)
def test_labels_are_those_of_the_target(target: pl.Series, labels: list[Any]) -> None:
    table = HOUSES.select("size", "town").with_columns(target.alias("kind"))

    model = search(table, "kind", task="classification", **QUICK).best()

    assert model.classes is not None
    assert model.classes.tolist() == labels
    assert set(model.predict(table).tolist()) <= set(labels)
    assert model.predict_proba(table).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    "make",
    [
        lambda table, folder: table.to_pandas(),
        lambda table, folder: table.to_arrow(),
        lambda table, folder: table.to_dicts(),
        lambda table, folder: table.lazy(),
        lambda table, folder: write(table.write_parquet, folder / "houses.parquet"),
        lambda table, folder: str(write(table.write_csv, folder / "houses.csv")),
    ],
    ids=["pandas", "arrow", "rows", "lazy", "parquet", "csv"],
)
def test_tables_of_any_kind_are_read(make: Callable[..., object], tmp_path: Path) -> None:
    frame = read_table(make(HOUSES, tmp_path))

    assert frame.select(["town"])["town"].to_list() == HOUSES["town"].to_list()
    assert frame["size"].null_count() == HOUSES["size"].null_count()


def test_columns_of_pandas_that_are_numbers_go_by_them() -> None:
    frame = HOUSES.select("size", "price").to_pandas().set_axis(range(2), axis="columns")

    found = search(frame, 1, **QUICK)

    assert found.best().predict(frame.head(2)).shape == (2,)
    with pytest.raises(RightfitError, match=r"must be a column .* got '7'.* It has 0, 1\."):
        search(frame, 7, **QUICK)


def write(writing: Callable[[Path], object], path: Path) -> Path:
    writing(path)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "prise"}, r"must be a column .* got 'prise' \(did you mean 'price'\?\)"),
        ({"target": 3}, "must be a column .* got 3"),
        ({"table": HOUSES.with_columns(price=1.0)}, r"holds \[1.0\] in all rows"),
        (
            {"table": HOUSES.with_columns(price=pl.Series([{1}] * HOUSES.height, dtype=pl.Object))},
            "'price' holds Object, which cannot be told apart",
        ),
        ({"table": HOUSES.clear()}, "The table has no rows"),
        ({"table": "no_such.parquet"}, "There is no file no_such.parquet"),
        ({"table": "table.xlsx"}, "must be a .parquet, .pq or .csv file"),
        ({"table": 5}, "must be a table"),
        ({"table": np.zeros((20, 2))}, "is an array, whose columns have no names"),
        ({"budget_cpu_s": 0}, "budget_cpu_s must be a positive number of CPU seconds, but got 0"),
        ({"budget_cpu_s": float("nan")}, "budget_cpu_s must be a positive number"),
        ({"budget_cpu_s": "5"}, "budget_cpu_s must be a positive number"),
        ({"budget_s": -1}, "budget_s must be a positive number of wall seconds, but got -1"),
        ({"n_jobs": 2.5}, "n_jobs must be 1 or more processes, or -1, but got 2.5"),
        ({"random_state": -1}, "random_state: must be greater .*, but got -1"),
        ({"families": 5}, "families must be names, import paths, or blocks by name"),
        ({"families": [None]}, "families must be names, import paths, or blocks by name"),
        ({"folder": __file__}, "folder: .* cannot be used: File exists"),
        ({"folder": "/proc"}, "folder: /proc cannot be used"),
        ({"task": "guess"}, r"dataset\.task: .*'classification' or 'regression'"),
        ({"quality": {"name": "r2", "best": float("nan")}}, r"dataset\.quality\.best: .*finite"),
        ({"dataset": [1]}, "dataset must be a mapping of keys"),
        ({"applications": 5}, "applications must be rightfit.Application by name"),
        ({"n_trials": None}, "Give budget_cpu_s, budget_s or n_trials"),
        ({"n_trials": 0}, "n_trials: must be greater than 0"),
        ({"n_jobs": 0}, "n_jobs must be 1 or more"),
        ({"families": ["liner"]}, r"no family 'liner' \(did you mean 'linear'\?\)"),
        ({"families": {"linear": None}}, "the block of linear must be a mapping"),
        ({"families": ["linear", "my_models.linear"]}, "two different ones are called linear"),
        ({"families": []}, "must name at least one family"),
        ({"refit": "all_rows"}, "refit must be of type bool, but got 'all_rows'"),
        ({"refit": 1}, "refit must be of type bool, but got 1"),
        ({"families": ["cascade"]}, "there is no family 'cascade'"),
        ({"families": ["sklearn.svm.NoSuch"]}, "The module sklearn.svm has no 'NoSuch'"),
        ({"families": {"linear": {"fixed": {"alfa": 1}}}}, "unknown=.*'alfa'"),
        ({"families": ["sklearn.naive_bayes.GaussianNB"]}, "GaussianNB can't learn regression"),
        ({"early_stopping": "medain"}, r"early_stopping must be one of .*did you mean 'median'\?"),
        ({"early_stopping": "fakes.stopping_rules.NoRule"}, r"has no method prune"),
        ({"early_stopping": NoRule}, r"NoRule has no method prune"),
        ({"early_stopping": NeedsArgument}, r"NeedsArgument can't be made without arguments"),
        ({"early_stopping": NoRule()}, r"early_stopping must be a name, an import path"),
        ({"quality": "roc_auc"}, "the metric roc_auc is one of classification"),
        ({"dataset": {"not_featrues": ["town"]}}, "not_featrues"),
        ({"quality": {"name": "r2", "worst": 1, "best": 0}}, r": quality: worst .*best=0\.0"),
        ({"dataset": {"target": {"column": "size"}}}, r"dataset says \['target'\], which search"),
        ({"task": "regression", "dataset": {"task": "regression"}}, r"dataset says \['task'\]"),
        ({"dataset": {"tables": ["houses"]}}, r"dataset says \['tables'\]"),
        ({"applications": {}}, "there is no application in it|at least one application"),
        ({"applications": "no_such.yml"}, "no_such.yml cannot be read"),
        ({"applications": MISSPELT}, "latncy_p95_ms is no metric"),
        ({"applications": ask(per="twon")}, "mine.per: there is no column 'twon'.*town"),
        ({"applications": ask(quality={"name": "charm"})}, "mine.quality.name: .*'charm'"),
        ({"applications": ask(quality={"name": "f1"})}, "mine.quality.name: the metric f1 is one"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_slow(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_Search", None)
    given = {"table": HOUSES, "target": "price"} | QUICK | changes

    with pytest.raises(RightfitError, match=message):
        search(**given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty CSV"),
        (b"a,price\n\xff\xfe,1\n" * 50, r'.*not in UTF-8.*encoding="cp1252"'),
        (b"a,price\n1,2,3\n" * 30, "line 2 has 3 fields, the header has 2"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_in_one_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "houses.csv").write_bytes(content)

    with pytest.raises(RightfitError, match=rf"houses\.csv cannot be read: {message}"):
        search(tmp_path / "houses.csv", "price", **QUICK)


def test_codes_in_a_csv_file_are_categories_and_requests_send_them_as_they_are_written(
    tmp_path: Path,
) -> None:
    rows = "".join(f"0{n % 5}067,{n},{n % 5 * 9 % 7}\n" for n in range(200))
    (tmp_path / "towns.csv").write_text("code,n,price\n" + rows)

    model = search(tmp_path / "towns.csv", "price", task="regression", **QUICK).best()

    low, high = model.predict([{"code": "00067", "n": 1.0}, {"code": "03067", "n": 1.0}])
    assert low == pytest.approx(0, abs=0.5)
    assert high == pytest.approx(6, abs=0.5)


def test_rows_without_a_column_are_refused(found: SearchResult) -> None:
    with pytest.raises(RightfitError, match=r"The rows lack the columns \['town'\]"):
        found.best().predict([{"size": 1.0}])


def test_text_in_place_of_a_number_is_refused(found: SearchResult) -> None:
    with pytest.raises(RightfitError, match="'size' must be a number or null: 'large'"):
        found.best().predict([{"size": "large", "town": "north"}])


@pytest.mark.parametrize("kind", [list, pl.DataFrame], ids=["list", "table of texts"])
def test_the_text_among_numbers_is_named_by_its_row(
    found: SearchResult, kind: Callable[[list[dict[str, object]]], object]
) -> None:
    sizes = [31.0, None, "large"] if kind is list else ["31.0", None, "large"]

    with pytest.raises(RightfitError, match="Row 2: 'size' must be a number or null: 'large'"):
        found.best().predict(kind([{"size": size, "town": "north"} for size in sizes]))


def test_a_value_may_be_missing_in_any_kind_of_rows(found: SearchResult) -> None:
    model, row = found.best(), {"size": 31.0, "town": math.nan}
    expected = model.predict(pl.DataFrame({"size": [31.0], "town": [None]})).tolist()

    assert model.predict(row).tolist() == expected
    assert model.predict(pd.DataFrame([row | {"town": None}])).tolist() == expected


def test_columns_that_were_not_learnt_from_are_ignored(found: SearchResult) -> None:
    model, row = found.best(), {"size": 31.0, "town": "north"}

    assert model.predict([row | {"": 0, "*": 1}]).tolist() == model.predict(row).tolist()


def test_rows_that_make_no_table_are_refused(found: SearchResult) -> None:
    for rows in ([[1.0, "north"]], [{0: 1.0}]):
        with pytest.raises(RightfitError, match="rows must be a table or a list of mappings"):
            found.best().predict(rows)


def test_nan_among_rows_is_no_class() -> None:
    rows = [{"kind": kind} for kind in ("p", math.nan, "q")]

    assert read_table(rows)["kind"].to_list() == ["p", None, "q"]


def test_a_number_has_no_probabilities(found: SearchResult) -> None:
    with pytest.raises(RightfitError, match="predicts a number"):
        found.best().predict_proba(HOUSES)


def test_an_unknown_application_is_refused(found: SearchResult) -> None:
    with pytest.raises(RightfitError, match="quality"):
        found.best("web_api")


def test_a_loop_over_applications_goes_on_where_none_meets_the_limits(
    found: SearchResult, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"quality": {"min": 1.0}}
    demanding = Application(
        objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}, constraints=limits
    )
    result = copy.copy(found)
    result.ranking = rank(found.profiles, {"demanding": demanding})

    assert result.best("demanding") is None
    assert result.ranking.decision("demanding").sentence in caplog.text


def test_an_estimator_by_import_path_is_trained_with_its_defaults() -> None:
    found = search(
        HOUSES.drop("price"),
        "is_dear",
        families=["sklearn.naive_bayes.GaussianNB"],
        n_trials=2,
        budget_cpu_s=None,
    )

    assert found.trials["model"].to_list() == ["GaussianNB"]
    assert found.best().predict(HOUSES).dtype == np.bool_


def test_a_family_that_cannot_learn_the_task_is_refused() -> None:
    with pytest.raises(RightfitError, match=r"^families: GaussianNB: .*Leave it out\.$"):
        search(HOUSES.drop("is_dear"), "price", families=["sklearn.naive_bayes.GaussianNB"])


def test_what_breaks_the_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = f"""
import os
from rightfit_search.families.ensembles import EnsembleFamily

if os.getpid() != {os.getpid()}:
    raise ImportError("no such file in a worker")
FAMILY = EnsembleFamily("sklearn.ensemble.ExtraTreesClassifier", settings=("n_estimators",))
"""
    (tmp_path / "of_this_process").mkdir()
    (tmp_path / "of_this_process/trees.py").write_text(family, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    block = {"family": "of_this_process.trees", "fixed": {"n_estimators": 8}}

    with pytest.raises(RightfitError, match=r"^No model .*: ImportError: no such file in a worker"):
        search(HOUSES.drop("price"), "is_dear", families={"a": block, "b": block}, n_jobs=2)


@pytest.mark.parametrize("rule", [BehindBest, BehindBest(), "fakes.stopping_rules.BehindBest"])
def test_a_rule_of_ones_own_ends_trainings(rule: Any) -> None:
    asked = QUICK | {"n_trials": 8, "early_stopping": rule}

    found = search(HOUSES.drop("is_dear"), "price", quality="neg_mean_absolute_error", **asked)

    assert set(found.trials.filter(state="stopped")["stop_rule"]) == {"BehindBest"}


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of files is a signal elsewhere")
def test_files_that_cannot_be_written_end_a_search_in_one_line(tmp_path: Path) -> None:
    program = f"""
import resource, signal, sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
import rightfit as rf
from test_search import HOUSES, QUICK
try:
    rf.search(HOUSES.drop("is_dear"), "price", folder=sys.argv[1], **QUICK)
except rf.RightfitError as err:
    print(err)
"""
    done = run_python("-B", "-c", program, tmp_path)

    assert done.stdout.startswith("The search cannot read or write its files"), done.stderr
    assert str(tmp_path) in done.stdout


def test_a_search_in_a_folder_is_continued(tmp_path: Path) -> None:
    first, second = (
        search(HOUSES.drop("is_dear"), "price", folder=tmp_path, **QUICK | {"n_trials": n_trials})
        for n_trials in (1, 2)
    )

    assert first.trials.height == 1
    assert second.trials["params"][0] == first.trials["params"][0]
    assert second.trials["fit_time_s"][0] == first.trials["fit_time_s"][0]  # not trained again


def test_a_later_search_in_a_folder_leaves_earlier_models_as_they_were(tmp_path: Path) -> None:
    table = HOUSES.drop("is_dear")
    models = [
        search(table, "price", folder=tmp_path, refit=refit, **QUICK).best()
        for refit in (True, False, True)
    ]

    answers = [model.predict(table).tolist() for model in models]
    assert answers[0] != answers[1]  # of other rows
    assert answers[0] == answers[2]


def test_a_result_lasts_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = HOUSES.drop("is_dear")
    monkeypatch.chdir(tmp_path)
    found = search(table, "price", folder="kept", **QUICK)
    expected = found.best().predict(table).tolist()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    assert found.best().predict(table).tolist() == expected


def test_a_model_of_all_rows_is_made_anew_in_place_of_whatever_else_is_there(
    tmp_path: Path,
) -> None:
    table = HOUSES.drop("is_dear")
    first = search(table, "price", folder=tmp_path, **QUICK).best()
    expected = first.predict(table).tolist()
    shutil.rmtree(first._bundle.path)
    first._bundle.path.write_text("no folder")

    assert search(table, "price", folder=tmp_path, **QUICK).best().predict(table).tolist() == (
        expected
    )


def test_a_result_travels_with_its_models(tmp_path: Path) -> None:
    table = HOUSES.drop("is_dear")
    found = search(table, "price", folder=tmp_path / "kept", **QUICK)
    expected = found.best().predict(table).tolist()

    copied = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    shutil.rmtree(tmp_path / "kept")

    assert copied.best().predict(table).tolist() == expected
    assert repr(copied) == repr(found)
    with pytest.raises(RightfitError, match="A model cannot be copied"):
        pickle.dumps(found)


def test_a_model_whose_files_were_changed_is_not_opened(found: SearchResult) -> None:
    model = pickle.loads(pickle.dumps(found.best()))  # noqa: S301 - our own; its files are its own
    with (model._bundle.path / model._bundle.weights_file).open("ab") as file:
        file.write(b"more")

    with pytest.raises(RightfitError, match="were changed since the search"):
        model.predict(HOUSES)


def test_families_side_by_side_leave_no_process_behind(children: set[psutil.Process]) -> None:
    families = ["linear", "boosting"]
    found = search(HOUSES.drop("price"), "is_dear", **QUICK | {"families": families})

    assert set(found.trials["model"]) == {"linear", "boosting"}
    assert set(psutil.Process().children()) <= children


def test_an_interruption_leaves_no_process_behind(
    monkeypatch: pytest.MonkeyPatch, children: set[psutil.Process]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("as Ctrl-C")

    monkeypatch.setattr(searching, "complete_search", interrupt)
    with pytest.raises(KeyboardInterrupt, match="as Ctrl-C"):
        search(HOUSES.drop("price"), "is_dear", **QUICK | {"families": ["linear", "boosting"]})

    assert set(psutil.Process().children()) <= children


@pytest.fixture(scope="module")
def measured(children: set[psutil.Process], short_measurements: None) -> SearchResult:
    return search(HOUSES.drop("price"), "is_dear", applications=SMALL_MODEL, refit=False, **QUICK)


def test_candidates_are_measured_for_applications(
    measured: SearchResult, children: set[psutil.Process]
) -> None:
    assert {one.serving.runtime for one in measured.profiles} == {"native", "onnx"}
    assert all(one["latency_p50_ms"].value > 0 for one in measured.profiles)
    assert measured.ranking.winner("small_box").serving == measured.best().serving
    assert measured.best().serving.n_threads == 1
    assert measured.best("small_box").learnt_since is None
    assert set(psutil.Process().children()) <= children


def test_the_winner_is_exported_as_the_command_does(measured: SearchResult, tmp_path: Path) -> None:
    model = measured.best("small_box")
    files = model.export(tmp_path / "out")

    read_export(tmp_path / "out", needed=[PROFILE])
    assert {path.name for path in files} >= {"model.onnx", "usage.py", "README.md", "SHA256SUMS"}
    rows = '[{"size": 190.0, "town": "north"}, {"size": 31.0, "town": "south"}]'
    answered = subprocess.check_output(
        [sys.executable, "usage.py"], cwd=tmp_path / "out", input=rows, text=True
    )
    assert [row["class"] for row in json.loads(answered)] == ["true", "false"]
    assert model.predict([{"size": 190.0, "town": "north"}]).tolist() == [True]


def test_the_graph_that_was_measured_ships_from_copies_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, short_measurements: None
) -> None:
    latency = {"latency_p50_ms": {"weight": 1, "worst": 1, "best": 1e-3}}
    quick = {"quick": {"scenario": "single_stream", "objectives": latency}}
    table = HOUSES.drop("price")
    found = search(table, "is_dear", applications=quick, refit=False, folder=tmp_path, **QUICK)
    model, winner = found.best(), found.ranking.winner("quick")
    assert winner is not None
    assert winner.serving.runtime == "onnx"
    copied_result, copied_model = pickle.loads(pickle.dumps((found, model)))  # noqa: S301 - our own

    def ship(shipped: FittedModel) -> str:
        shipped.export(tmp_path / "out", force=True)
        return hashlib.sha256((tmp_path / "out" / "model.onnx").read_bytes()).hexdigest()

    [kept] = (tmp_path / "measurements" / "graphs").iterdir()
    kept.unlink()
    assert ship(model) == winner.graph_sha256  # compiled again, it is the same
    monkeypatch.setattr(model_call, "join_encoder", lambda *_: b"of another compiler")
    with pytest.raises(RightfitError, match="no longer stored, and compiled again it is another"):
        ship(model)
    assert ship(copied_model) == ship(copied_result.best()) == winner.graph_sha256


@pytest.mark.parametrize("applications", [None, SMALL_MODEL])
def test_delivered_model_learns_all_rows_and_no_figure_changes(
    applications: Any, tmp_path: Path, short_measurements: None
) -> None:
    """Of 200 rows 128 train, 32 validate and 40 judge."""
    table = HOUSES.drop("price")
    delivered, ranked = (
        search(table, "is_dear", applications=applications, refit=refit, folder=tmp_path, **QUICK)
        for refit in (True, False)
    )

    (name,) = delivered.applications
    assert delivered.best().learnt_since
    assert ranked.best().learnt_since is None
    assert [found.best()._bundle.n_training_rows for found in (delivered, ranked)] == [200, 160]
    qualities, hashes = (
        [
            {row["candidate"]: row[column] for row in found.profiles.table.to_dicts()}
            for found in (delivered, ranked)
        ]
        for column in ("quality_raw", "model_sha256")
    )
    assert qualities[0] == qualities[1]
    assert hashes[0] == hashes[1]
    winner = ranked.ranking.winner(name)
    assert winner is not None
    assert winner.model_sha256 == ranked.best()._bundle.weights_sha256
    assert winner.model_sha256 != delivered.best()._bundle.weights_sha256


def test_only_the_winner_learns_all_rows_where_a_budget_is_for_quality_alone(
    measured: SearchResult,
) -> None:
    found = search(HOUSES.drop("price"), "is_dear", **QUICK | {"budget_cpu_s": 60.0})

    assert {bundle.n_training_rows for bundle in found._candidates.values()} == {128}
    assert found.best()._bundle.n_training_rows == 200
    assert {bundle.n_training_rows for bundle in measured._candidates.values()} == {160}


def test_candidates_of_a_table_in_time_learn_up_to_the_rows_that_judge_them() -> None:
    share = {"method": "by_time", "share": 0.2, "time_columns": ["day"]}
    table = HOUSES.drop("price").with_columns(day=pl.int_range(pl.len()))
    dataset = {"split": share, "validation": share}

    found = search(table, "is_dear", dataset=dataset, **QUICK | {"budget_cpu_s": 60.0})

    assert {bundle.n_training_rows for bundle in found._candidates.values()} == {160}
    assert found.best()._bundle.n_training_rows == 200


def test_delivered_model_is_the_ranked_one_where_learning_all_rows_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linear = get_family("linear")
    train = linear.train

    def fail_on_all_rows(run: TrainingRun) -> Iterator[Checkpoint]:
        if len(run.data.labels) == len(HOUSES):
            raise ArithmeticError("overflow")
        yield from train(run)

    monkeypatch.setattr(linear, "train", fail_on_all_rows)
    found = search(HOUSES.drop("is_dear"), "price", n_jobs=1, **QUICK)

    winner = found.ranking.winner("quality")
    assert winner is not None
    assert found.best()._bundle.weights_sha256 == winner.model_sha256
    assert found.best().learnt_since is None
    [remark] = found.remarks
    assert remark.startswith(f"{winner.candidate} has not learnt from the rows that judged it")


@pytest.mark.parametrize("refit", [True, False])
def test_what_quality_alone_has_chosen_is_exported_too(refit: bool, tmp_path: Path) -> None:
    model = search(HOUSES.drop("is_dear"), "price", refit=refit, **QUICK).best()

    model.export(tmp_path)

    read_export(tmp_path, needed=[PROFILE])
    assert (model.learnt_since is not None) is refit
    n_rows = {True: "200 train, validation and test rows", False: "160 train and validation rows"}
    assert n_rows[refit] in (tmp_path / "README.md").read_text()
    with pytest.raises(RightfitError, match="is not an empty folder"):
        model.export(tmp_path)
    with pytest.raises(RightfitError, match="cannot be written"):
        model.export(tmp_path / "README.md" / "below a file")


SCRIPT = """
import logging, sys
import polars as pl
import rightfit as rf

logging.basicConfig(format="%(message)s")
logging.getLogger("rightfit").setLevel("INFO")
sizes = [i * i % 97 for i in range(400)]
table = pl.DataFrame({"size": sizes, "price": [size + i % 7 / 7 for i, size in enumerate(sizes)]})
found = rf.search(table, "price", families=["linear", "boosting"], early_stopping=RULE, **BUDGET)
print(found.trials.filter(state="stopped")["stop_rule"].unique().item())
"""


def start_script(folder: Path, **given: object) -> subprocess.Popen[str]:
    """Run a user's script from another folder than its own."""
    text = SCRIPT.replace("RULE", repr(given.pop("early_stopping"))).replace("BUDGET", repr(given))
    (folder / "script.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.long
def test_a_rule_beside_a_script_is_found_by_all_of_its_processes(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(
        "class StopAll:\n    def prune(self, study, trial):\n        return trial.number > 0\n"
    )

    script = start_script(tmp_path, early_stopping="beside.StopAll", n_trials=4)
    printed, logged = script.communicate(timeout=300)

    assert printed.strip() == "StopAll"
    assert "broke" not in logged


@pytest.mark.long
def test_ctrl_c_ends_a_search_with_all_of_its_processes(tmp_path: Path) -> None:
    script = start_script(tmp_path, early_stopping="none", budget_cpu_s=600, n_trials=10_000)
    assert script.stderr is not None
    assert any("Searching 2 cells" in line for line in script.stderr)
    process = psutil.Process(script.pid)
    while not (started := process.children(recursive=True)):
        time.sleep(0.05)

    script.send_signal(signal.SIGINT)
    _, logged = script.communicate(timeout=300)

    assert "KeyboardInterrupt" in logged
    assert psutil.wait_procs(started, timeout=60)[1] == []


def test_searching_imports_neither_kedro_nor_any_learning_library() -> None:
    modules = ("kedro", "pandas", "sklearn", "torch")
    code = (
        f"import sys, rightfit_search.api.search; print([m for m in {modules} if m in sys.modules])"
    )

    printed = run_python("-c", code, check=True)

    assert printed.stdout.strip() == "[]"


def test_judging_by_quality_alone_imports_no_learning_library_here() -> None:
    code = """
import sys, polars as pl, rightfit as rf
sizes = [i * i % 17 for i in range(80)]
table = pl.DataFrame({"size": sizes, "price": [size + i % 3 for i, size in enumerate(sizes)]})
few = dict(families=["linear", "forest"], n_trials=1, budget_cpu_s=None)
found = rf.search(table, "price", task="regression", **few)
print(found.best() is not None, [m for m in ("sklearn", "torch") if m in sys.modules])
"""
    printed = run_python("-c", code, check=True)

    assert printed.stdout.strip() == "True []"


@pytest.mark.parametrize(
    "budget",
    [{"budget_cpu_s": 99.0, "n_jobs": 2}, {"budget_cpu_s": None, "budget_s": 99.0, "n_jobs": 1}],
)
def test_a_search_under_a_budget_alone_ends_with_a_model_that_learnt_within_it(
    budget: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes ten seconds of it, however long this machine needs."""
    now_ns, end = 0, CallLimit.end

    def end_step(limit: CallLimit, name: str, number: int) -> None:
        nonlocal now_ns
        now_ns += 10 * 10**9
        end(limit, name, number)

    def read_ns() -> int:
        return now_ns

    limit = partial(CallLimit, cpu_clock_ns=read_ns, clock_ns=read_ns)
    monkeypatch.setattr(search_arguments, "CallLimit", limit)
    monkeypatch.setattr(CallLimit, "end", end_step)

    families = ["linear", "boosting"]
    found = search(HOUSES.drop("is_dear"), "price", families=families, **budget)

    assert now_ns < 20 * 10 * 10**9  # some steps were underway when the last second was taken
    assert set(found.trials["model"]) == {"linear", "boosting"}
    assert len(found.best().predict(HOUSES)) == HOUSES.height


def test_a_family_that_the_budget_cannot_hold_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forecast(cell: Cell, _: object) -> dict[str, float]:
        first_s = 1e3 if cell.model == "forest" else 1e-3
        return {"work_s": first_s, "cpu_s": first_s}

    monkeypatch.setattr(searching, "MANY_ROWS", 10)
    monkeypatch.setattr("rightfit_search.searching.task_worker.forecast_first_look", forecast)

    found = search(
        HOUSES.drop("is_dear"),
        "price",
        families=["forest", "linear"],
        n_trials=1,
        budget_cpu_s=60.0,
        n_jobs=1,
    )

    assert found.trials.filter(state="complete")["model"].to_list() == ["linear"]
    assert "forest has no model within the budget" in caplog.text


def test_forecasting_ends_while_enough_of_the_call_is_left_to_train(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look = {"work_s": 1e-3, "cpu_s": 1e-3}
    monkeypatch.setattr(searching, "MANY_ROWS", 10)
    monkeypatch.setattr(searching, "LEFT_TO_TRAIN", 2.0)  # less is left after the first forecast
    monkeypatch.setattr(
        "rightfit_search.searching.task_worker.forecast_first_look", lambda *_: look
    )

    found = search(
        HOUSES.drop("is_dear"),
        "price",
        families=["linear", "forest", "boosting"],
        n_trials=1,
        budget_cpu_s=60.0,
        n_jobs=1,
    )

    assert found.trials.filter(state="complete")["model"].to_list() == ["linear"]
    assert "too short to try forest, boosting" in caplog.text


def test_families_are_forecast_where_preparing_took_most_of_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = {"work_s": 1e-3, "cpu_s": 1e-3}
    limit = CallLimit(None)
    limit.charge(400.0)
    monkeypatch.setattr(search_arguments, "CallLimit", lambda _: limit)
    monkeypatch.setattr(searching, "MANY_ROWS", 10)
    monkeypatch.setattr(
        "rightfit_search.searching.task_worker.forecast_first_look", lambda *_: look
    )

    found = search(
        HOUSES.drop("is_dear"),
        "price",
        families=["linear", "boosting"],
        n_trials=1,
        budget_cpu_s=600.0,
        n_jobs=1,
    )

    assert found.trials.filter(state="complete")["model"].to_list() == ["linear", "boosting"]


def test_one_process_imports_what_all_families_are_forecast_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, started = forked_workers.start_fork_server, []

    def note(families: Iterable[str], *args: Any, **settings: Any) -> ForkServer:
        started.append([family.rpartition(".")[2] for family in families])
        return start(families, *args, **settings)

    monkeypatch.setattr(searching, "MANY_ROWS", 10)
    monkeypatch.setattr(forked_workers, "start_fork_server", note)
    forked_workers.close_shared_fork_server()  # that of an earlier search

    search(
        HOUSES.drop("is_dear"),
        "price",
        families=["linear", "boosting"],
        n_trials=1,
        budget_cpu_s=60.0,
        n_jobs=2,
    )

    assert started == [["linear", "boosting"]]


def test_a_wide_table_without_the_target_names_the_likely_column() -> None:
    wide = HOUSES.with_columns(**{f"sensor_{i}": pl.lit(float(i)) for i in range(50)})

    with pytest.raises(RightfitError, match=r"got 'prise' \(did you mean 'price'\?\)") as refused:
        search(wide, "prise", **QUICK)

    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("budget", ["budget_cpu_s", "budget_s"])
def test_a_budget_without_a_training_says_so_once(budget: str) -> None:
    with pytest.raises(RightfitError, match="No model could be trained: the budget") as refused:
        search(HOUSES.drop("is_dear"), "price", families=["linear"], **{budget: 0.001})

    assert "Raise the budget, or name other families" in str(refused.value)
