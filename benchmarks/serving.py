"""Is what is measured over HTTP right? ``make bench-serving``.

Holds our load generator against hey (Debian's package ``hey``), a public load tool, on a server of
known speed (a sleep of 5 ms), at three rates, in turns; and the capacity that a load curve finds
against the known one. Exports a small model, loads it, sizes a deployment for it and tries that for
a minute. Last, what ``make bench-check`` does. A quiet machine takes about ten minutes;
``--seconds 2 --turns 1 --try-seconds 5 --preset quick --checks 2`` only tries the benchmark itself.

Ends with one line of JSON:

- ``http_p50_ratio``, ``http_p99_ratio``: our percentile / hey's, the median over rates and turns of
  the ratio that is farther from 1;
- ``http_errors_equal``: share of turns in which both count the same share of failed requests, of a
  server that fails every tenth, within one percent;
- ``saturation_ratio``: capacity found / known;
- ``size_holds``: whether ``rightfit size --try`` has a YAML to propose: a server under exactly its
  limits holds its share of the rate, no request lost and the p99 within its limit;
- ``check_detects``, ``check_false_alarms``: see ``winner_check.py``.
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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from exports import choose, make_model
from stored import make_raw
from winner_check import compare_turns

from rightfit.http_load.curve import measure_curve
from rightfit.http_load.export import load_export, split_cores
from rightfit.http_load.generator import LoadOrder
from rightfit.http_load.load_records import LatencyLimit, LoadStep
from rightfit.http_load.served import Place, Served, start_server
from rightfit.http_load.step import measure_step, start_generator
from rightfit.http_load.text import describe_curve
from rightfit.http_load.trial import TrialResult, try_deployment
from rightfit.http_load.winners import write_bodies
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.serving.export import export_model
from rightfit.serving.sizing import Raised, size_deployment
from rightfit.verbs.costs.sizing import read_figures, settle_size

SLEEP_MS = 5.0
RATES = (100.0, 200.0, 300.0)  # in eight seconds each holds the requests that a p99 needs
FAIL_EVERY = 10
N_CLIENTS = 10  # of hey, each with its share of the rate
BODY = '[{"x": 1}]'
LIMIT_MS = 50.0  # of the p99 of the sized model
HEADROOM_PCT = 30.0  # the default of rightfit size


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=8, help="of each load")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--try-seconds", type=float, default=60, help="of trying the deployment")
    parser.add_argument("--preset", default="standard", help="of measuring for the check")
    parser.add_argument("--checks", type=int, default=10, help="of either model")
    options = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey is needed: apt-get install hey")
    with machine_lock():
        ratios = compare_latencies(options.seconds, options.turns)
        equal = compare_errors(options.seconds, options.turns)
        saturation = find_capacity(min(options.seconds, 2.0)) / (1000 / SLEEP_MS)
    holds = try_size(min(options.seconds, 2.0), options.try_seconds)
    checks = compare_turns(options.preset, options.checks)
    figures: dict[str, float] = {
        "http_p50_ratio": _farthest(ratios[0.5]),
        "http_p99_ratio": _farthest(ratios[0.99]),
        "http_errors_equal": equal,
        "saturation_ratio": saturation,
    }
    rounded = {  # a percentile without enough requests is null
        name: None if np.isnan(value) else round(value, 4) for name, value in figures.items()
    }
    print(json.dumps({**rounded, "size_holds": holds, **checks}))


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


def try_size(seconds: float, try_seconds: float) -> bool:
    """Size a deployment of a small model from its load curve, and try it.

    Args:
        seconds: Of each load of the curve.
        try_seconds: Of the trial.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name) / "out", Path(name) / "rows.json"
        model = make_model(Path(name) / "model")
        answer = choose(model)
        export_model(answer, model, folder)
        bodies = write_bodies(make_raw().head(100), model.encoder)
        rows.write_text(json.dumps([row for body in bodies for row in json.loads(body)]))
        curve = load_export(
            folder,
            rows=rows,
            batch=1,
            limit_ms=LIMIT_MS,
            seconds=seconds,
            cores=None,
            memory_mib=None,
        )
        print("\n".join(describe_curve(curve)))
        figures = read_figures(curve)
        rate = 2 * figures.highest_rate_per_s  # of several replicas

        def write(raised: Raised) -> str:
            return size_deployment(
                answer,
                "server",
                rate_per_s=rate,
                headroom_pct=HEADROOM_PCT,
                served=figures,
                raised=raised,
            )

        def attempt(text: str) -> TrialResult:
            print(text)
            limit = LatencyLimit(0.99, LIMIT_MS)
            return try_deployment(
                text, folder, bodies, rate_per_s=rate, limit=limit, seconds=try_seconds
            )

        try:
            settle_size(write, attempt, n_cores=len(split_cores()[1]), say=print)
        except ValueError as err:
            print(err)
            return False
    return True


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
