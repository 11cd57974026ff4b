"""Is what is measured over HTTP right? ``make bench-serving``.

Holds our load generator against h2load (Debian's package ``nghttp2-client``), a public load tool,
on a server of known speed (a sleep of 5 ms), at three rates, in turns; and the capacity that a load
curve finds against the known one. Exports a small model, loads it, sizes a deployment for it and
tries that for a minute. Last, what ``make bench-check`` does. A quiet machine takes about ten
minutes, ``--parts`` runs some of it; ``--seconds 2 --turns 1 --try-seconds 5 --preset quick
--checks 2`` only tries the benchmark itself.

Ends with one line of JSON:

- ``http_p50_ratio``, ``http_p99_ratio``: our percentile / h2load's, each over the requests of all
  turns, of the rate whose ratio is farthest from 1;
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
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from factories.exports import choose, make_model
from factories.studies import make_raw
from winner_check import compare_turns

from rightfit.http_load.curve import measure_curve, measure_step, start_generator
from rightfit.http_load.deployment_trial import TrialResult, try_deployment
from rightfit.http_load.generator import HOST, PATH, LoadOrder
from rightfit.http_load.load_records import LatencyLimit
from rightfit.http_load.loading import load_export, write_bodies
from rightfit.http_load.served import (
    RunningServer,
    ServerPlace,
    split_cores,
    start_server,
)
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.request_path.raw_inputs import list_inputs
from rightfit.serving.export_folder import export_model
from rightfit.serving.sizing import Raised, size_deployment
from rightfit.verbs.load import summarise_curve
from rightfit.verbs.size import read_served_figures, settle_size

FIGURES = (
    *("http_p50_ratio", "http_p99_ratio", "http_errors_equal", "saturation_ratio"),
    *("size_holds", "check_detects", "check_false_alarms"),
)
SLEEP_MS = 5.0
RATES = (200.0, 500.0, 1000.0)  # h2load begins its clients whole milliseconds apart
FAIL_EVERY = 10
N_CLIENTS = 10  # of the public tools, each with its share of the rate
BODY = '[{"x": 1}]'
LIMIT_MS = 50.0  # of the p99 of the sized model
HEADROOM_PCT = 30.0  # the default of rightfit size


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=6, help="of each load")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--try-seconds", type=float, default=60, help="of trying the deployment")
    parser.add_argument("--preset", default="standard", help="of measuring for the check")
    parser.add_argument("--checks", type=int, default=10, help="of either model")
    parser.add_argument(
        "--parts", default="load,size,check", help="those to run; the others are null"
    )
    options = parser.parse_args()
    parts = options.parts.split(",")
    if shutil.which("h2load") is None:
        sys.exit("h2load is needed: apt-get install nghttp2-client")
    figures: dict[str, float | bool | None] = dict.fromkeys(FIGURES)
    if "load" in parts:
        figures |= hold_against_public(options.seconds, options.turns)
    if "size" in parts:
        figures["size_holds"] = try_size(min(options.seconds, 2.0), options.try_seconds)
    if "check" in parts:
        figures |= compare_turns(options.preset, options.checks)
    print(json.dumps(figures))


def hold_against_public(seconds: float, n_turns: int) -> dict[str, float]:
    """Hold the load generator against a public one and a known capacity."""
    with machine_lock():
        ratios = compare_latencies(seconds, n_turns)
        equal = compare_errors(seconds, min(n_turns, 2))
        saturation = find_capacity(min(seconds, 2.0)) / (1000 / SLEEP_MS)
    found = (_farthest(ratios[0.5]), _farthest(ratios[0.99]), equal, saturation)
    return {name: round(value, 4) for name, value in zip(FIGURES, found, strict=False)}


def compare_latencies(seconds: float, n_turns: int) -> dict[float, list[float]]:
    """Return our percentile / h2load's, by percentile and rate, over the requests of all turns."""
    ratios: dict[float, list[float]] = {0.5: [], 0.99: []}
    with cores_awake(), known_server() as (_, order), start_generator() as ask_server:
        for rate in RATES:
            asked = replace(order, level=rate, measured_s=seconds)
            ours_ms: list[float] = []
            theirs_ms: list[float] = []
            for turn in range(n_turns):
                ours = [latency_ns / 1e6 for latency_ns in ask_server(asked).latencies_ns]
                said = [f"ours {_list(ours)} (server {_list(read_recorded(order))})"]
                theirs, _ = ask_h2load(order, rate, seconds)
                said.append(f"h2load {_list(theirs)} (server {_list(read_recorded(order))})")
                if turn == 0 and shutil.which("hey"):
                    hey = ask_hey(order, rate, seconds)
                    said.append(f"hey {_list(hey)} (server {_list(read_recorded(order))})")
                print(f"{rate:g}/s: {'; '.join(said)}", flush=True)
                ours_ms += ours
                theirs_ms += theirs
            for share, found in ratios.items():
                found.append(float(np.quantile(ours_ms, share) / np.quantile(theirs_ms, share)))
    return ratios


def compare_errors(seconds: float, n_turns: int) -> float:
    """Return how often both count the same share of failed requests."""
    hits = []
    failing = known_server(fail_every=FAIL_EVERY)
    with failing as (served, order), start_generator() as ask_server:
        for _ in range(n_turns):
            ours = measure_step(
                served, replace(order, level=RATES[1], measured_s=seconds), ask_server
            )
            _, theirs = ask_h2load(order, RATES[1], seconds)
            mine = sum(ours.errors.values()) / ours.n_requests
            print(f"failed: ours {mine:.4f}, h2load {theirs:.4f}")
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
    """Size a deployment of a small model from its load curve, and try it."""
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name) / "out", Path(name) / "rows.json"
        model = make_model(Path(name) / "model")
        answer = choose(model)
        export_model(answer, model, folder)
        bodies = write_bodies(make_raw().head(100), list_inputs(model.encoder))
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
        print("\n".join(summarise_curve(curve)))
        figures = read_served_figures(curve)
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
) -> Iterator[tuple[RunningServer, LoadOrder]]:
    """Start a server of known speed."""
    program = str(Path(__file__).with_name("sleeping_server.py"))
    words = (SLEEP_MS, n_at_a_time, fail_every)
    core, others = split_cores()
    place = ServerPlace(tuple(others))
    with start_server([sys.executable, program, *map(str, words)], place=place) as served:
        yield (
            served,
            LoadOrder(
                served.port,
                bodies=(BODY,),
                warm_up_s=1.0,
                measured_s=1.0,
                loop="open",
                level=RATES[0],
                is_poisson=False,
                core=core,
            ),
        )


def ask_h2load(order: LoadOrder, rate: float, seconds: float) -> tuple[list[float], float]:
    """Return the latencies that h2load sees, in ms, and the share of requests that failed.

    Its clients begin one after the other, so that requests come evenly, as ours do.
    """
    with tempfile.TemporaryDirectory() as name:
        body, log = Path(name) / "body", Path(name) / "log"
        body.write_text(BODY)
        n_requests = int(rate * (seconds + order.warm_up_s))
        subprocess.run(  # noqa: S603 - words of our own
            [
                *_bind(order),
                *("h2load", "--h1", "-n", str(n_requests), "-c", str(N_CLIENTS)),
                *("--rps", f"{rate / N_CLIENTS:g}", "-r", "1", "--rate-period"),
                *(f"{1000 / rate:.0f}ms", "-d", str(body), "-H", "Content-Type: application/json"),
                *(f"--log-file={log}", _write_url(order)),
            ],
            capture_output=True,
            check=True,
        )
        rows = [[int(word) for word in line.split()] for line in log.read_text().splitlines()]
    counts_from_us = min(began for began, *_ in rows) + order.warm_up_s * 1e6
    counted = [row for row in rows if row[0] >= counts_from_us]
    answered = [lasted_us / 1e3 for _, status, lasted_us, *_ in counted if status == 200]
    return answered, 1 - len(answered) / max(len(counted), 1)


def ask_hey(order: LoadOrder, rate: float, seconds: float) -> list[float]:
    """Return the latencies that hey sees, in ms."""
    finished = subprocess.run(  # noqa: S603 - words of our own
        [
            *(*_bind(order), "hey", "-z", f"{seconds + order.warm_up_s:g}s", "-c", str(N_CLIENTS)),
            *("-q", f"{rate / N_CLIENTS:g}", "-m", "POST", "-T", "application/json"),
            *("-d", BODY, "-o", "csv", _write_url(order)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        float(row["response-time"]) * 1e3
        for row in csv.DictReader(finished.stdout.splitlines())
        if float(row["offset"]) >= order.warm_up_s
    ]


def _bind(order: LoadOrder) -> list[str]:
    return [] if order.core is None else ["taskset", "-c", str(order.core)]


def _write_url(order: LoadOrder) -> str:
    return f"http://{HOST}:{order.port}{PATH}"


def read_recorded(order: LoadOrder) -> list[float]:
    """Return how long the server took for each request since the last look, in ms."""
    with urllib.request.urlopen(f"http://{HOST}:{order.port}/recorded") as answer:
        found: list[float] = json.load(answer)
    return found


@contextmanager
def cores_awake() -> Iterator[None]:
    """Keep every core from sleeping, by a process that gives way to any other.

    A virtual core that sleeps is at times woken by its next timer tick only: of 100 requests one
    reaches the server up to 4 ms late, whoever asks.
    """
    program = (
        "import os\n"
        "os.sched_setaffinity(0, {%d})\n"
        "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n"
        "while True: pass"
    )
    awake = [
        subprocess.Popen([sys.executable, "-c", program % core])  # noqa: S603 - words of our own
        for core in sorted(os.sched_getaffinity(0))
    ]
    try:
        yield
    finally:
        for process in awake:
            process.kill()
            process.wait()


def _farthest(ratios: list[float]) -> float:
    """Return the ratio that is farthest from 1."""
    return max(ratios, key=lambda ratio: abs(np.log(ratio)))


def _list(latencies_ms: list[float]) -> str:
    return " / ".join(f"{np.quantile(latencies_ms, share):.2f}" for share in (0.5, 0.99)) + " ms"


if __name__ == "__main__":
    main()
