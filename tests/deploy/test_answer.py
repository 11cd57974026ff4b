"""What an answer holds of a decision, for people and for programs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories.exports import choose

from rightfit.exporting.model_call import Model
from rightfit.ranking.explanation.answer import Answer, answer_to_json, profile_to_json
from rightfit.ranking.explanation.findings import find
from rightfit.ranking.figures import write_figure


@pytest.fixture
def answer(model: Model) -> Answer:
    return choose(model)


def test_profile_is_the_one_in_the_serving_configuration_that_decided(answer: Answer) -> None:
    winner = answer.decision.winner
    assert winner is not None

    profile = answer.profile

    assert len(answer.profiles) == 2
    assert profile is not None
    assert (profile.candidate, profile.serving) == (winner.candidate, winner.serving)
    assert replace(answer, profiles=answer.profiles[1:]).profile is None


def test_answer_of_a_decision_without_a_winner_has_the_profile_of_the_nearest_miss(
    model: Model,
) -> None:
    answer = choose(model, "dreamer")

    assert answer.decision.winner is None
    assert answer.profile is not None
    assert answer.profile.candidate == "linear-000"


def test_facts_begin_with_the_decision_and_end_with_their_origin(answer: Answer) -> None:
    kinds = [fact.kind for fact in answer.list_facts()]

    assert kinds[0] == "decision"
    assert kinds[-1] == "origin"


def test_findings_tell_of_load_lost_profiles_and_newer_ones_in_words_and_as_json(
    answer: Answer,
) -> None:
    origin = replace(answer.origin, newer_profiles="2026-01-09T00.00.00.000Z")
    broken = find("RF012", "web_api, landsat", "No rate tried meets it.")
    more = replace(answer, load_findings=(broken,), profiles=(), origin=origin)

    codes = [finding.code for finding in more.findings if finding not in answer.findings]
    document = answer_to_json(more)["findings"]

    assert codes == ["RF012", "RF017", "RF016"]
    assert [one["sentence"] for one in document] == [one.sentence for one in more.findings]  # type: ignore[attr-defined]
    assert document[-1]["address"].endswith("findings.html#rf016")  # type: ignore[index]
    facts = [fact.text for fact in more.list_facts() if fact.kind == "finding"]
    assert str(broken) in facts


def test_programs_get_the_figures_that_people_see(answer: Answer) -> None:
    winner, profile = answer.decision.winner, answer.profile
    assert winner is not None
    assert winner.quality is not None
    assert profile is not None

    document, stored = answer_to_json(answer), profile_to_json(profile)

    shown = f"accuracy {winner.quality.value:.3f}"
    assert shown in {fact.kind: fact.text for fact in answer.list_facts()}["quality"]
    assert document["winner"]["metrics"]["quality_raw"] == write_figure(winner.quality)  # type: ignore[index]
    assert document["mark"] == answer.decision.mark
    metrics = stored["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["quality_raw"] == write_figure(winner.quality)
    assert stored["quality_metric"] == winner.quality.name


def test_programs_are_told_from_which_rows_the_model_has_learnt_since(answer: Answer) -> None:
    later = replace(answer, learnt_since="all rows")

    assert answer_to_json(answer)["learnt_since"] is None
    assert answer_to_json(later)["learnt_since"] == "all rows"


def test_stored_profile_names_the_weights_that_were_measured(model: Model, answer: Answer) -> None:
    assert answer.profile is not None
    assert profile_to_json(answer.profile)["model_sha256"] == model.bundle.weights_sha256
