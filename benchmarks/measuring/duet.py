"""Do slices that alternate tell models apart better than turns of 150 ms? ``make bench-duet``.

The same graphs are timed for the same time, once in a slice of 150 ms each (a turn), once in slices
of 2 ms, or of few calls, in random order, block after block, side by side. Both ways use the same
processes, which stay open: what fresh processes differ by is no matter of slices. Figures:

- ``sd_ratio_p50``, ``sd_ratio_p95``, ``sd_ratio_throughput``: standard deviation over blocks of a
  figure's logarithm relative to the other models, alternating slices / turns; that of the slices
  as they were timed is printed beside it;
- ``sd_ratio_p50_busy``: the same with a busy loop on each core;
- ``bias_max``: largest difference of a model's p50, relative to all models, between both ways, as a
  logarithm; ``bias_max_error``: its standard error over blocks;
- ``known_load_error``: of the ratio of two models of known cost, whose calls hash 6,000 and 9,000
  times, in fresh processes, as a measurement has them;
- ``known_load_covered``: share of blocks of six processes whose interval holds the true ratio.

``--contenders`` and ``--parts`` choose what is run. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measured_models import make_bench, make_models

from rightfit.measuring.blocks import TimedSlice, adjust_figures, estimate_slowdowns
from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.rounds.block_timing import JobMeasurement, read_percentile, time_block
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.worker.phases import Contender
from rightfit.measuring.worker.protocol import MeasureRequest, Ready

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))  # known loads

TURN_MS, SLICE_MS = 150.0, 2.0
BATCH_SIZE = 1_024
FIGURES = ("p50", "p95", "throughput")
PARTS = ("idle", "busy", "known")
Figures = list[list[float]]  # of each model
KNOWN_ROUNDS = (6_000, 9_000)


def main() -> None:
    """Time the models both ways and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contenders", type=int, nargs="+", default=[2, 8, 24])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n-blocks", type=int, default=12)
    options = parser.parse_args()
    pool = WorkerPool(max_open=4)
    figures: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            served = make_models(Path(folder))
            for n in options.contenders if "idle" in options.parts else ():
                found = compare_ways(served, bench, options.n_blocks, n=n, label="host as it is")
                figures |= found if n == options.contenders[len(options.contenders) // 2] else {}
            if "busy" in options.parts:
                with busy_cores():
                    busy = compare_ways(served, bench, options.n_blocks, n=8, label="busy cores")
                figures["sd_ratio_p50_busy"] = busy["sd_ratio_p50"]
            if "known" in options.parts:
                figures |= check_known_loads(bench, n_blocks=6 * options.n_blocks)
    finally:
        pool.close()
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def compare_ways(
    served: Sequence[MeasurementTarget],
    bench: MeasurementContext,
    n_blocks: int,
    *,
    n: int,
    label: str,
) -> dict[str, float]:
    """Time n models both ways, block by block in turn; print and return how they compare."""
    logs: dict[str, list[Figures]] = {"turns": [], "slices": [], "raw slices": []}
    with open_contenders([served[number % len(served)] for number in range(n)], bench) as opened:
        for block in range(n_blocks):
            for way, slice_ms in (("turns", TURN_MS), ("slices", SLICE_MS)):
                rng = np.random.default_rng(block)
                with machine_lock():
                    raw, told = time_contenders(opened, slice_ms, rng)
                logs[way].append(raw if way == "turns" else told)
            logs["raw slices"].append(raw)
    found: dict[str, float] = {}
    for position, figure in enumerate(FIGURES):
        tables = {way: np.log(np.array(blocks)[:, :, position].T) for way, blocks in logs.items()}
        stds = {way: spread_within_blocks(table) for way, table in tables.items()}
        found[f"sd_ratio_{figure}"] = stds["slices"] / stds["turns"]
        slices, turns = (
            tables[way] - np.median(tables[way], axis=0) for way in ("slices", "turns")
        )
        biases = np.median(slices - turns, axis=1)
        errors = (slices - turns).std(axis=1, ddof=1) / math.sqrt(n_blocks)
        if figure == "p50":
            largest = int(np.abs(biases).argmax())
            found |= {"bias_max": abs(biases[largest]), "bias_max_error": errors[largest]}
        print(
            f"{label}, {n} contenders, {figure}: standard deviation relative to the block "
            + ", ".join(f"{std:.4f} in {way}" for way, std in stds.items())
            + "; slices against turns "
            + ", ".join(f"{b:+.3f} ({e:.3f})" for b, e in zip(biases, errors, strict=True)),
            flush=True,
        )
    return found


@contextmanager
def open_contenders(
    subjects: Sequence[MeasurementTarget], bench: MeasurementContext
) -> Iterator[list[tuple[Connection, Ready]]]:
    """Open a process for each model, which stays as long as the block."""
    fork = multiprocessing.get_context("fork")
    opened, processes = [], []
    for subject in subjects:
        ours, theirs = fork.Pipe()
        process = fork.Process(target=run_contender, args=(theirs, subject, bench), daemon=True)
        process.start()
        theirs.close()
        opened.append((ours, ours.recv()))
        processes.append(process)
    try:
        yield opened
    finally:
        for process in processes:
            process.kill()
            process.join()


def run_contender(pipe: Connection, subject: MeasurementTarget, bench: MeasurementContext) -> None:
    """Time slices as they are asked for.

    Two lists of slowdowns ask for the figures of all since the last, without and with them.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    request = ask_measurement(subject, bench)
    module, _, function = subject.factory.partition(":")
    contender = Contender(getattr(importlib.import_module(module), function), request, None)
    timed = {None: contender._rows, BATCH_SIZE: contender._batches[BATCH_SIZE].slices}
    pipe.send(contender.ready)
    while True:
        first, second = pipe.recv()
        if isinstance(first, list):
            figures = []
            for rows, batches in (([], []), (first, second)):
                phase = contender.finish(row_slowdowns=rows, batch_slowdowns=[batches])
                p50, p95 = np.quantile(np.load(request.samples), (0.5, 0.95))
                figures.append([p50, p95, phase.batches[-1].rows_per_s])
            pipe.send(figures)
            for slices in timed.values():
                slices._pieces.clear()  # no other caller forgets what was timed
                slices._ends.clear()
        else:
            timed[first].slice_ms = second
            pipe.send(contender.time_slice(first).call_ns)


def ask_measurement(subject: MeasurementTarget, bench: MeasurementContext) -> MeasureRequest:
    """Return the request that opens a model and tries one batch size."""
    settings = bench.settings
    return MeasureRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        warm_up_max_ms=settings.warm_up_max_ms,
        slice_ms=SLICE_MS,
        batch_sizes=(BATCH_SIZE,),
        batch_max_call_ms=settings.batch_max_call_ms,
        files_mib=None,
        samples=str(bench.folder / f"samples-{os.getpid()}.npy"),
    )


def time_contenders(
    opened: Sequence[tuple[Connection, Ready]], slice_ms: float, rng: np.random.Generator
) -> tuple[Figures, Figures]:
    """Time all models for ``TURN_MS`` of rows and of batches each.

    Returns:
        Their figures as they were timed, and as told without what the machine was slowed down by.
    """
    slices: list[tuple[int, int | None, float]] = []
    for number, (_, ready) in enumerate(opened):
        for batch_size, usual_ms in ((None, ready.row_slice_ms), *ready.batch_slices_ms.items()):
            length_ms = max(slice_ms, usual_ms)
            slices += [(number, batch_size, length_ms)] * max(1, round(TURN_MS / length_ms))
    timed = []
    for position in rng.permutation(len(slices)):
        number, batch_size, length_ms = slices[position]
        opened[number][0].send((batch_size, length_ms))
        timed.append(TimedSlice(number, batch_size, opened[number][0].recv()))
    slowdowns = estimate_slowdowns(timed)
    figures = []
    for number, (pipe, _) in enumerate(opened):
        pipe.send([slowdowns[number, size] for size in (None, BATCH_SIZE)])
        figures.append(pipe.recv())
    raw, told = zip(*figures, strict=True)
    return list(raw), list(told)


def measure(subjects: Sequence[MeasurementTarget]) -> list[JobMeasurement]:
    """Return measurements that nothing was timed of."""
    return [JobMeasurement(one, MeasurementState(), save=lambda _: None) for one in subjects]


def spread_within_blocks(logs: np.ndarray) -> float:
    """Return the median model's standard deviation over blocks, relative to all models."""
    relative = logs - np.mean(logs, axis=0)
    n_models = len(logs)
    return float(np.median(relative.std(axis=1, ddof=1)) * math.sqrt(n_models / (n_models - 1)))


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep a busy loop on each core."""
    loop = "while True: pass"
    loops = [
        subprocess.Popen([sys.executable, "-c", loop])  # noqa: S603 - our own loop
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def check_known_loads(bench: MeasurementContext, *, n_blocks: int) -> dict[str, float]:
    """Time two models of known cost; return the ratio's error, and how often intervals hold it."""
    subjects = [
        MeasurementTarget(
            f"{n_rounds} rounds",
            WorkerKind((), 1),
            "measured_models:open_known_work",
            {"n_rounds": n_rounds},
        )
        for n_rounds in KNOWN_ROUNDS
    ]
    measurements = measure(subjects)
    settings = bench.settings.model_copy(update={"batch_sizes": (1,), "latency_min_calls": 10})
    for block in range(n_blocks):
        rng = np.random.default_rng(block)
        time_block(measurements, replace(bench, settings=settings), block=f"b.{block}", rng=rng)
    adjusted = adjust_figures([read_percentile(one.state, 0.5) for one in measurements], {})
    first, second = (np.array(list(figures.values())) for figures in adjusted)
    truth = KNOWN_ROUNDS[1] / KNOWN_ROUNDS[0]
    error = float(np.median(second) / np.median(first)) / truth - 1
    ratios = (second / first).reshape(-1, 6)
    intervals = [estimate_median(one.tolist()) for one in ratios]
    covered = np.mean([one.low <= truth <= one.high for one in intervals if one.low and one.high])
    half_width_pct = np.median([one.half_width_pct for one in intervals])
    print(
        f"known loads: ratio {truth * (1 + error):.4f} of {truth}, held in {covered:.0%} of "
        f"{len(intervals)}, half width {half_width_pct:.1f} %"
    )
    return {"known_load_error": abs(error), "known_load_covered": float(covered)}


if __name__ == "__main__":
    main()
