from __future__ import annotations

from typing import Any

import pytest
from stored import LATER, VERSION, Study, make_measured

from rightfit.verbs.choices import read_choices, read_model
from rightfit.verbs.stored import StoredResults


def test_choice_holds_the_winner_with_its_profile_and_environment(results: StoredResults) -> None:
    (choice,) = read_choices(results, "web_api", "landsat")

    assert choice.decision["winner"]["candidate"] == "linear-000"
    assert choice.profile is not None
    assert choice.profile["quality_low"] == 0.78
    assert [row["n_threads"] for row in choice.profiles] == [1, 2]
    assert choice.origin.environment is not None
    assert choice.origin.environment["cpu"] == "Hand-made CPU"
    assert (choice.origin.ranked_in, choice.origin.newer_profiles) == (VERSION, None)


def test_choice_that_none_qualifies_for_is_about_the_nearest_miss(results: StoredResults) -> None:
    (choice,) = read_choices(results, "dreamer", None)

    assert choice.decision["winner"] is None
    assert choice.candidate is not None
    assert choice.candidate["candidate"] == "linear-000"


def test_profiles_and_models_of_a_later_run_are_not_mixed_in(
    results: StoredResults, study: Study, open_catalog: Any
) -> None:
    later = open_catalog(study.root, LATER)
    later.save("resource_profiles", make_measured(study.bundle, disturbed=True))
    later.save("landsat.linear.candidates", {})
    later.save("landsat.data_card", {"data_version": "v2"})

    (choice,) = read_choices(results, "web_api", "landsat")
    model = read_model(results, choice)

    assert choice.profile is not None
    assert not choice.profile["disturbed"]
    assert choice.origin.newer_profiles == LATER
    assert model.bundle.sha256 == study.bundle.sha256
    assert model.data_card["data_version"] == "v1"


@pytest.mark.parametrize(
    ("application", "dataset", "message"),
    [
        ("web_apu", None, r"no application 'web_apu'.*did you mean web_api\?.*dreamer, web_api"),
        ("web_api", "flights", r"no dataset 'flights'.*ranked are landsat"),
    ],
)
def test_unknown_names_say_what_there_is(
    results: StoredResults, application: str, dataset: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_choices(results, application, dataset))
