from __future__ import annotations

import polars as pl
from factories.rankings import make_application, make_profile, rank

from rightfit.ranking.explanation.reasons import tabulate_rejections

TRIALS = pl.DataFrame(
    {
        "number": [0, 1, 2, 3],
        "stopped_by": [None, "web_api", None, None],
        "state": ["complete", "stopped", "failed", "stopped"],
        "stop_checkpoint": [None, 3, None, 0],
        "stop_reason": [
            None,
            "pausing: after look 3 web_api expected to gain 0.001",
            "failed: ValueError: no rows",
            None,
        ],
    }
)


def test_rejections_give_a_reason_for_candidates_and_unfinished_trials() -> None:
    ranked = rank(
        make_profile("net-0", quality=0.9, latency_p50_ms=1),
        make_profile("net-9", quality=0.9, latency_p50_ms=90),
        application=make_application(constraints={"latency_p50_ms": {"max": 80}}),
    )

    table = tabulate_rejections([ranked], {("landsat", "net"): TRIALS})

    assert table.select("application", "candidate", "rank", "outcome").rows() == [
        ("test", "net-0", 1, "winner"),
        ("test", "net-9", 2, "violates"),
        ("web_api", "net-001", None, "stopped"),
        (None, "net-002", None, "failed"),
        (None, "net-003", None, "stopped"),
    ]
    assert table["reason"].to_list()[1:] == [
        "breaks a limit: latency p50 is 90 ms, 10 ms above the 80 ms allowed",
        "stopped at checkpoint 3: after look 3 web_api expected to gain 0.001",
        "failed: ValueError: no rows",
        "stopped before training",
    ]
    assert table["excess"][1] == 10
