from __future__ import annotations

from typing import Any

import pytest
from factories.data_cards import make_data_card
from factories.studies import LATER, VERSION, Study, make_measured

from rightfit_kedro.stored_answers import read_answers
from rightfit_kedro.stored_results import StoredResults
from rightfit_kedro.verbs.export import read_winning_model

pytestmark = pytest.mark.whole


def test_answer_holds_the_winner_with_its_profile_and_environment(results: StoredResults) -> None:
    (answer,) = read_answers(results, "web_api", "landsat")

    assert answer.decision.winner is not None
    assert answer.decision.winner.candidate == "linear-000"
    assert answer.profile is not None
    assert answer.profile.quality.low == 0.78
    assert [profile.serving.n_threads for profile in answer.profiles] == [1, 2]
    assert answer.origin.environment is not None
    assert answer.origin.environment.cpu == "Hand-made CPU"
    assert (answer.origin.ranked_in, answer.origin.newer_profiles) == (VERSION, None)


def test_answer_that_none_qualifies_for_is_about_the_nearest_miss(results: StoredResults) -> None:
    (answer,) = read_answers(results, "dreamer", None)

    assert answer.decision.winner is None
    assert answer.decision.subject is not None
    assert answer.decision.subject.candidate == "linear-000"


def test_profiles_and_models_of_a_later_run_are_not_mixed_in(
    results: StoredResults, study: Study, open_catalog: Any
) -> None:
    later = open_catalog(study.root, LATER)
    later.save("resource_profiles", make_measured(study.bundle, disturbed=True))
    later.save("landsat.linear.candidates", {})
    later.save("landsat.data_card", make_data_card(data_version="v2"))

    (answer,) = read_answers(results, "web_api", "landsat")
    model = read_winning_model(results, answer)

    assert answer.profile is not None
    assert not answer.profile.disturbed
    assert answer.origin.newer_profiles == LATER
    assert model.bundle.sha256 == study.bundle.sha256
    assert model.data_card.data_version == "v1"


@pytest.mark.parametrize(
    ("application", "dataset", "message"),
    [
        ("web_apu", None, r"no application 'web_apu'.*did you mean 'web_api'\?.*dreamer, web_api"),
        ("web_api", "flights", r"no dataset 'flights'.*ranked are landsat"),
    ],
)
def test_unknown_names_say_what_there_is(
    results: StoredResults, application: str, dataset: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_answers(results, application, dataset))
