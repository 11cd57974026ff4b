from __future__ import annotations

import pytest
from factories.rankings import make_rules
from pydantic import ValidationError

QUALITY_FIRST = [{"by": "utility", "prefer": "higher"}]


def test_tie_rule_of_an_application_replaces_the_general_one() -> None:
    ties = make_rules(ties={"rule_by_application": {"accuracy_first": QUALITY_FIRST}}).ties

    assert [key.by for key in ties.for_application("accuracy_first")] == ["utility"]
    assert [key.by for key in ties.for_application("web_api")] == ["min_hardware_tier", "utility"]


def test_rules_refuse_a_tie_key_named_twice() -> None:
    with pytest.raises(ValidationError, match=r"names a column twice in \['rule'\]"):
        make_rules(ties={"rule": [*QUALITY_FIRST, {"by": "utility", "prefer": "lower"}]})


def test_rules_refuse_too_few_weightings_for_one_point() -> None:
    with pytest.raises(ValidationError, match="n_weight_draws"):
        make_rules(n_weight_draws=9_603)
