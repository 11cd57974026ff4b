"""A sample of ``make attack``, and what lets it cover parameters that are yet to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import combination_cases
import parameter_cases
import pytest
from annotated_types import Ge, Gt, Le, Lt
from attack import STAGES, read_parameters
from pydantic import BaseModel, RootModel

from rightfit._core.strict_model import StrictModel
from rightfit_kedro.grid import GridParams
from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.validation import (
    NAMED_BLOCKS,
    WHOLE_BLOCKS,
    Machine,
    find_block_faults,
    find_model_faults,
)

pytestmark = [pytest.mark.whole, pytest.mark.long]

MACHINE = Machine(n_cores=2, devices=("cpu",))
KINDS = (WHOLE_BLOCKS, NAMED_BLOCKS)
ROOTS = (GridParams, *(model for kind in KINDS for model in kind.values()))


@pytest.fixture(scope="module")
def parameters(bootstrapped: Path) -> dict[str, Any]:
    return read_parameters("full")


def list_faults(parameters: dict[str, Any]) -> list[str]:
    completed = complete_parameters(parameters)
    faults = find_block_faults(completed, stages=STAGES, machine=MACHINE)
    return [*faults, *find_model_faults(completed, STAGES)]


def list_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from list_models(field.annotation)
    for argument in get_args(annotation):
        yield from list_models(argument)


MODELS = list(dict.fromkeys(model for root in ROOTS for model in list_models(root)))


def test_shipped_parameters_are_right(parameters: dict[str, Any]) -> None:
    assert list_faults(parameters) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_number_has_both_bounds(model: type[BaseModel]) -> None:
    unbounded = []
    for name, field in model.model_fields.items():
        options = set(parameter_cases._list_options(field.annotation))
        takes_word = any(get_origin(option) is Literal for option in options)
        if not options & {int, float} or str in options or takes_word:
            continue  # a number or a word is checked by a function
        kinds = {
            type(b) for b in (*field.metadata, *parameter_cases._list_metadata(field.annotation))
        }
        own = [type(bound) for bound in field.metadata]
        assert len(own) == len(set(own)), f"{name} has bounds twice; pydantic keeps one of them"
        if not kinds & {Ge, Gt} or not kinds & {Le, Lt}:
            unbounded.append(name)

    assert unbounded == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_parameter_model_is_strict(model: type[BaseModel]) -> None:
    assert issubclass(model, StrictModel | RootModel)
    assert issubclass(model, RootModel) or model.model_config["extra"] == "forbid"


@pytest.mark.parametrize("name", list(combination_cases.CASES)[::5])  # make attack: all
def test_wrong_combination_is_refused(name: str, parameters: dict[str, Any]) -> None:
    changes: Mapping[str, Any] = combination_cases.CASES[name]

    faults = list_faults(combination_cases.apply(parameters, changes))

    assert faults != []
    assert "parameters_" in "\n".join(faults)


def test_sample_of_all_bad_values_is_refused(parameters: dict[str, Any]) -> None:
    cases = list(parameter_cases.list_cases(parameters))

    accepted = [str(case) for case in cases[::300] if not list_faults(case.apply(parameters))]

    assert len(cases) > 5_000
    assert accepted == []


def test_all_blocks_are_named_at_once(parameters: dict[str, Any]) -> None:
    wrong = {
        "grid.datasets": ["landsat", "landsat"],
        "datasets.landsat.seed": -1,
        "models.net.fixed": 5,
        "applications.web_api.scenario": "dream",
        "evaluation.preset": "quik",
        "ranking.n_draws": 10**15,
        "training.n_trials": 0,
    }

    text = "\n".join(list_faults(combination_cases.apply(parameters, wrong)))

    assert [block for block in wrong if f"\n{block}" not in f"\n{text}"] == []
