from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.tree import DecisionTreeClassifier

from rightfit._core.errors import RightfitError
from rightfit.measuring.rounds import first_rows
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset
from rightfit_search.tables.teaching import N_TIMED, Teacher, label_rows

N_ROWS, N_LABELLED = 120, 60
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as of a notebook
X = np.random.default_rng(0).normal(size=N_ROWS)
TABLE = pl.DataFrame(
    {
        "x": X,
        "constant": 1,
        "kind": ["high" if x > 0 else "low" for x in X[:N_LABELLED]]
        + [None] * (N_ROWS - N_LABELLED),
    }
)


def answer_kind(rows: Any) -> list[str]:
    """Return the wrong class for everything below .5; the labels do not."""
    assert list(rows.columns) == ["x", "constant"]
    return ["high" if x > 0.5 else "low" for x in rows["x"]]


def teach(model: object, folder: Path, table: Any = TABLE, **settings: Any) -> Teacher:
    frame = pl.DataFrame(table)
    kept = {"target": "kind", "folder": folder, "max_s": None, "seed": 0}
    return Teacher(model, table=table, frame=frame, **kept | settings)


def prepare(teacher: Teacher, **block: Any) -> PreparedDataset:
    described = {
        "tables": ["data"],
        "target": {"column": "kind"},
        "features": {"numeric": ["x"]},
        **block,
    }
    return prepare_dataset(
        "data",
        DatasetBlock.model_validate(described),
        {"data": teacher.label_unlabelled()},
        assign=teacher.assign,
    )


@pytest.mark.parametrize("table", [TABLE, TABLE.to_pandas()], ids=["polars", "pandas"])
def test_rows_without_a_label_join_the_train_rows_alone(table: Any, tmp_path: Path) -> None:
    teacher = teach(answer_kind, tmp_path, table)

    rows = prepare(teacher).rows
    by_part = {part: rows.filter(part=part) for part in ("train", "validation", "test")}
    assert rows.height == N_ROWS
    assert {part: r.height for part, r in by_part.items()} == {
        "train": 38 + N_ROWS - N_LABELLED,
        "validation": 10,
        "test": 12,
    }
    assert rows["x"].to_list() == X.tolist()  # in the table's order
    label = rows["label"].to_numpy() == 0  # high, the first class
    assert (label[:N_LABELLED] == (X[:N_LABELLED] > 0)).all()
    assert (label[N_LABELLED:] == (X[N_LABELLED:] > 0.5)).all()
    assert by_part["test"]["x"].to_list() == X[teacher.test_rows].tolist()
    assert "answered for 60 of 60 rows without a label" in teacher.remarks[0]


def test_the_data_card_counts_what_was_taught(tmp_path: Path) -> None:
    card = prepare(teach(answer_kind, tmp_path)).data_card

    assert card.rows.taught == N_ROWS - N_LABELLED
    assert card.rows.dropped == ()


def test_taught_rows_fill_the_sample_up(tmp_path: Path) -> None:
    rows = prepare(teach(answer_kind, tmp_path), max_train_rows=58).rows

    assert rows.filter(pl.col("part") != "test").height == 58


@pytest.mark.parametrize(
    ("split", "n_taught"),
    [
        # five groups or times of twelve rows with a label and as many without; one is tested
        ({"method": "by_group", "group_columns": ["constant"], "share": 0.2}, 48),
        ({"method": "by_time", "time_columns": ["constant"], "share": 0.2}, 48),
        ({"column": "part", "train": "old", "test": "new"}, 30),
    ],
    ids=["groups", "time", "column"],
)
def test_rows_that_belong_to_the_test_stay_out(
    split: dict[str, Any], n_taught: int, tmp_path: Path
) -> None:
    numbers = np.arange(N_ROWS) % N_LABELLED  # a row with and one without a label have each
    table = TABLE.with_columns(
        constant=pl.Series(numbers // 12),
        part=pl.Series(np.where(numbers % 2, "old", "new")),
    )
    teacher = teach(lambda rows: answer_kind(rows.select("x", "constant")), tmp_path, table)

    prepared = prepare(teacher, split=split)
    assert prepared.data_card.rows.taught == n_taught
    assert f"{N_ROWS - N_LABELLED - n_taught} rows without kind stay out" in teacher.remarks[1]


@pytest.mark.parametrize("drop", [True, False], ids=["absent", "null"])
def test_where_no_row_has_a_label_all_are_answered(drop: bool, tmp_path: Path) -> None:
    table = TABLE.drop("kind") if drop else TABLE.with_columns(kind=pl.lit(None, pl.String))
    teacher = teach(answer_kind, tmp_path, table)

    labels = teacher.label_unlabelled()["kind"]
    assert labels.to_list() == ["high" if x > 0.5 else "low" for x in X]
    assert "agreement with the teacher" in teacher.remarks[1]


class Probabilities:
    """A fitted classifier whose classes are numbers."""

    classes_ = np.array([7, 9])
    n_features_in_ = 2

    def predict_proba(self, rows: Any) -> Any:
        high = (np.asarray(rows)[:, 0] > 0.5).astype(float)
        return np.stack([1 - high, high], axis=1)

    def predict(self, rows: Any) -> Any:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]


def test_labels_are_the_teachers_own_classes(tmp_path: Path) -> None:
    labels = teach(Probabilities(), tmp_path, TABLE.drop("kind")).label_unlabelled()["kind"]

    assert labels.to_list() == [9 if x > 0.5 else 7 for x in X]


def test_numbers_are_taught_as_they_are(tmp_path: Path) -> None:
    table = TABLE.with_columns(kind=pl.when(pl.col("kind").is_not_null()).then(3 * pl.col("x")))
    teacher = teach(lambda rows: 2.0 * np.asarray(rows["x"]), tmp_path, table)

    labels = prepare(teacher, task="regression").rows["label"].to_numpy()
    assert labels[N_LABELLED:] == pytest.approx(2 * X[N_LABELLED:], rel=1e-6)
    assert labels[:N_LABELLED] == pytest.approx(3 * X[:N_LABELLED])


def test_probabilities_are_taught_by_copies(tmp_path: Path) -> None:
    table = TABLE.with_columns(kind=pl.when(pl.col("kind") == "high").then(9).otherwise(7))
    table = table.with_columns(kind=pl.when(pl.int_range(pl.len()) < N_LABELLED).then("kind"))

    class Unsure(Probabilities):
        def predict_proba(self, rows: Any) -> Any:
            return np.full((len(rows), 2), [0.25, 0.75])

    prepared = prepare(teach(Unsure(), tmp_path, table), task="classification")

    taught = prepared.rows.filter(x=X[-1])
    assert taught["label"].sort().to_list() == [0, 1, 1, 1]
    assert prepared.rows.height == N_LABELLED + 4 * (N_ROWS - N_LABELLED)
    assert prepared.data_card.rows.taught == N_ROWS - N_LABELLED
    assert prepared.data_card.rows.dropped == ()


@pytest.mark.parametrize("is_labelled", [True, False])
def test_truth_values_are_taught(is_labelled: bool, tmp_path: Path) -> None:
    labels = [x > 0 for x in X[:N_LABELLED]] if is_labelled else [None] * N_LABELLED
    kind = pl.Series([*labels, *[None] * (N_ROWS - N_LABELLED)], dtype=pl.Boolean)
    fitted = DecisionTreeClassifier().fit(np.stack([X, np.ones(N_ROWS)], axis=1), X > 0.5)

    for name, model in {"fitted": fitted, "function": lambda rows: rows["x"] > 0.5}.items():
        (tmp_path / name).mkdir()
        teacher = teach(model, tmp_path / name, TABLE.with_columns(kind=kind))
        prepared = prepare(teacher)
        taught = prepared.rows["label"].to_numpy()[N_LABELLED:]
        assert prepared.spec.target.classes == ("false", "true")
        np.testing.assert_array_equal(taught, X[N_LABELLED:] > 0.5)


def fail(rows: Any) -> Any:
    raise OSError("the service is away")


def hang(rows: Any) -> Any:
    time.sleep(3600)


def hang_later(rows: Any) -> Any:
    return answer_kind(rows) if len(rows) in (1, N_TIMED) else hang(rows)


@pytest.mark.parametrize("model", [hang, hang_later])
@pytest.mark.parametrize("is_labelled", [True, False])
def test_a_teacher_that_never_answers_is_named(
    model: Any, is_labelled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_rows, "FIRST_ANSWER_MAX_S", 3.0)
    table = TABLE if is_labelled else TABLE.drop("kind")

    with pytest.raises(RightfitError, match=r"teacher: .*gave no answer within 3 s"):
        prepare(teach(model, tmp_path, table))


def compute(rows: Any) -> Any:
    ends_s = time.process_time() + 0.2
    while time.process_time() < ends_s:
        pass
    return answer_kind(rows)


def test_the_cpu_seconds_of_its_process_are_charged(tmp_path: Path) -> None:
    charged_s: list[float] = []

    prepare(teach(compute, tmp_path, charge=charged_s.append))

    assert len(charged_s) >= 4  # opening it, the pace, the first row, and batches
    assert min(charged_s) >= 0.2


def leave(rows: Any) -> Any:
    return answer_kind(rows) if len(rows) == N_TIMED else sys.exit(3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda rows: ["x" * 999] * len(rows), "teacher: .*answers the classes ..x{60}..,"),
        (leave, "teacher: SystemExit: 3"),
        ("model.pkl", "teacher: opening model.pkl may run .* give the model"),
        (lambda rows: ["other"] * len(rows), "teacher: .*answers the classes .'other'."),
        (lambda rows: np.full((len(rows), 2), np.nan), "teacher: .*(finite|NaN)"),
        (lambda rows: np.full((len(rows), 5), 0.2), r"teacher: .*shape \(16, 5\)"),
        (lambda rows: ["low"], "teacher: .*shape"),
        (fail, "teacher: .*the service is away"),
        (3, "teacher: A model must be a fitted estimator"),
        ("no_such.onnx", "teacher: .*no_such.onnx"),
    ],
    ids=[
        "long",
        "exits",
        "pickle",
        "classes",
        "nan",
        "width",
        "length",
        "raises",
        "no_model",
        "no_file",
    ],
)
def test_a_teacher_that_does_not_fit_is_named(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RightfitError, match=message):
        prepare(teach(model, tmp_path))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda rows: np.full(len(rows), np.nan), "teacher: .*NaN"),
        (lambda rows: [1.0], "teacher: .*shape"),
        (lambda rows: 1.0, r"teacher: .*shape \(1,\) for 16 rows"),
        (lambda rows: np.zeros((len(rows), 2, 2)), r"teacher: .*shape \(1, 2, 2\)"),
        (
            lambda rows: answer_kind(rows) if len(rows) == N_TIMED else [None] * len(rows),
            "no nulls",
        ),
        (lambda rows: [object()] * len(rows), "teacher: .*object"),
        (
            lambda rows: answer_kind(rows) if len(rows) == N_TIMED else np.eye(2)[[0] * len(rows)],
            "teacher: .*different forms",
        ),
    ],
)
def test_a_teacher_of_unlabelled_rows_is_checked(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RightfitError, match=message):
        teach(model, tmp_path, TABLE.drop("kind")).label_unlabelled()


def test_a_table_of_pandas_is_given_as_one(tmp_path: Path) -> None:
    teacher = teach(answer_kind, tmp_path, TABLE.to_pandas())

    assert isinstance(teacher.take(np.arange(3)).content, pd.DataFrame)


class Clock:
    """Each answered row takes 50 ms."""

    now_s = 0.0

    def answer(self, rows: Any) -> Any:
        self.now_s += 0.05 * len(rows)
        return rows[:, None]

    def __call__(self) -> float:
        return self.now_s


def test_labelling_ends_within_its_seconds() -> None:
    clock = Clock()

    rows, answers, remark, spent_s = label_rows(
        clock.answer, np.arange(1000), max_s=20, seed=0, clock_s=clock
    )

    assert len(rows) == 400
    assert spent_s == pytest.approx(20)
    assert answers[:, 0].tolist() == rows.tolist()
    assert len(set(rows.tolist())) == 400
    assert rows.max() > 900  # a random draw, not the first ones
    assert "answered for 400 of 1,000 rows" in remark
    assert "half of the budget's seconds" in remark


def test_a_slow_teacher_is_announced_after_a_few_rows(caplog: pytest.LogCaptureFixture) -> None:
    clock, sizes = Clock(), []

    def answer(rows: Any) -> Any:
        sizes.append(len(rows))
        return clock.answer(rows)

    label_rows(answer, np.arange(1000), max_s=None, seed=0, clock_s=clock)

    assert sizes[:3] == [1, N_TIMED, 100]  # one that opens it, and then five seconds each
    (warning,) = caplog.messages
    assert "50 ms a row; it answers for 1,000 of 1,000 rows without a label, in some 50" in warning


def test_a_teacher_that_is_slow_at_once_is_asked_for_few_rows() -> None:
    clock, sizes = Clock(), []

    def answer(rows: Any) -> Any:
        clock.now_s += 2 * len(rows)
        sizes.append(len(rows))
        return rows[:, None]

    label_rows(answer, np.arange(9), max_s=1, seed=0, clock_s=clock)

    assert sizes == [1, 2]  # no more than five seconds, though a second would have been enough
