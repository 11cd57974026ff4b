from __future__ import annotations

import json

import polars as pl
from contests import make_application, make_profile, rank

from rightfit.ranking.explanation.why_not import tabulate_why_not

VOTES = json.dumps(
    {
        "web_api": {
            "rule": "expected_gain",
            "metric": "utility",
            "amount": 0.1,
            "text": "0.5 at best is below 0.6 needed to win",
        },
        "edge_device": {
            "rule": "certain_violation",
            "metric": "model_size_mib",
            "amount": 4.0,
            "text": "20 at best misses the limit of 16",
        },
    }
)
TRIALS = pl.DataFrame(
    {
        "number": [0, 1, 2, 3],
        "votes": [None, VOTES, None, None],
        "state": ["complete", "stopped", "failed", "stopped"],
        "stop_checkpoint": [None, 3, None, 0],
        "stop_reason": [
            None,
            "expected_gain: web_api: 0.5 at best is below 0.6 needed to win; edge_device: …",
            "failed: ValueError: no rows",
            None,
        ],
    }
)


def test_why_not_gives_a_reason_for_candidates_and_unfinished_trials() -> None:
    ranked = rank(
        make_profile("net-0", quality=0.9, latency_p50_ms=1),
        make_profile("net-9", quality=0.9, latency_p50_ms=90),
        application=make_application(constraints={"latency_p50_ms": {"max": 80}}),
    )

    table = tabulate_why_not([ranked], {("landsat", "net"): TRIALS})

    assert table.select("application", "candidate", "rank", "outcome").rows() == [
        ("test", "net-0", 1, "winner"),
        ("test", "net-9", 2, "violates"),
        ("web_api", "net-001", None, "stopped"),
        ("edge_device", "net-001", None, "stopped"),
        (None, "net-002", None, "failed"),
        (None, "net-003", None, "stopped"),
    ]
    assert table["reason"].to_list()[1:] == [
        "breaks a limit: latency p50 is 90 ms, 10 ms above the 80 ms allowed",
        "stopped at checkpoint 3: expected gain: 0.5 at best is below 0.6 needed to win",
        "stopped at checkpoint 3: certain violation: 20 at best misses the limit of 16",
        "failed: ValueError: no rows",
        "stopped before training",
    ]
    assert table["excess"][1] == 10
