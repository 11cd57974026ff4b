from __future__ import annotations

import optuna
import pytest
from factories import cells

from rightfit._core.errors import RightfitError
from rightfit_search.searching.samplers import give_parameters, grid_points, make_sampler
from rightfit_search.searching.space import Space

pytestmark = pytest.mark.whole

SPACE = Space.model_validate(
    {
        "x": {"type": "float", "low": 0.0, "high": 1.0, "log": False},
        "kind": {"type": "categorical", "choices": ["a", "b"]},
    }
)


def sample_value(name: str, *, seed: int, index: int) -> float:
    settings = cells.make_settings(sampler=name, seed=seed, n_startup_trials=5)
    sampler = make_sampler(settings, index)
    study = optuna.create_study(sampler=sampler)
    return study.ask().suggest_float("x", 0.0, 1.0)


@pytest.mark.parametrize("name", ["random", "tpe", "optuna.samplers.QMCSampler"])
def test_draw_depends_on_seed_and_place_alone(name: str) -> None:
    values = [sample_value(name, seed=7, index=index) for index in (0, 1, 2, 0)]

    assert values[0] == values[3]
    assert len(set(values)) == 3
    assert sample_value(name, seed=8, index=0) != values[0]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("optuna.samplers.GridSampler", "can't be made from a seed alone"),
        ("optuna.samplers.NoSampler", "has no 'NoSampler'"),
        ("fractions.Fraction", "is no sampler of Optuna"),
    ],
)
def test_what_is_no_sampler_is_refused(path: str, message: str) -> None:
    with pytest.raises(RightfitError, match=message):
        make_sampler(cells.make_settings(sampler=path), 0)


def test_grid_holds_each_point_once_in_an_order_of_its_seed() -> None:
    settings = cells.make_settings(n_grid_points=3, seed=1)
    points = grid_points(SPACE, settings)

    assert len(points) == 6
    assert sorted(points, key=repr) == sorted(
        ({"x": x, "kind": kind} for x in (0.0, 0.5, 1.0) for kind in ("a", "b")), key=repr
    )
    assert grid_points(SPACE, settings) == points
    assert grid_points(SPACE, cells.make_settings(n_grid_points=3, seed=2)) != points


def test_given_parameters_are_tried_without_a_queue() -> None:
    study = optuna.create_study(sampler=give_parameters({"x": 0.25, "kind": "b"}))

    trial = study.ask()

    assert {name: item.suggest(trial, name) for name, item in SPACE.items()} == {
        "x": 0.25,
        "kind": "b",
    }
    assert len(study.trials) == 1
