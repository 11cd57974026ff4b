from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from rightfit._core.errors import RightfitError
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import ColumnGroup, Target, Weekday, expand_names

Describe = Callable[..., DatasetSpec]

COLUMNS = ["v2", "v1", "size_mm", "a*b", "note"]


def test_spec_names_main_table(describe: Describe) -> None:
    spec = describe()

    assert spec.main_table == "trips"
    assert spec.tables == {"trips": "trips", "places": "places"}


def test_spec_refuses_unknown_and_missing_keys(describe: Describe) -> None:
    with pytest.raises(ValidationError, match="lisence"):
        describe(lisence="CC0 1.0")
    with pytest.raises(ValidationError, match=r"validation\.by_time\.time_columns"):
        describe(validation={"method": "by_time", "share": 0.2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "Flaot32"}, "dtype must be one of"),
        ({"dtype": "Datetime(time_unit='as', time_zone=None)"}, "dtype must be one of"),
        ({"dtype": "Datetime(time_unit='ms', time_zone='Mars')"}, "there is no time zone 'Mars'"),
        ({"dtype": "String", "allowed": {"min": 0, "max": 1}}, "min and max need a numeric dtype"),
        ({"dtype": "String", "allowed": {"n_bytes": 4}}, "n_bytes needs the dtype Binary"),
        ({"dtype": "String", "allowed": {"values": [1, 2]}}, "values must be texts"),
        ({"dtype": "Int8", "allowed": {"values": ["1"]}}, "or integers for an integer dtype"),
        ({"dtype": "Int8", "allowed": {"min": 2, "max": 1}}, "min must not exceed max"),
        ({"max_null_share": float("nan")}, "max_null_share"),
        ({"max_null_share": 1.1}, "max_null_share"),
        ({"max_outlier_share": 1.0}, "max_outlier_share"),
        ({"names": []}, "names"),
    ],
)
def test_column_group_refuses(changes: dict[str, Any], message: str) -> None:
    group = {
        "names": ["a"],
        "dtype": "Int8",
        "allowed": "any",
        "max_null_share": 0.0,
        "max_outlier_share": 0.0,
    }

    with pytest.raises(ValidationError, match=message):
        ColumnGroup.model_validate({**group, **changes})


@pytest.mark.parametrize("name", ["Mars/Phobos", "", "America", "../passwd", "a\0b", "UTC+25"])
def test_time_zone_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="there is no time zone"):
        Weekday(op="weekday", name="day", column="time", time_zone=name)


@pytest.mark.parametrize(
    ("at_least", "classes", "message"),
    [
        (30, ("a", "b", "c"), "at_least needs two classes"),
        (None, ("a", "a"), "must not repeat an entry, but repeats 'a'"),
        (None, ("a",), "classes"),
        (float("inf"), ("a", "b"), "at_least"),
    ],
)
def test_target_refuses(at_least: float | None, classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Target(column="y", at_least=at_least, classes=classes)


@pytest.mark.parametrize("worst", [1.0, 1.5, float("nan")])
def test_quality_refuses_bounds_out_of_order(worst: float) -> None:
    with pytest.raises(RightfitError, match=r"^quality: .*worst"):
        QualityMetric(name="accuracy", worst=worst, best=1.0)


@pytest.mark.parametrize(
    ("names", "expanded"),
    [
        (["note", "v1"], ("note", "v1")),
        (["v*"], ("v2", "v1")),  # in the table's order
        (["v?", "*_mm"], ("v2", "v1", "size_mm")),
        (["v1..v3"], ("v1", "v2", "v3")),
        (["v08..v10"], ("v08", "v09", "v10")),
        (["a*b"], ("a*b",)),  # a column of that very name
        (["w*"], ("w*",)),  # a later check names what matches nothing
        (["*"], ("v2", "v1", "size_mm", "a*b")),
    ],
)
def test_patterns_stand_for_columns(names: list[str], expanded: tuple[str, ...]) -> None:
    assert expand_names(names, COLUMNS, excluded=["note"]) == expanded
