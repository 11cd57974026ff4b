"""Does the same run decide the same twice?

Run from the repository's root: ``python benchmarks/repeat.py``. The main job runs on fresh data
folders with one seed; the last ``--n-busy`` of the runs share the machine with a busy loop on one
core. A candidate is told by its predictions, whatever a run calls it; those that are not in every
run are printed with the name and settings that they have in each. Utilities are compared on the
profiles of all runs together: that of a candidate in a serving configuration is its mean over the
runs that measured it. The last line is JSON:

- ``candidates_common``: the share of all candidates of any run that are in every run;
- ``winners_same_min``: the fewest applications × datasets, of ``n_choices``, for which two of the
  runs chose the same candidate; ``servings_same_min``: and serve it in the same way;
- ``unsaid``: pairs of runs with different winners of a choice of which one says neither that the
  choice is open, nor that the other's winner is practically equal or not told apart;
- ``contradicting_clear``: the choices that two runs call clear, with different winners of which
  neither run names the other's as practically equal;
- ``told_clear_held``, ``told_likely_held``: of the choices that a run calls clear, or likely, the
  share whose winner is the best, or practically equal to it, by the mean utilities of the other
  runs; a limit that it breaks in one of them does not hold. Null: there is no such choice;
- ``utility_spread_max``: the largest difference between the winners of one choice;
- ``utility_mean``: of all winners;
- ``kept``: choices that a second run on the first one's data left as they were.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import polars as pl
from kedro.framework.startup import bootstrap_project
from main_job import PROJECT, Version

from rightfit.measuring.profile import PREDICTIONS
from rightfit.ranking.explanation.decisions import (
    SETTINGS,
    list_decisions,
    read_recommendations,
)
from rightfit_kedro.stored_results import ProjectLocation

SPIN = "while True: pass"
KEYS = ("dataset", PREDICTIONS, "runtime", "n_threads", "device", "request_path")


class Decided(NamedTuple):
    """What a run found; candidates are hashes of their predictions for the test rows.

    Args:
        candidates: Name and settings of each, by dataset and hash.
        winners: Key of the winner's profile, or nothing, by application and dataset.
        utilities: By application and key of a profile.
        marks: How sure a run calls its winner, by application and dataset; nothing: no winner.
        equal: Candidates that a run calls practically equal to its winner, likewise.
        worths: Utility of each candidate as a run would serve it, -inf where it does not qualify,
            by application and dataset, and candidate.
        doubted: Candidates that a run does not tell apart from its winner, all where the choice is
            open (``None``), by application and dataset.
    """

    candidates: dict[tuple[str, str], str]
    winners: dict[tuple[str, str], tuple[object, ...] | None]
    utilities: dict[tuple[str, tuple[object, ...]], float]
    marks: dict[tuple[str, str], str | None]
    equal: dict[tuple[str, str], set[str]]
    worths: dict[tuple[str, str], dict[str, float]]
    doubted: dict[tuple[str, str], set[str] | None]


def read(root: Path, env: str) -> Decided:
    """Return what the run on a data folder found."""
    load = ProjectLocation(str(root.resolve()), env, folder=PROJECT).open_results().load_newest
    tables = load("rankings"), load("resource_profiles")
    rankings, profiles = (table for table in tables if isinstance(table, pl.DataFrame))
    hashes = (
        profiles.group_by("dataset", "candidate")
        .agg(pl.col(PREDICTIONS).min())
        .with_columns(pl.col(PREDICTIONS).fill_null(pl.col("candidate")))  # of what failed
    )
    hash_of = {tuple(names): sha256 for *names, sha256 in hashes.iter_rows()}
    winners: dict[tuple[str, str], tuple[object, ...] | None] = {}
    doubted: dict[tuple[str, str], set[str] | None] = {}
    marks: dict[tuple[str, str], str | None] = {}
    equal: dict[tuple[str, str], set[str]] = {}
    for application, dataset, decision in list_decisions(
        read_recommendations(load("recommendations"))
    ):
        doubts = {hash_of[dataset, name] for name in decision.equal_to + decision.not_told_apart}
        doubted[application, dataset] = None if decision.mark == "open" else doubts
        marks[application, dataset] = decision.mark
        equal[application, dataset] = {hash_of[dataset, name] for name in decision.equal_to}
        winner = decision.winner
        winners[application, dataset] = (
            None
            if winner is None
            else (dataset, hash_of[dataset, winner.candidate], *astuple(winner.serving))
        )
    hashed = rankings.join(hashes, on=["dataset", "candidate"])
    worths: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in hashed.iter_rows(named=True):
        worth = row["utility"] if row["feasible"] else -math.inf
        worths[row["application"], row["dataset"]][row[PREDICTIONS]] = worth
    utilities = {
        (row["application"], tuple(row[key] for key in KEYS)): row["utility"]
        for row in hashed.filter(pl.col("utility").is_not_null()).iter_rows(named=True)
    }
    settings = dict(profiles.select(pl.concat_str("dataset", "candidate"), SETTINGS).iter_rows())
    candidates = {
        (dataset, sha256): f"{name} {settings[dataset + name]}"
        for (dataset, name), sha256 in hash_of.items()
    }
    return Decided(candidates, winners, utilities, marks, equal, worths, doubted)


@contextmanager
def busy_core(*, is_busy: bool) -> Iterator[None]:
    """Keep one core busy while the block runs."""
    if not is_busy:
        yield
        return
    spinning = subprocess.Popen([sys.executable, "-c", SPIN])  # noqa: S603
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


def count_contradictions(runs: list[Decided]) -> int:
    """Count the choices of which two runs are clear about winners that are not equal."""

    def contradict(one: Decided, other: Decided, choice: tuple[str, str]) -> bool:
        a, b = ((run.winners[choice] or ())[1:2] for run in (one, other))
        is_clear = one.marks[choice] == other.marks[choice] == "clear"
        return is_clear and not {*a, *b} & (one.equal[choice] | other.equal[choice]) and a != b

    return sum(
        any(contradict(one, other, choice) for one, other in itertools.combinations(runs, 2))
        for choice in runs[0].winners
    )


def share_held(runs: list[Decided], mark: str, equal_within: float) -> float | None:
    """Return the share of choices with a mark whose winner is the best by the other runs.

    Args:
        runs: What the runs found.
        mark: ``clear`` or ``likely``.
        equal_within: Utilities that differ by less are practically equal.

    Returns:
        In [0, 1]; ``None`` where no run marks a choice so, or no other run has its winner.
    """
    held = []
    for run in runs:
        for choice, winner in run.winners.items():
            if winner is None or run.marks[choice] != mark:
                continue
            pooled = defaultdict(list)
            for other in runs:
                for name, worth in other.worths[choice].items() if other is not run else ():
                    pooled[name].append(worth)
            worths = {name: fmean(several) for name, several in pooled.items()}
            if (mine := str(winner[1])) in worths:
                highest = max(worths.values())
                held.append(worths[mine] > max(highest - equal_within, -math.inf))
    return fmean(held) if held else None


def compare(runs: list[Decided], equal_within: float) -> dict[str, float | None]:
    """Compare what several runs found."""
    anywhere, everywhere = (
        method(*(set(run.candidates) for run in runs)) for method in (set.union, set.intersection)
    )
    for candidate in sorted(anywhere - everywhere):
        print(candidate, [run.candidates.get(candidate) for run in runs])
    pooled = defaultdict(list)
    for run in runs:
        for key, utility in run.utilities.items():
            pooled[key].append(utility)
    choices = list(runs[0].winners)
    spreads, worths = [], []
    for application, dataset in choices:
        chosen = [run.winners[application, dataset] for run in runs]
        worth = [fmean(pooled[application, key]) for key in chosen if key is not None]
        spreads.append(max(worth) - min(worth) if worth else 0.0)
        worths += worth
    pairs = list(itertools.combinations(runs, 2))

    def agree(one: Decided, other: Decided, n_keys: int) -> int:
        winners = ((one.winners[choice], other.winners[choice]) for choice in choices)
        return sum((a and a[:n_keys]) == (b and b[:n_keys]) for a, b in winners)

    def leaves_unsaid(one: Decided, other: Decided, choice: tuple[str, str]) -> bool:
        mine, doubts = other.winners[choice], one.doubted[choice]
        return doubts is not None and (mine is None or mine[1] not in doubts)

    unsaid = sum(
        leaves_unsaid(one, other, choice) or leaves_unsaid(other, one, choice)
        for one, other in pairs
        for choice in choices
        if (one.winners[choice] or ())[:2] != (other.winners[choice] or ())[:2]
    )
    return {
        "unsaid": unsaid,
        "candidates_common": len(everywhere) / len(anywhere),
        "n_choices": len(choices),
        "winners_same_min": min(agree(one, other, 2) for one, other in pairs),
        "servings_same_min": min(agree(one, other, len(KEYS)) for one, other in pairs),
        "contradicting_clear": count_contradictions(runs),
        "told_clear_held": share_held(runs, "clear", equal_within),
        "told_likely_held": share_held(runs, "likely", equal_within),
        "utility_spread_max": max(spreads),
        "utility_mean": fmean(worths),
    }


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--env", default="base")
    parser.add_argument("--n-runs", type=int, default=3)
    parser.add_argument("--n-busy", type=int, default=1)
    parser.add_argument("--params", nargs="*", default=[], help="more parameters: name=value")
    parser.add_argument("--root", type=Path, help="folder to use, and to keep")
    asked = parser.parse_args()
    if asked.n_runs < 2:
        parser.error("--n-runs must be 2 or more: runs are compared with each other")
    bootstrap_project(PROJECT)
    version = Version(PROJECT, asked.env, asked.params)
    with tempfile.TemporaryDirectory(prefix="rightfit-repeat-") as name:
        folder = asked.root or Path(name)
        runs = []
        for number in range(asked.n_runs):
            root = folder / str(number)
            is_busy = number >= asked.n_runs - asked.n_busy
            if not root.exists():
                root.mkdir(parents=True)
                (root / "01_raw").symlink_to(PROJECT / "data" / "01_raw")
                with busy_core(is_busy=is_busy):
                    ran = version.run(root)
                print(f"run {number + 1}, busy: {is_busy}: {ran.wall_s:.0f} s", flush=True)
            runs.append(read(root, asked.env))
        parameters = ProjectLocation(env=asked.env, folder=PROJECT).read_parameters()
        figures = compare(runs, parameters["ranking"]["equal_within"])
        version.run(folder / "0")
        again = read(folder / "0", asked.env)
        figures["kept"] = sum(again.winners[one] == won for one, won in runs[0].winners.items())
    rounded = {name: value and round(value, 4) for name, value in figures.items()}
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
