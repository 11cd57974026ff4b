from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine

from rightfit_search.tables.inference import Kind, judge_column

OUTCOME = pl.Series(["yes", "no"] * 100)
N = OUTCOME.len()
THREE = ["abc"[i % 3] for i in range(900)]


@pytest.mark.parametrize(
    ("name", "values", "kind", "reason"),
    [
        ("size", [i % 7 for i in range(N)], "numeric", ""),
        ("share", [i / N for i in range(N)], "numeric", ""),
        ("flag", [i % 3 == 0 for i in range(N)], "numeric", ""),
        ("kind", ["abc"[i % 3] for i in range(N)], "categorical", ""),
        ("kind", ["a"] * 120 + [str(i) for i in range(80)], "categorical", ""),
        ("always", [5] * N, "unused", "constant"),
        ("never", [None] * N, "unused", "constant"),
        ("row", list(range(N)), "unused", "identifies rows"),
        ("customer_id", [i * i for i in range(N)], "unused", "identifies rows"),
        ("shop_id", [i % 5 for i in range(N)], "numeric", ""),  # so few may mean something
        ("distance", [i * i for i in range(N)], "numeric", ""),  # all differ, but with gaps
        ("name", [f"n{i}" for i in range(N)], "unused", "every text differs"),
        ("comment", [f"was {i} days late" for i in range(N)], "text", ""),
        ("choice", ["abc"[i % 3] + " or something else" for i in range(N)], "categorical", ""),
        ("tail", [f"n{i // 2}" for i in range(N)], "categorical", ""),  # each has 1 % of the rows
        ("tail", [f"n{i % 160}" for i in range(N)], "unused", "160 values in 200 rows"),
        ("tail", [f"n{i * i % 77 if i % 9 else -i}" for i in range(N)], "categorical", ""),
        ("code", [1, 2] * 100, "unused", "repeats the target"),
        ("score", [i % 2 * 50 + i % 40 for i in range(N)], "unused", "separates the classes"),
        ("score", [i % 2 * 37 + i % 40 for i in range(N)], "numeric", ""),  # 38 occurs in both
        ("day", [date(2026, 1, 1 + i % 28) for i in range(N)], "date", ""),
        ("image", [bytes([i % 7]) for i in range(N)], "bytes", "bytes"),
        ("list", [[i % 7] for i in range(N)], "unused", "List"),
    ],
)
def test_kind_follows_from_the_values(name: str, values: list[Any], kind: str, reason: str) -> None:
    found = judge_column(pl.Series(name, values), OUTCOME, "classification")

    assert found.name == kind
    assert pl.Series([found.reason]).str.contains(reason).all(), found.reason


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        # gaps wherever one class is, whatever fills the others: a date of cancellation
        ([f"2024-01-{1 + i % 28:02d}" if i % 2 else None for i in range(N)], "unused", "filled in"),
        ([i * 1.5 if i % 2 == 0 else None for i in range(N)], "unused", "filled in every row"),
        # two rows of another class: not certain, so it is used, with a question
        ([f"2024-01-{1 + i % 28:02d}" if i % 2 or i < 3 else None for i in range(N)], "date", "9"),
        (
            [-float(i % 2 or i < 3) for i in range(N)],
            "numeric",
            "ROC AUC 0.990.*better than it is.*not_features",
        ),
        (["ab"[i % 2 or i < 3] for i in range(N)], "categorical", "ROC AUC 0.990"),
        # gaps and values in rows of both classes
        (
            [["moving", "price"][i % 4 // 2] if i % 3 == 0 else None for i in range(N)],
            "categ",
            "^$",
        ),
        ([f"v{i}" if i % 3 else None for i in range(N)], "unused", "every text differs"),
        ([i % 2 + i % 9 / 4 for i in range(N)], "numeric", "^$"),  # a good feature
    ],
)
def test_column_that_gives_the_class_away_is_left_out_or_asked_about(
    values: list[Any], kind: str, reason: str
) -> None:
    judged = judge_column(pl.Series("ended", values), OUTCOME, "classification")

    assert judged.name.startswith(kind)
    assert pl.Series([judged.reason]).str.contains(reason).all(), judged.reason


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ([10 * "bca".index(c) + i % 7 for i, c in enumerate(THREE)], True),
        ([f"{c}{i % 2}" for i, c in enumerate(THREE)], True),
        ([c if i % 4 else "?" for i, c in enumerate(THREE)], False),
        ([6 * "bca".index(c) + i % 7 for i, c in enumerate(THREE)], False),
        ([f"{c}{i // 9}" for i, c in enumerate(THREE)], False),  # too few rows a value
        ([5.0 if c == "a" else i % 7 for i, c in enumerate(THREE)], False),  # one class alone
    ],
)
def test_column_that_tells_three_classes_is_asked_about(values: list[Any], is_told: bool) -> None:
    outcome = pl.Series([("b" if i in (3, 600) else c) for i, c in enumerate(THREE)])

    judged = judge_column(pl.Series("late", values), outcome, "classification")

    assert ("balanced accuracy 0.9" in judged.reason) == is_told, judged.reason


@pytest.mark.parametrize("load", [load_iris, load_wine, load_digits])
def test_no_column_of_honest_tables_is_asked_about(load: Callable[[], Any]) -> None:
    table = load()
    outcome = pl.Series(table.target_names[table.target]).cast(pl.String)

    reasons = [
        judge_column(pl.Series(str(i), column), outcome, "classification").reason
        for i, column in enumerate(table.data.T)
    ]

    assert not any("tells the target" in reason for reason in reasons)


def test_two_values_within_one_class_do_not_repeat_the_target() -> None:
    grades = pl.Series("grade", ["gold", "silver"] * 10 + [None] * 180)
    classes = pl.Series(["no"] * 150 + ["yes"] * 50)

    judged = judge_column(grades, classes, "classification")

    assert judged == Kind("categorical")


def test_number_that_orders_nearly_as_the_target_does_is_asked_about() -> None:
    price = pl.Series([float(i * 7 % N) for i in range(N)])
    taxed = pl.Series("taxed", [1.2 * value + 5 * (i % 3) for i, value in enumerate(price)])
    area = pl.Series("area", [value + 60 * 5 * (i % 3) for i, value in enumerate(price)])

    assert "rank correlation 0.99" in judge_column(taxed, price, "regression").reason
    assert judge_column(area, price, "regression").reason == ""


def test_number_may_separate_the_classes_of_few_rows_by_chance() -> None:
    found = judge_column(pl.Series("score", [9, 1, 8, 2]), OUTCOME[:4], "classification")

    assert found.name == "numeric"


def test_column_of_another_table_is_not_compared_with_the_outcome() -> None:
    assert judge_column(pl.Series("code", [1, 2] * 4), None, "classification").name == "numeric"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([(i * 7 % N) / 60 for i in range(N)], "unused"),  # the same in hours
        ([-((i * 7 % N) ** 3) for i in range(N)], "unused"),  # another scale, turned round
        ([(i * 7 % N) // 60 for i in range(N)], "numeric"),  # whole hours: less than the target
        ([(i * 9 % N) / 60 for i in range(N)], "numeric"),  # as many values, in another order
    ],
)
def test_copy_of_a_number_to_predict_is_not_used(values: list[float], kind: str) -> None:
    minutes = pl.Series([i * 7 % N for i in range(N)])

    found = judge_column(pl.Series("delay", values), minutes, "regression")

    assert found.name == kind


@pytest.mark.parametrize(
    ("missing", "kind"), [("of one class", "unused"), ("without an outcome", "numeric")]
)
def test_gaps_give_a_class_away_only_in_rows_with_an_outcome(missing: str, kind: str) -> None:
    outcome = pl.Series([0, 1] * 50 + [None] * 2)
    is_missing = (outcome == 1) if missing == "of one class" else outcome.is_null()
    values = pl.Series("mass", [i * 7 % 31 / 4 for i in range(102)])

    column = pl.select(pl.when(~is_missing).then(values).alias("mass"))["mass"]

    assert judge_column(column, outcome, "classification").name == kind


@pytest.mark.parametrize(("last", "kind"), [(4_000, "unused"), (0, "numeric")])
def test_copy_of_a_value_is_one_in_all_rows(last: int, kind: str) -> None:
    outcome = pl.Series([*range(2_000), 2_000], dtype=pl.Float64)
    column = pl.Series("twice", [2 * value for value in range(2_000)] + [last])

    assert judge_column(column, outcome, "regression").name == kind


def test_identifiers_that_repeat_are_categories() -> None:
    assert judge_column(
        pl.Series("shop_id", [i % 300 for i in range(900)]), None, "regression"
    ) == (Kind("categorical"))
    assert judge_column(
        pl.Series("shop_id", [i % 700 for i in range(900)]), None, "regression"
    ) == (Kind("unused", "700 values in 900 rows"))


@pytest.mark.parametrize(
    ("texts", "name"),
    [(["1,234", "17.5", "-3"], "categorical"), (["12 %", "7 %"], "categorical")],
)
def test_texts_that_look_like_numbers_are_remarked(texts: list[str], name: str) -> None:
    kind = judge_column(pl.Series("price", texts * 100), None, "regression")

    assert kind.name == name
    assert f"as {texts[0]!r} does" in kind.reason


@pytest.mark.parametrize("texts", [["01067", "80331"], ["1.2.3", "4.5.6"], ["3a", "4b"]])
def test_other_texts_with_digits_are_not(texts: list[str]) -> None:
    assert judge_column(pl.Series("code", texts * 100), None, "regression") == Kind("categorical")
