from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.bundles import train_bundle

from rightfit.api.search_arguments import read_rules
from rightfit.api.searching import search
from rightfit.evaluation import cross_validation
from rightfit.evaluation.cross_validation import cross_validate, is_judged_by_few
from rightfit.families.bundle import Bundle
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.prepared import PreparedDataset, prepare_dataset
from rightfit.profiling.measuring.jobs import LeftOutRows
from rightfit.tuning.parallel.forked_workers import close_shared_fork_server
from rightfit.tuning.search.setting_up import make_data

pytestmark = pytest.mark.whole

N_ROWS = 200
TREE = {"n_estimators": 1, "max_features": 1.0, "min_samples_leaf": 1, "max_depth": 30}
TRAINING = read_rules(
    applications=None,
    families=["forest"],
    budget_cpu_s=None,
    n_trials=1,
    early_stopping="none",
    refit="never",
    n_workers=1,
    seed=0,
).training


@pytest.fixture(autouse=True, scope="module")
def fork_server() -> Iterator[None]:
    yield
    close_shared_fork_server()


def make_table(n_rows: int = N_ROWS) -> pl.DataFrame:
    """Rows of whose labels nothing can be known."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {"a": rng.normal(size=n_rows), "b": rng.normal(size=n_rows), "late": range(n_rows)}
    ).with_columns(label=pl.Series(rng.choice(["no", "yes"], n_rows)))


def prepare(table: pl.DataFrame, **said: object) -> PreparedDataset:
    described = {
        "tables": ["data"],
        "target": {"column": "label"},
        "not_features": ["late"],
        "quality": {"name": "accuracy"},
    }
    return prepare_dataset("data", DatasetBlock.model_validate(described | said), {"data": table})


def make_candidates(prepared: PreparedDataset, folder: Path) -> dict[str, Bundle]:
    data = make_data(prepared.encode("train"), prepared.data_card.input_schema)
    return {
        f"forest-{depth:03d}": train_bundle(
            folder / f"{depth}", data, "forest", TREE | {"max_depth": depth}
        )
        for depth in (1, 30)
    }


def validate(
    prepared: PreparedDataset, candidates: dict[str, Bundle], folder: Path, **asked: Any
) -> LeftOutRows | None:
    costs = {name: {"fit_time_s": 1.0, "fit_cpu_cores": 0.5} for name in candidates}
    usual: dict[str, Any] = {"folder": folder, "budget_cpu_s": None, "in_parallel": False}
    return cross_validate(
        candidates, {"forest": "forest"}, costs, prepared, TRAINING, **usual | asked
    )


def test_candidates_answer_every_train_row_without_having_learnt_it(tmp_path: Path) -> None:
    prepared = prepare(make_table())
    candidates = make_candidates(prepared, tmp_path)

    found = validate(prepared, candidates, tmp_path / "left_out")

    train = prepared.take("train")["label"]
    assert found is not None
    assert np.bincount(found.targets).tolist() == np.bincount(train.to_numpy()).tolist()
    tree = candidates["forest-030"]
    known = make_data(prepared.encode("train"), prepared.data_card.input_schema)
    by_heart = tree.load_family().predict(tree.load_native(), known.rows)
    assert (by_heart.argmax(axis=1) == known.labels).mean() > 0.7
    answered = found.answers["forest-030"].argmax(axis=1)
    assert (answered == found.targets).mean() < 0.65  # there is nothing to know


def test_folds_are_alike_and_hold_no_validation_row() -> None:
    rows = prepare(make_table()).rows.filter(pl.col("part") != "test")

    folds = cross_validation._draw_folds(rows, is_number=False, seed=0)

    parted = rows.with_columns(fold=pl.Series(folds))
    assert set(parted.filter(part="validation")["fold"]) == {-1}
    sizes = parted.filter(part="train").group_by("label", "fold").len()
    assert set(sizes["fold"]) == {0, 1, 2, 3}
    assert (
        sizes.group_by("label").agg(pl.col("len").max() - pl.col("len").min())["len"] <= 1
    ).all()


def test_a_class_of_fewer_rows_than_folds_is_left_out_with_the_others(tmp_path: Path) -> None:
    rare = pl.when(pl.col("late") < 4).then(pl.lit("rare")).otherwise("label")
    prepared = prepare(make_table().with_columns(label=rare))

    found = validate(prepared, make_candidates(prepared, tmp_path), tmp_path / "left_out")

    assert found is not None
    assert 0 < np.bincount(found.targets)[1] < 4


def test_the_only_row_of_a_class_always_teaches() -> None:
    rows = pl.DataFrame({"label": [0] * 9 + [1], "part": ["train"] * 10})

    folds = cross_validation._draw_folds(rows, is_number=False, seed=0)

    assert folds[9] == -1
    assert (folds[:9] >= 0).all()


@pytest.mark.parametrize(("budget_cpu_s", "share"), [(4.0, 1.0), (2.5, 0.5), (0.9, 0.0)])
def test_no_more_folds_judge_than_the_budget_pays_for(
    tmp_path: Path, budget_cpu_s: float, share: float
) -> None:
    prepared = prepare(make_table())
    candidates = make_candidates(prepared, tmp_path)  # a fold of both costs a CPU second

    found = validate(prepared, candidates, tmp_path / "left_out", budget_cpu_s=budget_cpu_s)

    n_rows = 0 if found is None else len(found.targets)
    assert n_rows == pytest.approx(share * prepared.take("train").height, abs=1)


def test_processes_find_what_this_one_finds_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(make_table())
    candidates = make_candidates(prepared, tmp_path)

    alone = validate(prepared, candidates, tmp_path / "alone")
    beside = validate(prepared, candidates, tmp_path / "beside", in_parallel=True)
    monkeypatch.setattr(cross_validation.FoldJob, "carry_out", None)
    again = validate(prepared, candidates, tmp_path / "beside")

    assert alone is not None
    for other in (beside, again):
        assert other is not None
        for name, answers in alone.answers.items():
            assert (other.answers[name] == answers).all()


def test_a_candidate_that_cannot_do_without_a_row_leaves_the_test_rows_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("too few rows")

    monkeypatch.setattr(cross_validation.FoldJob, "carry_out", fail)

    found = search(make_table(), "label", families=["linear"], n_trials=2, budget_cpu_s=None)

    assert found.profiles.table["quality_raw"].is_not_null().all()
    assert "cannot be trained without some of them. ValueError: too few rows." in caplog.text


@pytest.mark.parametrize(
    ("table", "said", "expected"),
    [
        (make_table(), {}, True),
        (make_table(3_000), {}, False),
        (
            make_table(),
            {"split": {"method": "by_time", "share": 0.2, "time_columns": ["late"]}},
            False,
        ),
        (
            make_table().with_columns(side=pl.when(pl.col("late") < 150).then(1).otherwise(2)),
            {"split": {"column": "side", "train": 1, "test": 2}},
            False,
        ),
    ],
    ids=["small", "large", "by time", "by column"],
)
def test_train_rows_judge_where_few_others_do_and_rows_are_exchangeable(
    table: pl.DataFrame, said: dict[str, object], expected: bool
) -> None:
    assert is_judged_by_few(prepare(table, **said)) == expected


def test_what_a_search_tells_of_quality_is_of_all_rows_that_judged() -> None:
    found = search(
        make_table(), "label", families=["linear", "forest"], n_trials=1, quality="accuracy"
    )

    n_judges = N_ROWS - round(0.16 * N_ROWS)  # all but those that validated
    hits = found.profiles.table["quality_raw"].to_numpy() * n_judges
    assert hits == pytest.approx(hits.round(), abs=1e-6)
