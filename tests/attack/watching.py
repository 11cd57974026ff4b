"""Try cases in processes of their own, on all cores; what hangs or crashes ends itself alone."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from outcomes import Attempt, Outcome, Part, Tally

_CONTEXT = multiprocessing.get_context("spawn")
TOLD_EVERY_S = 10.0
LISTING = "listing its cases"
LISTING_S = 120.0  # within which a process must begin with the first of them


@dataclass
class Chunk:
    """Cases that a process tries in a row.

    Args:
        part: Name of their part.
        numbers: Their places in it.
    """

    part: str
    numbers: deque[int]


@dataclass
class Watched:
    """A process that tries cases.

    Args:
        process: The process.
        pipe: Tells of each case that begins, and of its outcomes.
        chunk: What it has to try, the case being tried first; ``None`` while it waits.
        case: What it tries now.
        since_s: When it last told something.
    """

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    chunk: Chunk | None = None
    case: str = LISTING
    since_s: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """End it with all that it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for below in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    below.kill()
        self.process.kill()
        self.process.join()


def try_all(
    module: str,
    chosen: Mapping[str, Sequence[int]],
    tally: Tally,
    *,
    folder: Path,
    n_processes: int | None = None,
) -> None:
    """Try cases on all cores, and tell now and then how far it is.

    Args:
        module: Name of a module whose ``PARTS`` are :class:`outcomes.Part` by name.
        chosen: Places of the chosen cases, by part; what takes long should come first.
        tally: Counts the outcomes.
        folder: An empty folder for the processes.
        n_processes: How many; ``None``: as many as cores.
    """
    parts: Mapping[str, Part] = importlib.import_module(module).PARTS
    waiting = deque(_cut(parts, chosen))
    done: Counter[str] = Counter()
    watched: list[Watched] = []
    n_wanted = n_processes or len(os.sched_getaffinity(0))
    n_started, told_s, begun_s = 0, 0.0, time.monotonic()
    try:
        while waiting or any(one.chunk for one in watched):
            while len(watched) < min(n_wanted, len(waiting) + len(watched)):
                watched.append(_start(module, folder / str(n_started)))
                n_started += 1
            for one in watched:
                if one.chunk is None and waiting:
                    one.chunk = waiting.popleft()
                    one.case, one.since_s = LISTING, time.monotonic()
                    one.pipe.send((one.chunk.part, list(one.chunk.numbers)))
            for one in _listen(watched, parts, tally, done):
                watched.remove(one)
                if one.chunk and one.chunk.numbers:
                    waiting.appendleft(one.chunk)
            if time.monotonic() - told_s > TOLD_EVERY_S:
                told_s = time.monotonic()
                _tell(chosen, done, tally, told_s - begun_s)
    finally:
        for one in watched:
            one.kill()
    _tell(chosen, done, tally, time.monotonic() - begun_s)


def _cut(parts: Mapping[str, Part], chosen: Mapping[str, Sequence[int]]) -> Iterable[Chunk]:
    for name, numbers in chosen.items():
        size = parts[name].n_at_once
        for start in range(0, len(numbers), size):
            yield Chunk(name, deque(numbers[start : start + size]))


def _start(module: str, folder: Path) -> Watched:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_work, args=(module, folder, theirs))
    process.start()
    theirs.close()
    return Watched(process, ours)


def _listen(
    watched: Sequence[Watched], parts: Mapping[str, Part], tally: Tally, done: Counter[str]
) -> Iterable[Watched]:
    """Count what the processes tell; yield those that have crashed or were ended as they hung."""
    ready = multiprocessing.connection.wait([one.pipe for one in watched], timeout=1)
    for one in watched:
        if one.chunk is None:
            continue
        try:
            if one.pipe in ready:
                _take(one, one.pipe.recv(), tally, done)
                continue
            patience_s = parts[one.chunk.part].patience_s
            if one.case == LISTING:
                patience_s = LISTING_S
            if time.monotonic() - one.since_s < patience_s:
                continue
            outcome = Outcome(f"{one.chunk.part}: {one.case}", "hangs")
        except (EOFError, ConnectionError):
            one.process.join()
            detail = f"its process ended with {one.process.exitcode}"
            outcome = Outcome(f"{one.chunk.part}: {one.case}", "tracebacks", detail)
        one.kill()
        tally.add(outcome)
        done[one.chunk.part] += 1
        one.chunk.numbers.popleft()
        yield one


def _take(
    one: Watched, told: str | tuple[list[Outcome], float], tally: Tally, done: Counter[str]
) -> None:
    """Take over the name of a case that begins, or its outcomes and CPU seconds."""
    assert one.chunk is not None
    one.since_s = time.monotonic()
    if isinstance(told, str):
        one.case = told
        return
    outcomes, cpu_s = told
    for outcome in outcomes:
        tally.add(outcome)
    tally.cpu_s[one.chunk.part] = tally.cpu_s.get(one.chunk.part, 0.0) + cpu_s
    done[one.chunk.part] += 1
    one.chunk.numbers.popleft()
    if not one.chunk.numbers:
        one.chunk = None


def _tell(
    chosen: Mapping[str, Sequence[int]], done: Counter[str], tally: Tally, seconds: float
) -> None:
    parts = ", ".join(f"{name} {done[name]}/{len(of_one)}" for name, of_one in chosen.items())
    n_bad = tally.n_cases - tally.counts["clear"]
    sys.stderr.write(f"{seconds:.0f} s: {tally.n_cases} cases, {n_bad} bad ({parts})\n")


def _work(module: str, folder: Path, pipe: Connection) -> None:
    """Try the cases that are sent, in a process of its own."""
    folder.mkdir()
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    parts: Mapping[str, Part] = importlib.import_module(module).PARTS
    listed: dict[str, Sequence[Attempt]] = {}
    with contextlib.suppress(EOFError):
        while True:
            name, numbers = pipe.recv()
            if name not in listed:
                place = folder / name
                place.mkdir()
                listed[name] = parts[name].list_attempts(place)
            for number in numbers:
                one = listed[name][number]
                pipe.send(one.name)
                begun_s = sum(os.times()[:4])
                try:
                    outcomes = list(one.attempt())
                except Exception:
                    outcomes = [Outcome(one.name, "tracebacks", traceback.format_exc())]
                pipe.send((outcomes, sum(os.times()[:4]) - begun_s))
