from __future__ import annotations

from factories.measurements import BATCH, make_round

from rightfit.measuring.rounds.block_timing import describe_cost


def test_cost_adds_up_to_the_whole_time() -> None:
    finished = make_round(
        latency={"wall_ms": 300.0},
        batches=[BATCH | {"wall_ms": 150.0}, BATCH | {"wall_ms": 50.0}],
        total_ms=700.0,
    )

    assert describe_cost([finished] * 2, total_s=2.0) == (
        "2 processes took 2.0 s: 1.0 s timing, 0.4 s opening, warming up and preparing, 0.6 s "
        "starting, waiting and judging"
    )
