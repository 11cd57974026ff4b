"""A candidate's place is explained from the last ranking's rejections."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from factories.studies import VERSION, Study

from rightfit._core.typed_tables import write_rows
from rightfit.ranking.explanation.reasons import Rejection

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]
PLACE: dict[str, Any] = {"dataset": "landsat", "model": "linear", "candidate": "linear-000"}
ROWS = [
    Rejection(
        **PLACE, application="web_api", rank=2, outcome="violates", metric=None, reason="too slow"
    ),
    Rejection(
        **PLACE, application="archive", rank=1, outcome="winner", metric=None, reason="it wins"
    ),
    Rejection(
        **PLACE | {"candidate": "linear-001"},
        application="web_api",
        rank=1,
        outcome="winner",
        metric=None,
        reason="it wins",
    ),
    Rejection(
        **PLACE | {"candidate": "linear-003"},
        application=None,
        outcome="failed",
        metric=None,
        reason="failed at checkpoint 1",
    ),
]


@pytest.fixture
def ask_ranked(ask: Ask, study: Study, open_catalog: Callable[[Path, str], Any]) -> Ask:
    open_catalog(study.root, VERSION).save("rejections", write_rows(ROWS, Rejection))
    return ask


def test_each_application_says_why(ask_ranked: Ask) -> None:
    assert ask_ranked("explain", "linear-000").output.splitlines() == [
        "web_api on landsat, 2 of 2: too slow",
        "archive on landsat, 1 of 1: it wins",
    ]


def test_one_application_is_chosen(ask_ranked: Ask) -> None:
    (row,) = json.loads(ask_ranked("explain", "linear-000", "-a", "archive", "--json").stdout)

    assert (row["outcome"], row["rank"], row["n_ranked"]) == ("winner", 1, 1)


def test_trial_that_no_application_stopped_counts_for_all(ask_ranked: Ask) -> None:
    printed = ask_ranked("explain", "linear-003", "--application", "web_api").output

    assert printed == "every application on landsat: failed at checkpoint 1\n"


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["linaer-000"], "did you mean 'linear-000'?"),
        (["linear-000", "-a", "web_ap"], "did you mean 'web_api'?"),
        (["linear-000", "-d", "landsta"], "did you mean 'landsat'?"),
    ],
)
def test_unknown_name_gets_the_nearest(ask_ranked: Ask, arguments: list[str], nearest: str) -> None:
    result = ask_ranked("explain", *arguments)

    assert result.exit_code == 1
    assert nearest in result.output


def test_nothing_is_explained_before_a_ranking(ask: Ask) -> None:
    assert "No run has written rejections" in ask("explain", "linear-000").output
