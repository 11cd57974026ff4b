"""A fleet: each kind of machine by its own figures, one model for all, the cheapest kind."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from factories.rankings import make_profile, make_profiles

import rightfit as rf
from rightfit.params.defaults import read_default
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.explanation.decisions import Fleet

APPLICATION = {
    "objectives": {
        "quality": {"weight": 1, "worst": 0.0, "best": 1.0},
        "latency_p50_ms": {"weight": 1, "worst": 100.0, "best": 0.0},
    }
}
RULES = RankingRules.model_validate(read_default("ranking"))
PRICES = {"this_machine": {"price_per_hour": 0.36}, "board": {"price_per_hour": 0.1}}


def make_fleet(**environments: Any) -> tuple[pl.DataFrame, RankingRules]:
    """The forest is better here, and too slow for the board."""
    here = {"forest-1": (0.9, 10.0), "linear-1": (0.8, 5.0)}
    board = {"forest-1": (0.9, 95.0), "linear-1": (0.8, 15.0)}
    rows = [
        make_profile(
            name,
            dataset="data",
            device=device,
            quality=quality,
            latency_p50_ms=p50_ms,
            throughput_rows_per_s=1_000.0,
        )
        for device, figures in (("cpu", here), ("cpu@board", board))
        for name, (quality, p50_ms) in figures.items()
    ]
    rules = RULES.model_copy(
        update={
            "environments": RankingRules.model_validate(
                RULES.model_dump() | {"environments": environments}
            ).environments
        }
    )
    return make_profiles(*rows), rules


def fleet_of(application: dict[str, Any], **environments: Any) -> Fleet | None:
    profiles, rules = make_fleet(**environments)
    return rf.rank(profiles, {"web": application}, rules=rules).decision().fleet


def test_each_kind_has_its_winner_and_one_for_all_has_its_cost() -> None:
    fleet = fleet_of(APPLICATION)

    assert fleet is not None
    winners = {member.kind: member.candidate for member in fleet.kinds}
    assert winners == {"this_machine": "forest-1", "board": "linear-1"}
    # utilities here .9, .875 and on the board .475, .825: means .6875 and .85 against .8625
    assert fleet.one_for_all == "linear-1"
    assert fleet.utility_cost == pytest.approx(0.0125)
    assert fleet.cheapest is None


def test_limit_is_judged_by_each_kind_alone_and_prices_the_cheapest_that_meets_it() -> None:
    strict = APPLICATION | {"constraints": {"latency_p50_ms": {"max": 12}}}

    loose, tight = (fleet_of(application, **PRICES) for application in (APPLICATION, strict))

    assert loose is not None
    assert tight is not None
    assert (loose.cheapest, tight.cheapest) == ("board", "this_machine")
    assert tight.one_for_all is None
    (here,) = [member for member in tight.kinds if member.kind == "this_machine"]
    assert here.price_per_month == pytest.approx(0.36 * 730)
    assert here.price_per_1m == pytest.approx(0.36 / 3_600 / 1_000 * 1e6)


def test_kind_without_measurements_is_said_to_have_none() -> None:
    fleet = fleet_of(APPLICATION, laptop={})

    assert fleet is not None
    [laptop] = [str(member) for member in fleet.kinds if not member.is_measured]
    assert laptop.startswith("laptop: not measured")
    assert "remote import --name laptop" in laptop
    assert "all 2 kinds" in fleet.sentence


def test_dataset_that_a_kind_was_not_measured_on_is_said_to_be() -> None:
    profiles, rules = make_fleet()
    here = profiles.filter(device="cpu").with_columns(dataset=pl.lit("other"))
    fleet = rf.rank(pl.concat([profiles, here]), {"web": APPLICATION}, rules=rules)

    other = fleet.decision(dataset="other").fleet
    assert other is not None
    assert [member.is_measured for member in other.kinds] == [True, False]


def test_one_measured_kind_is_no_choice_for_all() -> None:
    profiles, rules = make_fleet(laptop={})
    alone = profiles.filter(device="cpu")
    fleet = rf.rank(alone, {"web": APPLICATION}, rules=rules).decision().fleet

    assert fleet is not None
    assert fleet.one_for_all is None
    assert fleet.sentence == "a single kind of machine was measured"


def test_there_is_no_fleet_of_one_kind_or_of_a_named_one() -> None:
    profiles, rules = make_fleet()
    alone = profiles.filter(device="cpu")

    assert rf.rank(alone, {"web": APPLICATION}, rules=rules).decision().fleet is None
    assert fleet_of(APPLICATION | {"environment": "board"}) is None
