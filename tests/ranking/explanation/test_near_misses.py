from __future__ import annotations

from factories.rankings import make_application, make_profile, number_of, rank

from rightfit.ranking.explanation.recommendation import find_nearest_miss, find_relaxations

LIMITED = make_application(
    constraints={
        "latency_p50_ms": {"max": 20},
        "peak_memory_mib": {"max": 100},
        "quality": {"min": 0.8},
    }
)
ROWS = [
    # misses two limits by a little, misses one by a lot, lacks a measurement
    make_profile("a-1", quality=0.9, latency_p50_ms=21, peak_memory_mib=105),
    make_profile("a-2", quality=0.9, latency_p50_ms=30, peak_memory_mib=50),
    make_profile("a-3", quality=0.9, latency_p50_ms=10, peak_memory_mib=None),
]


def test_nearest_miss_breaks_the_limits_by_the_least_share() -> None:
    ranked = rank(*ROWS, application=LIMITED)

    assert find_nearest_miss(ranked, 0) == number_of(ranked.assessment, "a-1")


def test_relaxation_takes_the_fewest_limits() -> None:
    ranked = rank(*ROWS, application=LIMITED)

    found = find_relaxations(ranked.assessment, 0)

    assert found is not None
    (relaxation,) = found.limits
    assert found.candidate == "a-2"
    assert (relaxation.metric, relaxation.kind) == ("latency_p50_ms", "max")
    assert (relaxation.limit, relaxation.needed, relaxation.excess) == (20, 30, 10)


def test_relaxation_of_a_degradation_is_in_its_own_terms() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.75, latency_p50_ms=1),
        make_profile("a-2", quality=1.0, latency_p50_ms=100),
        application=make_application(
            constraints={"quality": {"max_degradation": 0.125}, "latency_p50_ms": {"max": 20}}
        ),
    )

    found = find_relaxations(ranked.assessment, 0)

    assert found is not None
    assert [(r.metric, r.limit, r.needed) for r in found.limits] == [("quality", 0.125, 0.25)]


def test_without_measurements_there_is_no_near_miss() -> None:
    ranked = rank(ROWS[2], application=LIMITED)

    assert find_nearest_miss(ranked, 0) is None
    assert find_relaxations(ranked.assessment, 0) is None
