from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from rightfit._core.frames import read_frame
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.tables.completion import (
    CompleteBlock,
    complete_block,
    inferred_key,
    write_block,
)
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.description_parts import (
    ByteLength,
    ColumnSplit,
    Features,
    Image,
    Join,
    StratifiedShare,
    Target,
)
from rightfit_search.tables.table_check import check_tables

N = 240


APPLES = pl.DataFrame(
    {
        "apple_id": range(60),
        "mass": [float(i % 7) for i in range(60)],
        "ripe": ["yes", "no", "no"] * 20,
    }
)


def make_orders() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "order_id": range(N),
            "mass": [None if i % 10 == 0 else float(i % 13) for i in range(N)],
            "n_parts": [i % 11 for i in range(N)],
            "depot": ["north", "south", "west"] * (N // 3),
            "day": [date(2026, 1, 1 + i % 28) for i in range(N)],
            "flag": ["y" if i % 4 == 0 else "n" for i in range(N)],
            "late": ["yes" if i % 4 == 0 else "no" for i in range(N)],
        }
    )


def complete(table: pl.DataFrame | None = None, **said: Any) -> CompleteBlock:
    block = {"tables": ["orders"], "target": {"column": "late"}, **said}
    tables = {"orders": make_orders() if table is None else table}
    return complete_block(DatasetBlock.model_validate(block), tables, dataset_name="orders")


def describe_apples(table: pl.DataFrame = APPLES, **said: Any) -> CompleteBlock:
    block = DatasetBlock.model_validate({"tables": {"apples": "apples_2026"}, **said})
    return complete_block(block, {"apples": table}, dataset_name="apples")


def test_minimal_block_is_completed_from_the_table() -> None:
    spec = complete().spec

    assert spec.task == "classification"
    assert spec.target.classes == ("no", "yes")
    assert spec.features == Features(
        numeric=("mass", "n_parts"),
        indicate_missing=("mass",),
        categorical=("depot",),
        date=("day",),
    )
    assert spec.derived == ()
    assert spec.split == StratifiedShare(method="stratified", share=0.2)
    assert spec.validation == StratifiedShare(method="stratified", share=0.2)
    assert spec.quality == QualityMetric(name="roc_auc", worst=0.5, best=1.0)
    assert spec.schemas["orders"].min_rows == N // 2
    assert spec.schemas["orders"].by_column()["mass"].max_null_share == 0.2
    assert spec.schemas["orders"].by_column()["depot"].max_null_share == 0.0


def test_columns_left_out_are_remarked_with_their_reason() -> None:
    assert complete().remarks == (
        "not used as features: 'order_id' (identifies rows)",
        "not used as features: 'flag' (repeats the target, one value per class)",
    )


def test_columns_left_out_for_one_reason_share_a_remark() -> None:
    table = make_orders().with_columns(**{f"empty_{i}": pl.lit(0) for i in range(11)})

    (remark,) = (text for text in complete(table).remarks if "constant" in text)

    assert remark.startswith("not used as features: 'empty_0', 'empty_1', ")
    assert remark.endswith(" and 2 more (constant)")


def test_column_of_a_dtype_without_use_is_remarked() -> None:
    table = make_orders().with_columns(wait=pl.duration(seconds=pl.col("n_parts")))

    assert any("'wait'" in remark for remark in complete(table).remarks)


def test_described_target_that_the_table_lacks_is_named() -> None:
    schema = {"columns": [{"names": ["late"], "dtype": "String"}]}

    with pytest.raises(ValueError, match="'late' is described, but the table orders lacks it; it"):
        complete(make_orders().rename({"late": "is_late"}), schemas={"orders": schema})


def test_described_column_that_a_joined_table_lacks_is_left_to_its_check() -> None:
    block = DatasetBlock.model_validate(
        {
            "tables": ["orders", "depots"],
            "target": {"column": "late"},
            "schemas": {
                "depots": {
                    "columns": [
                        {"names": ["depot"], "dtype": "String"},
                        {"names": ["height"], "dtype": "Float64"},
                    ]
                }
            },
            "joins": [{"table": "depots", "keys": ["depot"], "columns": ["height"]}],
        }
    )
    tables = {"orders": make_orders(), "depots": pl.DataFrame({"depot": ["north"]})}

    spec = complete_block(block, tables, dataset_name="orders").spec

    with pytest.raises(ValueError, match="column 'height' of dtype Float64 is missing"):
        check_tables(spec, tables, dataset_name="orders")


def test_limit_names_the_classes_of_a_block_that_says_all_else() -> None:
    written = yaml.safe_load(
        write_block("apples", describe_apples(target={"column": "mass", "at_least": 4}))
    )["apples"]
    del written["target"]["classes"]

    block = DatasetBlock.model_validate(written)

    assert block.find_gaps() == ()
    assert complete_block(block, {"apples": APPLES}, dataset_name="apples").spec.target.classes == (
        "below 4",
        "4 or more",
    )


def test_what_the_block_says_is_not_inferred() -> None:
    said = {
        "features": {"numeric": ["n_*"]},
        "quality": {"name": "accuracy"},
        "split": {"method": "by_time", "share": 0.3, "time_columns": ["day"]},
        "target": {"column": "late", "classes": ["yes", "no"]},
    }

    complete_one = complete(**said)

    assert complete_one.remarks == ()
    assert complete_one.spec.features == Features(numeric=("n_parts",))
    assert complete_one.spec.quality == QualityMetric(name="accuracy", worst=0.75, best=1.0)
    assert complete_one.spec.split.method == "by_time"  # type: ignore[union-attr]
    assert complete_one.spec.target.classes == ("yes", "no")


@pytest.mark.parametrize(
    ("features", "numeric", "categorical"),
    [
        ({"numeric": ["*"]}, ("mass", "n_parts"), ()),
        ({"categorical": ["*"]}, (), ("depot",)),
        ({"numeric": ["*"], "categorical": ["n_parts"]}, ("mass",), ("n_parts",)),
        ({"numeric": ["order_id", "*"]}, ("order_id", "mass", "n_parts"), ()),
    ],
)
def test_star_stands_for_all_other_columns_of_the_kind(
    features: dict[str, Any], numeric: tuple[str, ...], categorical: tuple[str, ...]
) -> None:
    found = complete(features=features).spec.features

    assert (found.numeric, found.categorical) == (numeric, categorical)


def test_not_features_are_left_out_and_may_be_patterns() -> None:
    assert complete(not_features=["n_*", "depot"]).spec.features.columns == ("mass", "day")


def test_joined_table_is_described_and_used() -> None:
    depots = pl.DataFrame({"depot": ["north", "south", "west"], "height": [1.0, 2.0, 3.0]})
    block = DatasetBlock.model_validate(
        {
            "tables": ["orders", "depots"],
            "target": {"column": "late"},
            "joins": [{"table": "depots", "keys": ["depot"], "columns": ["*"]}],
        }
    )

    spec = complete_block(
        block, {"orders": make_orders(), "depots": depots}, dataset_name="orders"
    ).spec

    assert spec.joins == (Join(table="depots", keys=("depot",), columns=("height",)),)
    assert list(spec.schemas["depots"].by_column()) == ["depot", "height"]
    assert "height" in spec.features.numeric


@pytest.mark.parametrize("is_group", [True, False])
def test_columns_joined_on_no_feature_are_left_out_with_a_remark_or_used_of_a_group(
    is_group: bool,
) -> None:
    depots = pl.DataFrame({"depot": ["north", "south", "west"], "height": [1.0, 2.0, 3.0]})
    by_group = {"method": "by_group", "share": 0.3, "group_columns": ["depot"]}
    block = DatasetBlock.model_validate(
        {
            "tables": ["orders", "depots"],
            "target": {"column": "late"},
            "not_features": ["depot"],
            "joins": [{"table": "depots", "keys": ["depot"], "columns": ["*"]}],
            **({"split": by_group} if is_group else {}),
        }
    )

    completed = complete_block(
        block, {"orders": make_orders(), "depots": depots}, dataset_name="orders"
    )

    assert ("height" in completed.spec.features.numeric) == is_group
    assert any("'height'" in remark for remark in completed.remarks) != is_group


def test_column_called_split_is_the_split() -> None:
    table = make_orders().with_columns(split=pl.Series(["train", "train", "test"] * (N // 3)))

    spec = complete(table).spec

    assert spec.split == ColumnSplit(column="split", train="train", test="test")
    assert "split" not in spec.features.columns


def test_column_of_equally_long_bytes_is_an_image() -> None:
    table = pl.DataFrame(
        {"scan": [bytes([i % 9] * 12) for i in range(N)], "late": ["a", "b"] * (N // 2)}
    )

    spec = complete(table).spec

    assert spec.features.image == Image(column="scan", shape=(2, 2, 3))
    assert spec.schemas["orders"].by_column()["scan"].allowed == ByteLength(n_bytes=12)


@pytest.mark.parametrize(
    ("values", "quality"),
    [
        (["a", "b"], QualityMetric(name="roc_auc", worst=0.5, best=1.0)),
        (["a", "b", "c"], QualityMetric(name="accuracy", worst=0.33, best=1.0)),
        (
            ["a", "a", "a", "b", "c", "a"],
            QualityMetric(name="balanced_accuracy", worst=0.33, best=1.0),
        ),
    ],
)
def test_quality_follows_from_the_classes_balance(
    values: list[str], quality: QualityMetric
) -> None:
    table = make_orders().with_columns(late=pl.Series(values * (N // len(values))))

    assert complete(table).spec.quality == quality


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (pl.Series([1, 0] * (N // 2)), ("0", "1")),
        (pl.Series([10.0, 9.0] * (N // 2)), ("9", "10")),  # whole numbers, sorted as numbers
        (pl.Series([True, False] * (N // 2)), ("false", "true")),
    ],
)
def test_classes_are_the_targets_values_in_order(
    column: pl.Series, classes: tuple[str, ...]
) -> None:
    assert complete(make_orders().with_columns(late=column)).spec.target.classes == classes


def test_numbers_become_two_classes_at_a_threshold() -> None:
    spec = complete(target={"column": "n_parts", "at_least": 5}).spec

    assert spec.target.classes == ("below 5", "5 or more")


def test_balanced_accuracy_may_be_decided_by_costs() -> None:
    block = {"name": "balanced_accuracy", "costs": [[0, 1], [3, 0]]}

    quality = complete(quality=block).spec.quality

    labels, answers = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert quality.score(labels, answers) == 1.0


def test_costs_alone_make_the_mean_cost_the_metric() -> None:
    quality = complete(quality={"costs": [[0, 1], [2, 0]]}).spec.quality

    # a quarter is late: never to say so costs 2 in each of these, always to say so 1 in the others
    assert (quality.name, quality.worst, quality.best) == ("neg_cost", -0.5, 0.0)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"target": {"column": "lat"}}, "target.column 'lat' is not a column of orders; did you"),
        (
            {"target": {"column": "mass"}, "task": "classification"},
            "13 different values of dtype Float64, which make no classes. Predict the number with",
        ),
        ({"target": {"column": "day"}}, r"'day' is Date; classes need texts or integers$"),
        ({"task": "regression"}, "needs a numeric target, but 'late' is String"),
        (
            {"target": {"column": "mass"}, "quality": {"name": "accuracy"}},
            "the metric accuracy is one of classification, but the task is regression",
        ),
        ({"quality": {"name": "r2"}}, "the metric r2 is one of regression"),
        (
            {"quality": {"name": "accuracy", "threshold": 0.2}},
            "threshold goes with two classes .* not with accuracy of 2 classes",
        ),
        (
            {"quality": {"costs": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]}},
            "costs is for 3 classes, but there are 2: .*missing from the test rows",
        ),
        (
            {"quality": {"costs": [[0, 1], [5, 0]], "name": "roc_auc"}},
            "costs goes with the metric cost, or another of the predicted class",
        ),
        (
            {"quality": {"costs": [[0, 1], [5, 0]]}, "target": {"column": "mass"}},
            "costs is for 2 classes, but there are none",
        ),
        (
            {"quality": {"name": "sklearn.metrics.log_loss"}},
            "is a function, so write worst and best too",
        ),
        (
            {"target": {"column": "name"}},
            "240 different values, such as .n0.; allowed are at most 100",
        ),
        ({"features": {"numeric": ["mas"]}}, r"unknown columns \['mas'\]"),
        ({"features": {"numeric": ["depot", "*"]}}, "'depot', which is String"),
        ({"features": {"numeric": ["w*"]}}, r"unknown columns \['w\*'\]"),
        ({"features": {"categorical": ["late", "*"]}}, r"\['late'\] reveal the outcome"),
    ],
)
def test_gap_that_cannot_be_filled_is_named(said: dict[str, Any], message: str) -> None:
    table = make_orders().with_columns(
        pl.col("mass") + 0.5, name=pl.format("n{}", pl.col("order_id"))
    )

    with pytest.raises(ValueError, match=message):
        complete(table, **said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"task": "regression", "target": {"column": "mass", "at_least": 3}},
            "predicts the number itself, so target takes neither classes nor at_least",
        ),
        (
            {"task": "regression", "quality": {"name": "accuracy"}},
            "accuracy is one of classification, but the task is regression",
        ),
        (
            {
                "target": {"column": "late", "classes": ["no", "a bit", "yes"]},
                "quality": {"name": "roc_auc"},
            },
            "roc_auc needs two classes, but got 3; choose roc_auc_ovr",
        ),
        (
            {"task": "regression", "quality": {"name": "neg_mean_absolut_error"}},
            "no metric 'neg_mean_absolut_error'; did you mean 'neg_mean_absolute_error'",
        ),
        (
            {"task": "regression", "quality": {"name": "shop.metrics.cost"}},
            "no module 'shop.metrics' to hold a metric",
        ),
        (
            {"task": "regression", "quality": {"name": "r2", "options": {"alpha": 0.9}}},
            "the scorer r2 takes no options",
        ),
        ({"target": {"column": "late", "classes": [True, False]}}, r'quote them, as in \["no", "y'),
        ({"target": {"column": "late", "classes": ["no"]}}, "classes must name at least two"),
        ({"tables": ["orders", "orders"]}, "tables must differ"),
        ({"tables": ["orders", "depots"]}, r"joins must name each table .*\(\['depots'\]\)"),
        ({"schemas": {"order": {"columns": [{"names": ["a"], "dtype": "Int8"}]}}}, "'order'"),
    ],
)
def test_what_no_table_can_mend_is_refused_before_any_is_read(
    said: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetBlock.model_validate({"tables": ["orders"], "target": {"column": "late"}} | said)


def test_class_names_may_be_numbers() -> None:
    block = DatasetBlock.model_validate(
        {"tables": {"orders": "orders_2026"}, "target": {"column": "late", "classes": [0, 1]}}
    )

    assert block.target.classes == ("0", "1")
    assert block.tables == {"orders": "orders_2026"}


def test_key_changes_with_what_is_inferred_from_it_alone() -> None:
    block = DatasetBlock.model_validate({"tables": ["orders"], "target": {"column": "late"}})

    reworded = block.model_copy(update={"notes": ("new",), "seed": 1})
    narrowed = block.model_copy(update={"not_features": ("a",)})
    assert inferred_key(reworded) == inferred_key(block)
    assert inferred_key(narrowed) != inferred_key(block)


def test_written_block_leaves_nothing_to_infer() -> None:
    found = describe_apples(target={"column": "ripe"})

    text = write_block("apples", found)
    block = DatasetBlock.model_validate(yaml.safe_load("datasets:\n" + text)["datasets"]["apples"])

    assert block.find_gaps() == ()
    assert complete_block(block, {"apples": APPLES}, dataset_name="apples").spec == found.spec
    assert block.target.classes == ("no", "yes")  # quoted, or YAML would read truth values


def test_written_block_says_which_columns_are_left_out() -> None:
    text = write_block("apples", describe_apples(target={"column": "ripe"}))

    assert text.startswith("  # not used as features: 'apple_id' (identifies rows)\n  apples:\n")


def test_number_can_be_cut_into_two_classes() -> None:
    found = describe_apples(target={"column": "mass", "at_least": 4})

    assert found.spec.target.classes == ("below 4", "4 or more")
    assert found.spec.quality.name == "roc_auc"
    assert "mass" not in found.spec.features.columns


def test_many_numbers_are_predicted_as_such_with_a_remark() -> None:
    scores = APPLES.with_columns(score=pl.Series([i % 11 for i in range(60)]))

    found = describe_apples(scores, target={"column": "score"})

    assert found.spec.task == "regression"
    assert found.spec.target.classes == ()
    block = DatasetBlock(tables={"apples": "apples"}, target=Target(column="score"))
    assert found.list_inferred(block) == ("schemas", "task", "features", "split", "quality")
    assert "11 different numbers and is predicted as a number" in found.remarks[0]


def test_a_number_with_fractions_is_predicted_without_a_remark() -> None:
    scores = APPLES.with_columns(score=pl.Series([i / 7 for i in range(60)]))

    found = describe_apples(scores, target={"column": "score"})

    assert found.spec.task == "regression"
    assert not any("predicted as a number" in remark for remark in found.remarks)


def test_classes_that_are_written_in_several_ways_are_remarked() -> None:
    late = pl.Series(["yes", "1", "True", "no"] * (N // 4))
    mixed = complete(make_orders().with_columns(late=late))
    named = complete(
        make_orders().with_columns(late=late),
        target={"column": "late", "classes": late.unique().to_list()},
    )

    assert [remark for remark in mixed.remarks if "'1', 'True', 'yes'" in remark] != []
    assert not any("mean the same" in remark for remark in (*named.remarks, *complete().remarks))


def test_a_name_that_a_csv_file_has_twice_is_remarked() -> None:
    content = b"mass,depot,mass,late\n" + b"1.5,north,2.5,yes\n2.5,south,1.5,no\n" * 60
    content += content[content.index(b"1") :].replace(b"yes", b"no")

    completed = complete(pl.read_csv(content))

    assert [remark for remark in completed.remarks if "another column 'mass'" in remark] != []


def test_rows_recorded_twice_are_remarked() -> None:
    ripe = {"column": "ripe"}

    once = describe_apples(APPLES, target=ripe).remarks
    twice = describe_apples(pl.concat([APPLES, APPLES[:5]]), target=ripe).remarks

    assert not any("repeat" in remark for remark in once)
    assert twice[-1].startswith("5 of 65 rows repeat an earlier one in every column")


def test_rows_recorded_twice_are_remarked_of_a_table_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "apples.parquet"
    pl.concat([APPLES, APPLES[:5]]).write_parquet(path)

    on_disk = read_frame(pl.scan_parquet(path), entry="apples")
    block = {"tables": ["apples"], "target": {"column": "ripe"}}
    given = DatasetBlock.model_validate(block)
    remarks = complete_block(given, {"apples": on_disk}, dataset_name="apples").remarks

    assert remarks[-1].startswith("5 of 65 rows repeat an earlier one in every column")


def _describe_visits(name: str, n_visits: int, **block: Any) -> tuple[str, ...]:
    rows = [(f"P{i % 150}", i % 7, "yn"[i % 3 == 0]) for i in range(150 * n_visits)]
    visits = pl.DataFrame(rows, schema=[name, "dose", "ill"], orient="row")
    given = DatasetBlock.model_validate({"tables": ["visits"], "target": {"column": "ill"}} | block)
    return complete_block(given, {"visits": visits}, dataset_name="visits").remarks


@pytest.mark.parametrize("name", ["patient_id", "patientId", "PatientID", "id"])
def test_identifier_of_several_rows_asks_for_a_split_by_group(name: str) -> None:
    remarks = _describe_visits(name, 3)

    assert f"split: {{method: by_group, share: 0.2, group_columns: [{name}]}}" in remarks[0]
    assert "150 values in 450 rows" in remarks[0]


@pytest.mark.parametrize(
    ("name", "n_visits", "block"),
    [
        ("patient_id", 1, {}),  # one row each
        ("paid", 3, {}),  # no identifier
        ("patient_id", 3, {"split": {"method": "stratified", "share": 0.2}}),  # somebody's choice
    ],
)
def test_split_is_not_questioned(name: str, n_visits: int, block: dict[str, Any]) -> None:
    assert not any("by_group" in remark for remark in _describe_visits(name, n_visits, **block))


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ({}, ["6.7% of the rows are 'yes'", "roc_auc", "costs: [[0, 1], [5, 0]]"]),
        (
            {"target": {"column": "ripe", "classes": ["yes", "no"]}},
            ["of the rows are 'yes'", "costs: [[0, 5], [1, 0]]"],
        ),
        ({"target": {"column": "mass", "at_least": 6}}, ["13.3% of the rows are '6 or more'"]),
        ({"quality": {"name": "f1"}}, []),  # a metric was chosen
    ],
)
def test_rare_class_is_remarked_with_how_to_state_costs(
    said: dict[str, Any], parts: list[str]
) -> None:
    rare = APPLES.with_columns(ripe=pl.Series((["no"] * 14 + ["yes"]) * 4))

    remarks = describe_apples(rare, **{"target": {"column": "ripe"}} | said).remarks

    assert bool(parts) == any("likelier class" in remark for remark in remarks)
    assert all(any(part in remark for remark in remarks) for part in parts), remarks


def test_many_numbers_taken_as_classes_are_remarked() -> None:
    scores = APPLES.with_columns(score=pl.Series([i % 11 for i in range(60)]))

    many = describe_apples(scores, target={"column": "score"}, task="classification")
    few = describe_apples(target={"column": "ripe"})

    assert "11 different numbers, each taken as a class" in many.remarks[0]
    assert not any("taken as" in remark for remark in few.remarks)


@pytest.mark.parametrize(
    ("n_values", "said", "is_told"),
    [(5, {}, True), (5, {"task": "classification"}, False), (2, {}, False)],
)
def test_few_whole_numbers_taken_as_classes_are_remarked_unless_said(
    n_values: int, said: dict[str, Any], is_told: bool
) -> None:
    marks = APPLES.with_columns(mark=pl.Series([1 + i % n_values for i in range(60)]))

    remarks = describe_apples(marks, target={"column": "mark"}, **said).remarks

    assert any("5 different numbers of 'mark'" in remark for remark in remarks) == is_told
