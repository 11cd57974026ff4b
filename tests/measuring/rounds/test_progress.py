from __future__ import annotations

from factories.measurements import BATCH, make_round

from rightfit.measuring.rounds.block_timing import describe_cost


def test_cost_adds_up_to_the_whole_time() -> None:
    finished = make_round(
        latency={"wall_ms": 300.0},
        batches=[BATCH | {"wall_ms": 150.0}, BATCH | {"wall_ms": 50.0}],
        load={"wall_ms": 80.0},
        warm_up={"n_calls": 9, "ms": 20.0, "is_steady": True},
        total_ms=700.0,
        overhead_ns=80.0,
        percentiles_ns={"0.5": 10_000.0},
    )

    assert describe_cost([finished] * 2, total_s=2.0) == (
        "2 processes took 2.0 s: 1.0 s timing, 0.2 s opening and warming up, 0.2 s preparing and "
        "probing, 0.6 s starting, waiting and judging; timing adds 80 ns to a call (0.8 % of the "
        "median p50 of 0.01 ms)"
    )
