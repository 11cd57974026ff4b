"""Rightfit against what people would pick instead: FLAML, AutoGluon, and a library's default.

``python benchmarks/peers/peers.py --root FOLDER --peers-env VENV`` has every contender search the
same rows for the same CPU seconds of its whole process tree, on one core with one thread. Then it
measures what each delivers with the library's own instrument and judges by the four sample
applications, on test rows that no search saw. Three stages go on from what lies in ``FOLDER``:

- ``fit`` may share the machine, as budgets are CPU seconds;
- ``measure`` wants it quiet. What a search of Rightfit measures itself happens here, and counts;
- ``judge`` prints tables and, as its last line, JSON (see ``peer_judging.py``). A contender that
  fails stays in the tables, with its reason;
- ``accuracy`` needs no measurement, and runs only where it is named: the quality of what everybody
  delivers where quality alone counts, and JSON likewise.

FLAML and AutoGluon live in an environment of their own: ``make peers-env``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from peer_judging import judge, judge_accuracy
from peer_rows import FURTHER, TABLES, prepare_rows
from process_trees import count_cpu_s

from rightfit._core.processes.lifeline import adopt_orphans, end_children
from rightfit._core.processes.starting import limit_threads

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
APPLICATIONS = PROJECT / "conf/base/parameters_applications.yml"
BUDGETS_CPU_S = (60.0, 180.0)
ORDER = (
    *("dna", "diamonds", "titanic", "letter", "poverty", "reviews", "soybean", "vocabulary"),
    *("landsat", "musk", "stops", "headaches"),
)
STAGES = ("fit", "measure", "judge")
ALL_STAGES = (*STAGES, "accuracy")
MAX_WALL_S = 3_600  # of a child process


@dataclass(frozen=True)
class Contender:
    """A library, the latency limit in seconds that it is given, if any, and AutoGluon's preset."""

    library: str
    latency_limit_s: float | None = None
    preset: str = "medium_quality"


CONTENDERS = {  # the web application's limit is 10 ms for the p95; half of it leaves that room
    "rightfit": Contender("rightfit"),
    "lightgbm": Contender("lightgbm"),
    "autogluon": Contender("autogluon"),
    "autogluon_limited": Contender("autogluon", 0.005),
    "autogluon_high": Contender("autogluon", 0.005, preset="high_quality"),  # as they advise
    "autogluon_best": Contender("autogluon", preset="best_quality"),
    "flaml": Contender("flaml"),
    "flaml_limited": Contender("flaml", 0.005),
    "rightfit_quality": Contender("rightfit_quality"),
    "rightfit_before": Contender("rightfit_before"),  # where --before names its sources
    "lightgbm_tuned": Contender("lightgbm_tuned"),
    "catboost_tuned": Contender("catboost_tuned"),
}
UNMEASURED = (  # compared by quality alone
    *("rightfit_quality", "rightfit_before", "autogluon_best"),
    *("lightgbm_tuned", "catboost_tuned"),
)


def fit(
    folder: Path, rows: dict[str, str], contender: Contender, asked: argparse.Namespace
) -> None:
    """Have a contender search in a child process; write ``fit.json`` once it has ended."""
    if folder.exists():
        shutil.rmtree(folder)  # of a run that was interrupted
    folder.mkdir(parents=True)
    settings = folder / "settings.json"
    told = rows | {
        "library": contender.library,
        "latency_limit_s": contender.latency_limit_s,
        "preset": contender.preset,
        "budget_cpu_s": asked.budget_cpu_s,
        "applications": str(APPLICATIONS),
        "seed": asked.seed,
    }
    settings.write_text(json.dumps(told), encoding="utf-8")
    own_words = {
        "rightfit": ("own_fit.py", "search"),
        "rightfit_quality": ("quality_fit.py",),
        "rightfit_before": ("quality_fit.py",),
    }
    words = own_words.get(contender.library, ("peer_fit.py",))
    sources = asked.before if contender.library == "rightfit_before" else PROJECT / "src"
    is_own = contender.library in own_words
    cpu_s, wall_s, failure = run_counted(
        find_command(asked, *words, str(settings), is_own=is_own), folder, asked.core, sources
    )
    ended = {"cpu_s": cpu_s, "wall_s": wall_s, "failure": failure}
    (folder / "fit.json").write_text(json.dumps(ended), encoding="utf-8")
    print(f"  {folder.name}: {cpu_s:.1f} CPU s, {wall_s:.0f} s {failure}", flush=True)


def run_counted(
    command: Sequence[str], folder: Path, core: int, sources: Path = PROJECT / "src"
) -> tuple[float, float, str]:
    """Run a command on one core to its end; its output goes to ``log.txt``.

    Returns:
        CPU seconds of the process and all its descendants; wall seconds; the last line of its
        output if it failed, else ``""``.
    """
    variables = os.environ | limit_threads(1) | {"PYTHONPATH": str(sources)}
    before, began_s = _count_waited_cpu_s(), time.perf_counter()
    log = folder / "log.txt"
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603
            ["taskset", "-c", str(core), *command],  # noqa: S607
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd=folder,
            text=True,
        )
        cpu_s = count_cpu_s(process, max_wall_s=MAX_WALL_S)
    failed = f"exit code {process.returncode}" if process.returncode else ""
    end_children()  # those left behind are counted, too
    wall_s = time.perf_counter() - began_s
    cpu_s = max(cpu_s, _count_waited_cpu_s() - before)  # either misses some
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return cpu_s, wall_s, f"{failed}: {lines[-1] if lines else ''}" if failed else ""


def measure(folder: Path, contender: Contender, asked: argparse.Namespace) -> None:
    """Measure what a contender delivered, in the environment that it needs."""
    is_own = contender.library == "rightfit"
    failure = ""
    if is_own:
        ship = find_command(asked, "own_fit.py", "ship", str(folder / "settings.json"), is_own=True)
        cpu_s, _, failure = run_counted(ship, folder, asked.core)
        shipped = {"cpu_s": cpu_s, "failure": failure}
        (folder / "ship.json").write_text(json.dumps(shipped), encoding="utf-8")
    if not failure:
        words = ("peer_measuring.py", str(folder), asked.preset)
        _, _, failure = run_counted(find_command(asked, *words, is_own=is_own), folder, asked.core)
    print(f"  {folder.name}: {failure or 'measured'}", flush=True)


def find_command(asked: argparse.Namespace, script: str, *words: str, is_own: bool) -> list[str]:
    """Return the command of a script in this environment, or in the peers'."""
    python = sys.executable if is_own else str(asked.peers_env.absolute() / "bin" / "python")
    return [python, str(HERE / script), *words]


def read_failure(folder: Path) -> str:
    """Return why a contender failed; ``""`` if it did not."""
    ended = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    return str(ended["failure"])


def _count_waited_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def list_cells(asked: argparse.Namespace, seed: int = 0) -> Iterator[tuple[float, str, str, Path]]:
    """Yield budget, table, contender and folder, the small budget first."""
    for budget_cpu_s in asked.budgets:
        for table in asked.tables:
            for name in asked.contenders:
                folder = asked.root / "fits" / f"{budget_cpu_s:g}" / table
                yield budget_cpu_s, table, name, folder / (f"{name}-{seed}" if seed else name)


def main() -> None:
    """Run the stages that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of rows and fits")
    parser.add_argument("--peers-env", type=Path, required=True, help="virtual environment")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=ALL_STAGES)
    parser.add_argument(
        "--tables",
        nargs="+",
        choices=list(TABLES),
        help="with --before all, else those that the peers searched",
    )
    parser.add_argument(
        "--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS)
    )
    parser.add_argument("--budgets", nargs="+", type=float, default=list(BUDGETS_CPU_S))
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0], help="of searches, for fit and accuracy"
    )
    parser.add_argument("--preset", default="standard", help="how thoroughly to measure")
    parser.add_argument("--again", action="store_true", help="do stages again that are stored")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--before", type=Path, help="an earlier version's src: rightfit_before")
    asked = parser.parse_args()
    asked.root = asked.root.absolute()
    asked.tables = asked.tables or list(ORDER if asked.before is None else (*ORDER, *FURTHER))
    if asked.before is not None:
        asked.before = asked.before.absolute()
    else:
        asked.contenders = [name for name in asked.contenders if name != "rightfit_before"]
    adopt_orphans()
    for stage, done in (("fit", "fit.json"), ("measure", "measured.json")):
        if stage not in asked.stages:
            continue
        seeds = asked.seeds if stage == "fit" else [0]
        due = [(seed, *cell) for seed in seeds for cell in list_cells(asked, seed)]
        for seed, budget_cpu_s, table, name, folder in due:
            if (folder / done).is_file() and not asked.again:
                continue
            print(f"{stage} {table}, {budget_cpu_s:g} CPU s", flush=True)
            if stage == "fit":
                rows = prepare_rows(table, asked.root / "rows").describe()
                own = argparse.Namespace(**vars(asked), budget_cpu_s=budget_cpu_s, seed=seed)
                fit(folder, rows, CONTENDERS[name], own)
            elif (
                name not in UNMEASURED
                and (folder / "fit.json").is_file()
                and not read_failure(folder)
            ):
                measure(folder, CONTENDERS[name], asked)
    if "judge" in asked.stages:
        cells = [cell for cell in list_cells(asked) if cell[2] not in UNMEASURED]
        judge(asked.root, APPLICATIONS, cells)
    if "accuracy" in asked.stages:
        cells = [cell for seed in asked.seeds for cell in list_cells(asked, seed)]
        judge_accuracy(asked.root, cells)


if __name__ == "__main__":
    main()
