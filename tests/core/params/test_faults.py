"""Faults of parameter blocks: the key, what is wrong, and what is right."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from rightfit.params.faults import explain_faults


class Bounds(BaseModel):
    model_config = ConfigDict(extra="forbid")

    min: float


class Column(BaseModel):
    model_config = ConfigDict(extra="forbid")

    names: tuple[str, ...]
    allowed: Bounds | Literal["any"]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    licence: str
    columns: tuple[Column, ...]


RIGHT = {"licence": "CC0", "columns": [{"names": ["a"], "allowed": {"min": 1}}]}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"columns": []}, ["tables.mine.licence is missing; other has licence: CC0"]),
        (
            {"licence": "CC0", "columns": [], "license": "x"},
            ["tables.mine.license is unknown; did you mean 'licence'?"],
        ),
        (
            {"licence": "CC0", "columns": [], "zzz": 1},
            ["tables.mine.zzz is unknown; others have ['columns', 'licence']"],
        ),
        (
            {"licence": "CC0", "columns": [{"names": ["a"], "alowed": "any"}]},
            ["tables.mine.columns.0.alowed is unknown; did you mean 'allowed'?"],
        ),
        (
            {"license": "CC0"},
            [
                "tables.mine.columns is missing; other has columns: "
                "[{names: [a], allowed: {min: 1}}]",
                "tables.mine.license is unknown; did you mean 'licence'?",
            ],
        ),
        (
            {"licence": "CC0", "columns": [{"names": "a", "allowed": "any"}]},
            ["tables.mine.columns.0.names: must be a list, but got 'a'; other has names: [a]"],
        ),
        (
            {"licence": "CC0", "columns": [{"names": ["a"], "allowed": {"max": 1}}]},
            [
                "tables.mine.columns.0.allowed has none of its possible forms; "
                "other has allowed: {min: 1}"
            ],
        ),
        (None, ["tables.mine: must be a mapping of keys"]),
    ],
)
def test_fault_names_the_key_and_shows_the_right_form(wrong: Any, expected: list[str]) -> None:
    faults = explain_faults("tables", {"other": RIGHT, "mine": wrong}, ["mine"], Table)

    assert [fault.removesuffix(", but got None") for fault in faults] == expected


def test_right_block_has_no_fault() -> None:
    assert explain_faults("tables", {"mine": RIGHT}, ["mine"], Table) == []


def test_key_that_is_misnamed_is_told_with_its_own_slips_but_not_with_what_it_lacks() -> None:
    wrong = {"licence": "CC0", "columns": [{"nams": ["a"]}, {"names": 1, "allowed": "any"}]}

    faults = explain_faults(
        "tables",
        {"other": RIGHT, "mine": wrong},
        ["mine"],
        Table,
        misnamed={"tables.mine.columns.0": "is no column"},
    )

    assert faults[:2] == [
        "tables.mine.columns.0 is no column",
        "tables.mine.columns.0.nams is unknown; did you mean 'names'?",
    ]
    assert [fault.partition(":")[0] for fault in faults[2:]] == ["tables.mine.columns.1.names"]


def test_fault_without_another_block_has_no_example() -> None:
    faults = explain_faults("tables", {"mine": {"columns": []}}, ["mine"], Table)

    assert faults == ["tables.mine.licence is missing"]


def test_unknown_key_is_compared_with_those_beside_it_where_there_is_no_other_block() -> None:
    wrong = {**RIGHT, "column": []}

    assert explain_faults("", {"mine": wrong}, ["mine"], Table) == [
        "mine.column is unknown; did you mean 'columns'?"
    ]
