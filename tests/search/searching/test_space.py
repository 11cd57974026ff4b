from __future__ import annotations

from typing import Any

import optuna
import pytest
from pydantic import ValidationError

from rightfit_search.families.registry import get_family
from rightfit_search.searching.space import ModelParams, Space

pytestmark = pytest.mark.whole

PARAMS = {
    "fixed": {"n_epochs": 4},
    "space": {
        "rate": {"type": "float", "low": 0.01, "high": 1.0, "log": True},
        "units": {"type": "int", "low": 2, "high": 8, "log": False},
        "kind": {"type": "categorical", "choices": ["a", "b"]},
    },
}


def test_suggest_returns_fixed_and_searched_settings() -> None:
    trial = optuna.trial.FixedTrial({"rate": 0.1, "units": 3, "kind": "b"})

    assert ModelParams.model_validate(PARAMS).suggest(trial) == {  # type: ignore[arg-type]
        "n_epochs": 4,
        "rate": 0.1,
        "units": 3,
        "kind": "b",
    }


@pytest.mark.parametrize(
    ("value", "is_edge"),
    [(1e-6, True), (1.05e-6, True), (1e-3, False), (1.0, True), (2.0, False), ("a", False)],
)
def test_edge_is_a_hundredth_of_a_range_on_its_own_scale(value: object, *, is_edge: bool) -> None:
    space = Space.model_validate(
        {"alpha": {"low": 1e-6, "high": 1.0, "log": True}, "kind": {"choices": ["a", "b"]}}
    )

    assert space["alpha"].is_edge(value) is is_edge
    assert not space["kind"].is_edge("a")


def test_ends_beyond_which_nothing_lies_are_no_edges() -> None:
    space = Space.model_validate(
        {
            "layers": {"low": 1, "high": 3},
            "share": {"low": 0.5, "high": 1.0},
            "rate": {"low": 0.01, "high": 1.0, "log": True},
        }
    )

    assert not space["layers"].is_edge(1)
    assert space["layers"].is_edge(3)
    assert space["share"].is_edge(0.5)
    assert not space["share"].is_edge(1.0)
    assert space["rate"].is_edge(1.0)


def test_grid_is_even_and_logarithmic_where_asked() -> None:
    space = ModelParams.model_validate(PARAMS).space

    assert space["rate"].grid(3) == pytest.approx([0.01, 0.1, 1.0])
    assert space["units"].grid(3) == [2, 5, 8]
    assert space["kind"].grid(3) == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": {"type": "float", "low": 2.0, "high": 1.0, "log": False}}, "low must be below"),
        ({"rate": {"type": "float", "low": 0.0, "high": 1.0, "log": True}}, "must start above 0"),
        ({"rate": {"type": "flaot", "low": 0.0, "high": 1.0, "log": True}}, "'flaot'"),
        ({"n_epochs": {"type": "categorical", "choices": [1]}}, "both under fixed and under space"),
        ({"kind": {"type": "categorical", "choices": []}}, "at least 1 item"),
    ],
)
def test_faulty_space_is_refused(change: dict[str, object], message: str) -> None:
    faulty = {"fixed": PARAMS["fixed"], "space": PARAMS["space"] | change}

    with pytest.raises(ValidationError, match=message):
        ModelParams.model_validate(faulty)


@pytest.mark.parametrize("default", [2.5, 2.0, "2", True])
def test_default_of_a_whole_number_is_one(default: object) -> None:
    space = {"trees": {"type": "int", "low": 1, "high": 9, "log": False}}

    with pytest.raises(ValidationError, match=r"default\.trees must be a whole number"):
        ModelParams.model_validate({"space": space, "default": {"trees": default}})


@pytest.mark.parametrize(
    "length",
    [
        {"fixed": {"n_epochs": 2.5}},
        {"fixed": {"n_epochs": 2.0}},
        {"fixed": {"n_epochs": True}},
        {"space": {"n_epochs": {"low": 2.5, "high": 9}}},
        {"space": {"n_epochs": {"choices": [2, 2.5]}}},
    ],
)
def test_training_of_half_an_epoch_is_refused(length: dict[str, Any]) -> None:
    params = ModelParams.model_validate(length)

    with pytest.raises(ValueError, match="n_epochs must be a whole number from 1 to 1,000,000"):
        params.check_length(get_family("linear"), n_checkpoints=1)


def test_the_default_comes_first_where_the_space_has_it() -> None:
    space = {"a": {"type": "int", "low": 1, "high": 9, "log": False}}
    block = {"fixed": {}, "space": space}

    assert ModelParams.model_validate(block).first({}, "classification") is None
    assert ModelParams.model_validate({**block, "default": {"a": 3}}).first(
        {}, "classification"
    ) == {"a": 3}
    assert (
        ModelParams.model_validate({**block, "default": {"a": 30}}).first({}, "classification")
        is None
    )
    with pytest.raises(ValueError, match="Give the default of every searched setting"):
        ModelParams.model_validate({**block, "default": {"b": 3}})


def test_a_regression_may_have_another_default() -> None:
    block = {"space": {"a": {"low": 1, "high": 9}, "b": {"choices": ["sqrt", 1.0]}}}
    block |= {"default": {"a": 3, "b": "sqrt"}, "default_in_regression": {"b": 1.0}}

    params = ModelParams.model_validate(block)

    assert params.first({}, "classification") == {"a": 3, "b": "sqrt"}
    assert params.first({}, "regression") == {"a": 3, "b": 1.0}
    narrower = block | {"space": {"a": {"low": 1, "high": 9}, "b": {"choices": ["sqrt"]}}}
    found = ModelParams.model_validate(narrower).first({}, "regression")
    assert found == {"a": 3, "b": "sqrt"}
    with pytest.raises(ValueError, match=r"default_in_regression names \['c'\]"):
        ModelParams.model_validate(block | {"default_in_regression": {"c": 1}})


def test_a_portfolio_follows_the_default_as_far_as_the_space_has_it() -> None:
    block = {
        "fixed": {"b": 2},
        "space": {"a": {"low": 1, "high": 9}},
        "default": {"a": 3},
        "portfolio": [{"a": 5}, {"a": 30}, {"a": 3}, {"a": 7, "b": 2}, {"a": 8, "b": 1}],
    }

    assert ModelParams.model_validate(block).begin({}, "classification") == [
        {"a": 3},
        {"a": 5},
        {"a": 7},
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"a": 1.5}, "portfolio.0.a must be a whole number"),
        ({"a": 1, "c": 1}, r"portfolio.0 names \['c'\]"),
        ({"b": 2}, r"portfolio.0 lacks \['a'\]"),
        ({}, r"portfolio.0 lacks \['a'\]"),
    ],
)
def test_a_faulty_portfolio_is_refused(entry: dict[str, float], message: str) -> None:
    block = {"fixed": {"b": 2}, "space": {"a": {"low": 1, "high": 9}}, "portfolio": [entry]}

    with pytest.raises(ValueError, match=message):
        ModelParams.model_validate(block)
