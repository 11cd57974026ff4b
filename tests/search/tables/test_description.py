from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from rightfit_search.tables.description import DatasetSpec, find_leaks

Describe = Callable[..., DatasetSpec]

FEATURES = {
    "numeric": ["minute"],
    "indicate_missing": [],
    "categorical": [],
    "min_category_share": 0.0,
    "image": None,
}
LATE = {"op": "clock_minutes", "name": "minute", "column": "arrived"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": ["trips", "spots"]}, r"schemas describes \['places'\], but the tables are"),
        ({"joins": []}, r"joins must name each table after the first \(\['places'\]\) once"),
        ({"joins__0__keys": ["spot"]}, "places has no column 'spot'.*trips has no column 'spot'"),
        ({"joins__0__columns": ["depth"]}, "places has no column 'depth'"),
        ({"joins__0__columns": ["place"], "joins__0__prefix": ""}, "twice; set a prefix"),
        ({"schemas__places__columns__0__dtype": "Int64"}, "String in trips but Int64 in places"),
        ({"schemas__places__columns__1__names": ["place"]}, "describes the columns .*more than"),
        ({"derived__0__column": "watch"}, "minute reads the unknown column 'watch'"),
        ({"derived__0__name": "day"}, "derived: 'day' would exist twice"),
        ({"target__column": "lateness"}, "'lateness' is not a column of trips"),
        ({"target__column": "vehicle"}, "at_least needs a numeric column"),
        ({"target__column": "load", "target__at_least": None}, "classes need texts, integers"),
        ({"features__numeric": ["speed"]}, r"unknown columns \['speed'\]"),
        ({"features__categorical": ["day", "day"]}, "must not repeat an entry, but repeats 'day'"),
        ({"features__indicate_missing": ["vehicle"]}, r"\['vehicle'\], which are not numeric"),
        ({"features": {**FEATURES, "numeric": []}}, "features names no column"),
        ({"split__column": "fold"}, "split.column 'fold' is not a column"),
        ({"split__train": 1}, r"split.train must be of the kind of its column \(String\)"),
        ({"split__train": True}, r"of its column \(String\), but is True; quote it"),
        ({"split__test": "train"}, "split.train and split.test must differ"),
        ({"validation__time_columns": ["year"]}, "'year' is not a column of trips"),
        ({"not_features": ["arived"]}, "not_features 'arived' is no column"),
        (
            {"split": {"method": "by_group", "share": 0.2, "group_columns": ["driver"]}},
            "split.group_columns 'driver' is not a column of trips",
        ),
        (
            {"features": {**FEATURES, "image": {"column": "place", "shape": [2, 2, 1]}}},
            "cannot be mixed.*needs 4 bytes, but the schema of 'place' allows n_bytes: None",
        ),
    ],
)
def test_inconsistent_description_is_refused(
    describe: Describe, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        describe(**changes)


def test_all_incoherences_are_reported_at_once(describe: Describe) -> None:
    with pytest.raises(ValidationError, match=r"'lateness'.*\['speed'\].*'fold'"):
        describe(target__column="lateness", features__numeric=["speed"], split__column="fold")


@pytest.mark.parametrize(
    ("changes", "leak"),
    [
        ({"features__numeric": ["delay"], "features__indicate_missing": []}, "delay"),
        ({"features__numeric": ["arrived"], "features__indicate_missing": []}, "arrived"),
        ({"features__categorical": ["split"]}, "split"),
        ({"not_features": ["place"]}, "place_height"),
        ({"derived": [LATE]}, "minute"),
        (
            {
                "derived": [
                    {**LATE, "name": "first"},
                    {"op": "clock_minutes", "name": "minute", "column": "first"},
                ]
            },
            "minute",
        ),
    ],
)
def test_feature_that_reveals_the_outcome_is_refused(
    describe: Describe, changes: dict[str, Any], leak: str
) -> None:
    with pytest.raises(ValidationError, match=rf"features \['{leak}'\] reveal the outcome"):
        describe(**changes)


def test_columns_joined_on_a_group_that_is_no_feature_are_features(describe: Describe) -> None:
    by_group = {"method": "by_group", "share": 0.25, "group_columns": ["place"]}

    spec = describe(not_features=["arrived", "place"], validation=by_group)

    assert find_leaks(spec) == {"delay", "split", "arrived", "place"}


def test_find_leaks_are_target_split_and_named_ones(describe: Describe) -> None:
    spec = describe()

    assert find_leaks(spec) == {"delay", "split", "arrived"}
