"""What the winners bear behind a server."""

from __future__ import annotations

from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.requests import build_loads


def test_section_lists_what_one_server_bears(results: Results) -> None:
    section = build_loads(results)

    assert "1 decision of 12 had the winner served over HTTP" in section.sentences[0]
    winners, steps = section.tables
    assert winners.rows[0][3:7] == (
        *("a p99 of 5 ms", "900 requests/s", "600 requests/s", "1,000 requests/s"),
    )
    assert steps.rows[0] == (
        *("60", "0.6 (0.54 to 0.72)", "0.7 (0.63 to 0.84)", "\N{EN DASH}"),
        *("0.06", "0 of 1,000", "yes"),
    )
    assert steps.rows[-1][-2:] == ("30 of 1,000", "no")
