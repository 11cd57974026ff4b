"""Is what is measured over HTTP right? ``make bench-serving``.

Holds our load generator against hey (Debian's package ``hey``), a public load tool, on a server of
known speed (a sleep of 5 ms), at three rates, in turns; and the capacity that a load curve finds
against the known one.

Ends with one line of JSON:

- ``http_p50_ratio``, ``http_p99_ratio``: our percentile / hey's, the median over rates and turns of
  the ratio that is farther from 1;
- ``http_errors_equal``: share of turns in which both count the same share of failed requests, of a
  server that fails every tenth, within one percent;
- ``saturation_ratio``: capacity found / known.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from rightfit.http_load.curve import measure_curve
from rightfit.http_load.generator import LoadOrder
from rightfit.http_load.load_records import LatencyLimit, LoadStep
from rightfit.http_load.served import Place, Served, start_server
from rightfit.http_load.step import measure_step, start_generator
from rightfit.profiling.measuring.lock import machine_lock

SLEEP_MS = 5.0
RATES = (50.0, 100.0, 200.0)
FAIL_EVERY = 10
N_CLIENTS = 10  # of hey, each with its share of the rate
BODY = '[{"x": 1}]'


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey is needed: apt-get install hey")
    with machine_lock():
        ratios = compare_latencies(options.seconds, options.turns)
        equal = compare_errors(options.seconds, options.turns)
        saturation = find_capacity(min(options.seconds, 3.0)) / (1000 / SLEEP_MS)
    figures = {
        "http_p50_ratio": _farthest(ratios[0.5]),
        "http_p99_ratio": _farthest(ratios[0.99]),
        "http_errors_equal": equal,
        "saturation_ratio": saturation,
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def compare_latencies(seconds: float, n_turns: int) -> dict[float, list[list[float]]]:
    """Return our percentile / hey's, by percentile, rate and turn."""
    found: dict[float, list[list[float]]] = {0.5: [], 0.99: []}
    with known_server() as (served, order), start_generator() as generator:
        for rate in RATES:
            turns: dict[float, list[float]] = {0.5: [], 0.99: []}
            for _ in range(n_turns):
                ours = measure_step(
                    served, replace(order, level=rate, measured_s=seconds), generator
                )
                theirs_ms, _ = ask_hey(order, rate, seconds)
                for share, ratios in turns.items():
                    mine = ours.latency_ms[share]
                    if mine is not None:
                        ratios.append(mine.value / float(np.quantile(theirs_ms, share)))
                print(f"{rate:g}/s: ours {_describe(ours)}; hey {_list(theirs_ms)}")
            for share, ratios in turns.items():
                if ratios:
                    found[share].append(ratios)
    return found


def compare_errors(seconds: float, n_turns: int) -> float:
    """Return how often both count the same share of failed requests."""
    hits = []
    failing = known_server(fail_every=FAIL_EVERY)
    with failing as (served, order), start_generator() as generator:
        for _ in range(n_turns):
            ours = measure_step(
                served, replace(order, level=RATES[1], measured_s=seconds), generator
            )
            _, theirs = ask_hey(order, RATES[1], seconds)
            mine = sum(ours.errors.values()) / ours.n_requests
            print(f"failed: ours {mine:.4f}, hey {theirs:.4f}")
            hits.append(abs(mine - theirs) <= 0.01)
    return statistics.mean(hits)


def find_capacity(seconds: float) -> float:
    """Return the capacity that a load curve finds, in requests a second."""
    with known_server(n_at_a_time=1) as (served, order):
        curve = measure_curve(
            served, replace(order, measured_s=seconds), limit=LatencyLimit(0.99, 100)
        )
    print(f"capacity {curve.capacity_per_s:.1f}/s, highest rate {curve.highest_rate_per_s}")
    return curve.capacity_per_s


@contextmanager
def known_server(
    *, n_at_a_time: int = 100, fail_every: int = 0
) -> Iterator[tuple[Served, LoadOrder]]:
    """Start a server of known speed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program = str(Path(__file__).with_name("sleeping_server.py"))
    words = (port, SLEEP_MS, n_at_a_time, fail_every)
    with start_server([sys.executable, program, *map(str, words)], port, place=Place()) as served:
        yield (
            served,
            LoadOrder(
                host="127.0.0.1",
                port=port,
                path="/predict",
                content_type="application/json",
                bodies=(BODY,),
                loop="open",
                level=RATES[0],
                is_poisson=False,
                warm_up_s=1.0,
                measured_s=1.0,
                timeout_s=10.0,
                seed=0,
                core=None,
            ),
        )


def ask_hey(order: LoadOrder, rate: float, seconds: float) -> tuple[list[float], float]:
    """Return the latencies that hey sees, in ms, and the share of requests that failed."""
    finished = subprocess.run(  # noqa: S603 - words of our own
        [
            *("hey", "-z", f"{seconds + order.warm_up_s:g}s", "-c", str(N_CLIENTS)),
            *("-q", f"{rate / N_CLIENTS:g}", "-m", "POST", "-T", "application/json"),
            *("-d", BODY, "-o", "csv", f"http://{order.host}:{order.port}{order.path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [
        row
        for row in csv.DictReader(finished.stdout.splitlines())
        if float(row["offset"]) >= order.warm_up_s
    ]
    answered = [float(row["response-time"]) * 1e3 for row in rows if row["status-code"] == "200"]
    return answered, 1 - len(answered) / max(len(rows), 1)


def _farthest(by_rate: list[list[float]]) -> float:
    """Return the rate's median ratio that is farthest from 1."""
    medians = [statistics.median(ratios) for ratios in by_rate]
    return max(medians, key=lambda ratio: abs(np.log(ratio)), default=float("nan"))


def _describe(step: LoadStep) -> str:
    found = (step.latency_ms[share] for share in (0.5, 0.99))
    return " / ".join("-" if one is None else f"{one.value:.2f}" for one in found) + " ms"


def _list(latencies_ms: list[float]) -> str:
    return " / ".join(f"{np.quantile(latencies_ms, share):.2f}" for share in (0.5, 0.99)) + " ms"


if __name__ == "__main__":
    main()
