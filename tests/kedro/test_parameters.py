from __future__ import annotations

import pytest

from rightfit.params.defaults import read_default
from rightfit_kedro.grid import read_grid
from rightfit_kedro.parameters import complete_parameters
from rightfit_search.searching.training_params import SEARCH


def test_project_without_values_gets_those_of_the_library() -> None:
    completed = complete_parameters({"grid": {}, "learning_rate": 3})

    assert completed["training"] == read_default("training", SEARCH)
    assert completed["learning_rate"] == 3


def test_value_of_the_project_wins_and_leaves_the_others() -> None:
    completed = complete_parameters({"training": {"n_trials": 2, "pausing": {"min_gain": 1}}})

    default = read_default("training", SEARCH)
    assert completed["training"] == default | {
        "n_trials": 2,
        "pausing": default["pausing"] | {"min_gain": 1},
    }


def test_model_that_names_its_family_stands_alone() -> None:
    own = {"family": "my_study.svm", "fixed": {}, "space": {}}

    completed = complete_parameters({"models": {"forest": own}})

    assert completed["models"]["forest"] == own
    assert completed["models"]["net"] == read_default("models", SEARCH)["net"]


def test_model_without_a_family_changes_the_one_of_the_library() -> None:
    own = {"space": {"n_estimators": {"high": 12}}}

    forest = complete_parameters({"models": {"forest": own}})["models"]["forest"]

    assert forest["family"] == "forest"
    assert forest["space"]["n_estimators"] == {"type": "int", "low": 32, "high": 12, "log": True}
    assert "max_depth" in forest["space"]


def test_models_of_the_library_are_for_every_dataset_of_a_project() -> None:
    own = {
        "grid": {"datasets": ["letters"], "models": ["svm"]},
        "datasets": {"letters": {"tables": ["letters"]}},
    }

    grid = read_grid(complete_parameters(own))
    listed = read_grid(complete_parameters(own | {"models": {"svm": {"datasets": ["letters"]}}}))

    assert list(grid.cells()) == list(listed.cells()) == [("letters", "svm")]


def test_rate_of_an_application_is_that_of_every_preset_and_switches_load_tests_on() -> None:
    applications = {"web": {"rate_per_s": 100}, "night": {}}

    presets = complete_parameters({"applications": applications})["evaluation"]["presets"]

    usual = read_default("evaluation")["presets"]
    # half of the usual 200 requests/s: as many requests take twice as long
    assert presets["quick"]["server"] == usual["standard"]["server"] | {
        "rate_per_s": 100,
        "max_s": 3.6,
    }
    assert presets["publish"]["server"] == usual["publish"]["server"] | {
        "rate_per_s": 100,
        "max_s": 30,
    }
    assert presets["quick"]["max_s"] == usual["quick"]["max_s"]


def test_higher_rate_takes_no_less_time() -> None:
    completed = complete_parameters({"applications": {"web": {"rate_per_s": 1000}}})

    server = completed["evaluation"]["presets"]["standard"]["server"]
    assert (server["rate_per_s"], server["max_s"]) == (1000, 1.8)


@pytest.mark.parametrize(
    "applications",
    [{}, {"web": {}}, {"web": {"rate_per_s": 100}, "app": {"rate_per_s": 300}}, {"web": 3}, None],
)
def test_without_one_rate_the_presets_keep_theirs(applications: object) -> None:
    completed = complete_parameters({"applications": applications})

    assert completed["evaluation"] == read_default("evaluation")
