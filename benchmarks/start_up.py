"""Benchmark of the start: what each command takes, and which imports take most of it.

Run from the repository's root: ``python benchmarks/start_up.py``; ``--data-root`` names a folder
with the results of a run for the commands that read them. The last line is JSON: seconds by
command.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "help": "rightfit --help",
    "which": "rightfit which -a web_api {place}",
    "plan": "rightfit plan {place}",
    "pipelines": "kedro registry list",
}
IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (.+)")
MODULE = re.compile(r"^\w+$")  # a package, not what lies in it
US_PER_S = 1e6


def main() -> None:
    """Start every command several times, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", default="data")
    parser.add_argument("--env", default="base")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--n-imports", type=int, default=6)
    options = parser.parse_args()
    place = f"--data-root {Path(options.data_root).resolve()} --env {options.env}"
    figures = {}
    for name, command in COMMANDS.items():
        words = command.format(place=place).split()
        walls_s, cpus_s = zip(*(_start(words) for _ in range(options.runs)), strict=True)
        figures[f"{name}_s"] = round(statistics.median(walls_s), 2)
        heavy = ", ".join(
            f"{module} {s:.2f}" for module, s in _list_imports(words, options.n_imports)
        )
        cpu_s = statistics.median(cpus_s)
        print(f"{' '.join(words[:3])}: {figures[f'{name}_s']} s, CPU {cpu_s:.2f} s")
        print(f"    imports (s, with what they import): {heavy}")
    print(json.dumps(figures))


def _start(words: list[str]) -> tuple[float, float]:
    """Return the wall and the CPU seconds of a command."""
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _call([sys.executable, "-m", *words])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started_s, cpu_s


def _list_imports(words: list[str], n: int) -> list[tuple[str, float]]:
    """Return the packages that take longest to import, with what they import in turn."""
    printed = _call([sys.executable, "-X", "importtime", "-m", *words])
    found = {name: int(total) / US_PER_S for _, total, name in IMPORT.findall(printed)}
    packages = {
        name.strip(): total_s for name, total_s in found.items() if MODULE.match(name.strip())
    }
    return sorted(packages.items(), key=lambda item: -item[1])[:n]


def _call(words: list[str]) -> str:
    ended = subprocess.run(  # noqa: S603 - commands of our own
        words,
        cwd=PROJECT,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise SystemExit(
            f"{' '.join(words)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}"
        )
    return ended.stderr


if __name__ == "__main__":
    main()
