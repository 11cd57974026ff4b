from __future__ import annotations

import pytest
from factories.rankings import make_application, make_rules
from pydantic import ValidationError

QUALITY_FIRST = [{"by": "utility", "prefer": "higher"}]


def test_tie_rule_of_an_application_replaces_the_general_one() -> None:
    ties = make_rules(ties={"rule_by_application": {"archive": QUALITY_FIRST}}).ties
    application = make_application()

    found = {name: ties.for_application(name, application) for name in ("archive", "web_api")}

    assert [key.by for key in found["archive"]] == ["utility"]
    assert [key.by for key in found["web_api"]] == ["min_hardware_tier", "utility"]


def test_nothing_comes_before_utility_where_quality_is_the_only_objective() -> None:
    ties = make_rules().ties
    application = make_application(objectives={"quality": {"weight": 1, "worst": 0.0, "best": 1.0}})

    rule = ties.for_application("best", application)

    assert [key.by for key in rule] == ["utility", "min_hardware_tier"]


def test_rules_refuse_a_tie_key_named_twice() -> None:
    with pytest.raises(ValidationError, match=r"names a column twice in \['rule'\]"):
        make_rules(ties={"rule": [*QUALITY_FIRST, {"by": "utility", "prefer": "lower"}]})


def test_rules_refuse_too_few_weightings_for_one_point() -> None:
    with pytest.raises(ValidationError, match="n_weight_draws"):
        make_rules(n_weight_draws=9_603)
