from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import (
    make_application,
    make_applications,
    make_profile,
    make_profiles,
    make_rules,
)

from rightfit.ranking.assessment.profile_table import check_columns, find_unmeasured, read_profiles


def test_table_puts_the_rows_of_a_candidate_side_by_side() -> None:
    table = read_profiles(
        make_profiles(
            make_profile("net-2", dataset="landsat"),
            make_profile("net-1", dataset="flights"),
            make_profile("net-1", dataset="landsat"),
            make_profile("net-2", dataset="landsat", runtime="native"),
        )
    )

    assert table.datasets == ("landsat", "flights")
    assert table.frame["candidate"].to_list() == ["net-1", "net-2", "net-2", "net-1"]
    assert table.starts.tolist() == [0, 1, 3]
    assert table.dataset_of_candidate.tolist() == [0, 0, 1]
    assert table.candidate_slices == (slice(0, 2), slice(2, 3))


def test_table_values_are_nan_where_null_or_nan() -> None:
    table = read_profiles(
        make_profiles(make_profile("a-1", quality=0.5), make_profile("a-2", quality=float("nan")))
    )

    assert table.values("quality")[0] == 0.5
    assert np.isnan(table.values("quality")[1])
    assert table.frame["quality"].null_count() == 1


def test_a_value_without_an_interval_has_the_widest_one_of_the_others() -> None:
    table = read_profiles(
        make_profiles(
            make_profile("a-1", quality=0.5, quality_low=0.4, quality_high=0.7),
            make_profile("a-2", quality=0.6),
        )
    )

    interval = table.interval("quality")

    assert interval is not None
    assert [end.tolist() for end in interval] == [
        [0.4, pytest.approx(0.48)],
        [0.7, pytest.approx(0.84)],
    ]
    assert table.interval("latency_p50_ms") is None


def test_best_quality_is_that_of_the_own_dataset() -> None:
    table = read_profiles(
        make_profiles(
            make_profile("a-1", quality=0.5, dataset="x"),
            make_profile("a-2", quality=None, dataset="x"),
            make_profile("a-3", quality=0.9, dataset="y"),
        )
    )

    assert table.best_by_dataset("quality").tolist() == [0.5, 0.5, 0.9]


def test_table_refuses_no_profiles_and_missing_keys() -> None:
    profiles = make_profiles(make_profile("a-1"))

    with pytest.raises(ValueError, match="holds 0 rows"):
        read_profiles(profiles.clear())
    with pytest.raises(ValueError, match=r"lacks the columns \['runtime'\]"):
        read_profiles(profiles.drop("runtime"))


def test_check_names_all_columns_that_do_not_exist() -> None:
    table = read_profiles(make_profiles(make_profile("a-1", quality=0.5)))
    applications = make_applications(
        web_api=make_application(constraints={"qualty": {"min": 1}}),
    )
    rules = make_rules(
        ties={
            "rule": [{"by": "price", "prefer": "lower"}],
            "rule_by_application": {"gone": [{"by": "utility", "prefer": "higher"}]},
        }
    )

    with pytest.raises(ValueError, match="Correct the application or the tie rule") as caught:
        check_columns(table, applications, rules)

    message = str(caught.value)
    assert "applications.web_api: the metric 'qualty' is not in resource_profiles" in message
    assert "(did you mean 'quality'?)" in message
    assert "ranking.ties.rule: no such column 'price'" in message
    assert "no such application 'gone'" in message


def test_tie_key_that_was_not_measured_decides_nothing() -> None:
    table = read_profiles(make_profiles(make_profile("a-1")).drop("min_hardware_tier"))
    rules = make_rules(ties={"rule": [{"by": "min_hardware_tier", "prefer": "lower"}]})

    check_columns(table, make_applications(web_api=make_application()), rules)

    assert np.isnan(table.values("min_hardware_tier")).all()


def test_unmeasured_is_what_no_candidate_of_a_dataset_has() -> None:
    table = read_profiles(
        make_profiles(
            make_profile("a-1", dataset="x", quality=0.5, latency_p50_ms=1),
            make_profile("a-2", dataset="x"),
            make_profile("a-1", dataset="y", quality=0.5),
            make_profile("a-2", dataset="y", quality=0.5),
        )
    )

    assert find_unmeasured(table, make_application()) == {"y": ["latency_p50_ms"]}


def test_profiles_of_another_rate_are_refused_and_those_without_load_are_not() -> None:
    served = {"server": {"rate_per_s": 200.0}}
    profiles = make_profiles(
        make_profile("a-1", quality=0.5, latency_under_load_p99_ms=9.0, measured_how=served),
        make_profile("a-2", quality=0.5, measured_how={"server": None}),
    )
    asks = {"constraints": {"latency_under_load_p99_ms": {"max": 50}}}

    def check(rate_per_s: float | None) -> None:
        application = make_application(rate_per_s=rate_per_s, **asks)
        table = read_profiles(profiles)
        check_columns(table, make_applications(web_api=application), make_rules())

    check(200)
    check(None)
    with pytest.raises(
        ValueError, match="rate_per_s is 100, but the profiles were measured at 200"
    ):
        check(100)
