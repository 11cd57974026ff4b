"""Benchmark of the main job: this version against an earlier one, in turns on the same machine.

Run from the repository's root: ``python benchmarks/main_job.py --before COMMIT``. The earlier
version is checked out beside this one and run by this environment's Python, so it must get along
with the libraries installed. In each turn both versions run the main job on fresh data, then once
more unchanged. It wants a quiet machine. The last line is JSON, medians over the turns:

- ``speedup_first``, ``speedup_second``: wall time of the earlier version / of this one, left out
  with ``--before none``;
- ``second_s``: an unchanged second run; ``weight_s``: a run after a small change of one weight;
  ``winner_s``: after a large one, whose new winners are loaded over HTTP;
- ``which_s``: ``rightfit which``; ``help_s``: ``rightfit --help``, the start alone;
- ``busy_cores``: CPU seconds of the machine / wall seconds of the first run while it searches;
- ``overhead_share``: share of measuring's wall time that is not timing;
- ``report_100_cells_s``: ranking and report of as many cells as ``--n-cells`` says, 100 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from omegaconf import OmegaConf

PROJECT = Path(__file__).resolve().parents[1]
BEGUN = re.compile(r"Searching \d+ cells")  # the first and the last line of the searches
ENDED = re.compile(r"Searched \d+ cells")
COST = re.compile(r"processes took ([\d.]+) s: ([\d.]+) s timing")
WEIGHT = "applications.web_api.objectives.quality.weight"


@dataclass(frozen=True)
class Ran:
    """What one command did.

    Args:
        wall_s: Its wall time.
        busy_cores: CPU seconds / wall seconds while cells were searched; 0 where none were.
        output: What it printed.
    """

    wall_s: float
    busy_cores: float
    output: str

    @property
    def overhead_share(self) -> float | None:
        """Share of measuring's wall time that is not timing, where anything was measured."""
        found = [(float(total), float(timing)) for total, timing in COST.findall(self.output)]
        total_s = sum(total for total, _ in found)
        return 1 - sum(timing for _, timing in found) / total_s if total_s > 0 else None


@dataclass(frozen=True)
class Version:
    """A version of the project."""

    folder: Path
    env: str
    params: Sequence[str]

    def run(self, root: Path, *more: str, pipelines: str = "perf") -> Ran:
        """Run the main job on a data folder, or others of its pipelines."""
        params = ",".join([f"data_root={root}", *self.params, *more])
        return self.call(
            "kedro", "run", "--pipelines", pipelines, "--env", self.env, "--params", params
        )

    def call(self, *arguments: str) -> Ran:
        """Run a command of this version; it must end well."""
        environment = os.environ | {
            "PYTHONPATH": str(self.folder / "src"),
            "KEDRO_DISABLE_TELEMETRY": "1",
            "RIGHTFIT_LOG_LEVEL": "DEBUG",
            "COLUMNS": "400",  # no line of the log is broken
        }
        started_s = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - this program's own arguments
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        spans: list[tuple[float, float]] = []  # wall and CPU seconds
        for line in process.stdout or ():
            lines.append(line)
            if BEGUN.search(line) or ENDED.search(line):
                spans.append((time.perf_counter(), _read_cpu_s()))
        exit_code = process.wait()
        wall_s = time.perf_counter() - started_s
        output = "".join(lines)
        if exit_code != 0:
            raise SystemExit(f"{' '.join(arguments)} ended with {exit_code}:\n{output[-3000:]}")
        wall, cpu = [b - a for a, b in zip(spans[0], spans[-1], strict=True)] if spans else (0, 0)
        return Ran(wall_s, cpu / wall if wall else 0.0, output)


def main() -> None:
    """Run both versions in turns, print what each took, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="HEAD^", help="commit of the earlier version, or none")
    parser.add_argument("--env", default="base")
    parser.add_argument("--params", nargs="*", default=[], help="more parameters: name=value")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--n-cells", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rightfit-bench-") as folder:
        versions = {"now": Version(PROJECT, options.env, options.params)}
        with contextlib.ExitStack() as kept:
            if options.before != "none":
                earlier = kept.enter_context(_checked_out(options.before, Path(folder) / "before"))
                versions = {"before": Version(earlier, options.env, options.params)} | versions
            first, second = _take_turns(versions, Path(folder), n_turns=options.turns)
        root = Path(folder) / f"now-{options.turns - 1}"
        figures = _measure_rest(versions["now"], root, options)
    ratio = {
        name: _median_s(runs["before"]) / _median_s(runs["now"])
        for name, runs in (("first", first), ("second", second))
        if "before" in runs
    }
    shares = [ran.overhead_share for ran in first["now"] if ran.overhead_share is not None]
    figures |= {
        **{f"speedup_{name}": speedup for name, speedup in ratio.items()},
        "second_s": _median_s(second["now"]),
        "busy_cores": statistics.median(ran.busy_cores for ran in first["now"]),
        "overhead_share": statistics.median(shares) if shares else float("nan"),
    }
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def _take_turns(
    versions: dict[str, Version], folder: Path, *, n_turns: int
) -> tuple[dict[str, list[Ran]], dict[str, list[Ran]]]:
    """Return the first and the second runs of each version."""
    first: dict[str, list[Ran]] = {name: [] for name in versions}
    second: dict[str, list[Ran]] = {name: [] for name in versions}
    for turn in range(n_turns):
        for name, version in versions.items():
            root = folder / f"{name}-{turn}"
            root.mkdir()
            (root / "01_raw").symlink_to(PROJECT / "data" / "01_raw")
            for found, kind in ((first, "first"), (second, "second")):
                found[name].append(version.run(root))
                print(f"turn {turn + 1}, {name}, {kind} run: {found[name][-1].wall_s:.1f} s")
    return first, second


def _measure_rest(now: Version, root: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return what only this version is asked for, on the results of its last run."""
    weight_s, winner_s = (now.run(root, f"{WEIGHT}={weight}").wall_s for weight in (5.01, 9))
    place = ("--data-root", str(root), "--env", now.env)
    which = [now.call("rightfit", "which", "-a", "web_api", *place) for _ in range(options.turns)]
    start = [now.call("rightfit", "--help") for _ in range(options.turns)]
    scaled = subprocess.run(  # noqa: S603 - this program's own arguments
        [
            sys.executable,
            str(PROJECT / "benchmarks" / "report_at_scale.py"),
            *place,
            "--n-cells",
            str(options.n_cells),
            "--params",
            json.dumps(_nest(now.params)),
        ],
        cwd=PROJECT,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(scaled.stdout.splitlines()[-1])
    return {
        "weight_s": weight_s,
        "winner_s": winner_s,
        "which_s": _median_s(which),
        "help_s": _median_s(start),
        f"report_{options.n_cells}_cells_s": report["report_cells_s"],
    }


def _nest(params: Sequence[str]) -> object:
    """Return parameters of a command line as the run sees them.

    >>> _nest(["training.n_trials=2"])
    {'training': {'n_trials': 2}}
    """
    return OmegaConf.to_container(OmegaConf.from_dotlist(list(params)))


def _median_s(runs: Sequence[Ran]) -> float:
    return statistics.median(ran.wall_s for ran in runs)


@contextlib.contextmanager
def _checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out beside this working tree while the block runs."""
    git = ["git", "-C", str(PROJECT), "worktree"]
    adding = [*git, "add", "--detach", "--quiet", str(folder), commit]
    subprocess.run(adding, check=True)  # noqa: S603 - the caller's commit
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)  # noqa: S603


def _read_cpu_s() -> float:
    """Return the CPU seconds of the whole machine, which miss no process, however short."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


if __name__ == "__main__":
    main()
