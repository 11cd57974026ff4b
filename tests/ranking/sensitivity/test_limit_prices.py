from __future__ import annotations

from contests import make_application, make_profile, rank

from rightfit.ranking.sensitivity.limit_prices import LimitPrice, tabulate_limit_prices
from rightfit.typed_tables import read_rows


def test_price_is_what_would_win_without_the_limit() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=21),
        make_profile("a-2", quality=0.5, latency_p50_ms=19),
        application=make_application(
            constraints={"latency_p50_ms": {"max": 20}, "n_threads": {"max": 1}}
        ),
    )

    latency, threads, together = read_rows(tabulate_limit_prices([ranked]), LimitPrice)

    assert (latency.metric, latency.kind, latency.limit) == ("latency_p50_ms", "max", 20)
    assert latency.winner is not None
    assert latency.winner.startswith("a-2 (")
    assert latency.winner_without is not None
    assert latency.winner_without.startswith("a-1 (")
    assert (latency.value, latency.value_without, latency.decides) == (19, 21, True)
    assert (threads.winner_without, threads.decides) == (threads.winner, False)
    assert (together.metric, together.decides) == (None, True)


def test_only_the_limit_that_none_meets_is_taken_away() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, latency_p50_ms=21),
        application=make_application(
            constraints={"latency_p50_ms": {"min": 1, "max": 20}},
        ),
    )

    least, most, _ = read_rows(tabulate_limit_prices([ranked]), LimitPrice)

    assert (least.kind, least.winner, least.winner_without) == ("min", None, None)
    assert (most.kind, most.winner, most.decides) == ("max", None, True)
    assert most.winner_without is not None


def test_application_without_limits_has_no_price() -> None:
    ranked = rank(make_profile("a-1", quality=0.9), application=make_application())

    assert tabulate_limit_prices([ranked]).is_empty()
