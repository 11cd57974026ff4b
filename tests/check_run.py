"""Holds what a run has written together: one truth in every output. ``make check-run``.

``python tests/check_run.py [PROJECT]`` reads the last run of a project as a person would, by its
report, tables, JSON, commands and exports, and prints every contradiction; it fails if there is
one:

- no feasible candidate is worth more than the winner by ``ranking.equal_within`` or more;
- no winner is worse or equal in every column that is shown for it, and worse in one;
- the winner's chance of best is at least half of the highest;
- a model has one quality: in the card, the leaderboard, ``rightfit which`` (text and JSON), the
  CSV, ``recommendations.json`` and the README of an export;
- an exported model has the weights of the measured one;
- a limit's outcome is what the figures beside it say.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

import rightfit
from rightfit._core.formatting import format_quality
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.ranking.explanation.decisions import Decision, list_decisions, read_recommendations
from rightfit.reporting.run_results import list_costs

ROUNDING = 1e-9
PROGRAM = (sys.executable, "-m", "rightfit")


def main() -> None:
    """Check the project that is named, or the one here."""
    project = Path(sys.argv[1] if len(sys.argv) > 1 else ".").absolute()
    n_decisions, contradictions = check_run(project)
    for contradiction in contradictions:
        print(contradiction)
    print(f"{n_decisions} decisions checked, {len(contradictions)} contradictions")
    sys.exit(bool(contradictions))


def check_run(project: Path) -> tuple[int, list[str]]:
    """Return the number of decisions of a project's last run, and all contradictions."""
    opened = rightfit.open_project(project)
    applications = opened.ranking.applications
    within = opened.ranking.rules.equal_within
    rankings = pl.read_parquet(_newest(project, "rankings.parquet"))
    document = json.loads(_newest(project, "recommendations.json").read_text(encoding="utf-8"))
    page = opened.report_path.read_text(encoding="utf-8")
    with _newest(project, "rankings.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    stored = list_decisions(read_recommendations(document))
    found: list[str] = []
    for application, dataset, decision in stored:
        rows = rankings.filter(application=application, dataset=dataset)
        place = f"{application}, {dataset}"
        found += [f"{place}: {fault}" for fault in _check_order(rows, within)]
        if decision.winner is None:
            continue
        profiles = opened.profiles.table.filter(dataset=dataset)
        columns = ["quality_raw", *list_costs(applications[application])]
        found += [f"{place}: {fault}" for fault in _check_dominated(rows, profiles, columns)]
        found += [f"{place}: {fault}" for fault in _check_limits(decision)]
        lines = [
            row for row in written if (row["application"], row["dataset"]) == (application, dataset)
        ]
        told = {
            "recommendations.json": decision.winner.metrics["quality_raw"].value,
            "rankings": rows["quality_raw"][0],
            "CSV": float(lines[0]["quality_raw"]),
            "card": _read_card(page, application, dataset),
            "leaderboard": _read_board(page, application, dataset),
            **_ask_which(project, application, dataset),
            **_export(project, application, dataset, decision, profiles),
        }
        expected = decision.winner.quality.value if decision.winner.quality else None
        found += [
            f"{place}: {where} tells {value}, the winner's quality is {expected}"
            for where, value in told.items()
            if where != "weights" and not _is_same(value, expected)
        ]
        if told["weights"] is not True:
            found.append(f"{place}: the exported weights or graph are not the measured ones")
    return len(stored), found


def _newest(project: Path, name: str) -> Path:
    return max((project / "data" / "08_reporting" / name).glob("*/*"))


def _check_order(rows: pl.DataFrame, within: float) -> Iterator[str]:
    """Find feasible candidates that should stand above the first, and chances that say so."""
    feasible = rows.filter("feasible")
    if feasible.is_empty():
        return
    first = feasible.row(0, named=True)
    if first["rank"] != 1:
        yield f"{first['candidate']} is feasible, but of rank {first['rank']}"
    highest = feasible["utility"].max()
    if first["utility"] < highest - within - ROUNDING:  # type: ignore[operator]
        yield f"{first['candidate']} is worth {first['utility']}, another {highest}"
    if first["p_best"] < feasible["p_best"].max() / 2:  # type: ignore[operator]
        yield f"{first['candidate']} has a chance of {first['p_best']}, another twice that"


def _check_dominated(
    rows: pl.DataFrame, profiles: pl.DataFrame, columns: list[str]
) -> Iterator[str]:
    """Find candidates that are better than the winner in all that is shown."""
    keys = ["candidate", "model", "runtime", "n_threads", "device", "request_path"]
    names = [*columns, "min_hardware_tier"]
    shown = rows.filter("feasible").join(
        profiles.select(*keys, *(name for name in names if name not in rows)),
        on=keys,
        maintain_order="left",
    )
    signs = {
        name: 1 if name in METRICS_BY_COLUMN and METRICS_BY_COLUMN[name].better == "higher" else -1
        for name in names
    } | {"utility": 1}
    winner, *others = shown.to_dicts()
    for other in others:
        gains = [
            sign * (other[name] - winner[name])
            for name, sign in signs.items()
            if other[name] is not None and winner[name] is not None
        ]
        if min(gains) >= 0 and max(gains) > 0:
            yield f"{winner['candidate']} is no better than {other['candidate']} in any column"


def _check_limits(decision: Decision) -> Iterator[str]:
    """Compare each limit's outcome with the figures that are shown."""
    winner = decision.winner
    for limit in decision.limits:
        figure = winner.metrics.get(limit.metric) if winner else None
        value = figure and figure.value
        if value is not None and not _is_same(value, limit.value):
            yield f"the limit of {limit.metric} was judged by {limit.value}, shown is {value}"
        if limit.value is None or limit.bound is None:
            yield f"a limit of {limit.metric} is met by no figure"
            continue
        beyond = limit.value - limit.bound if limit.kind == "max" else limit.bound - limit.value
        if limit.is_met != (beyond <= ROUNDING * max(1.0, abs(limit.bound))):
            yield f"{limit} is {'met' if limit.is_met else 'broken'} against its own figures"


def _read_card(page: str, application: str, dataset: str) -> str:
    """Return the quality on the first screen."""
    cell = page.partition(f'id="cell-{application}-{dataset}"')[2].partition("</td>")[0]
    return re.search(r"<li><b>([^<]*)</b>", cell).group(1)  # type: ignore[union-attr]


def _read_board(page: str, application: str, dataset: str) -> str:
    """Return the quality in the first line of the leaderboard."""
    board = page.partition(f'id="record-{application}-{dataset}"')[2].partition("</table>")[0]
    first = board.partition("<tbody>")[2].partition("</tr>")[0]
    return re.findall(r"<td[^>]*>([^<]*)", first)[2].strip()


def _ask_which(project: Path, application: str, dataset: str) -> dict[str, Any]:
    """Return the quality that ``rightfit which`` tells, in words and as JSON."""
    asked = ("which", "--application", application, "--dataset", dataset)
    text = _run(project, *asked)
    (answer,) = json.loads(_run(project, *asked, "--json"))
    line = next(line for line in text.splitlines() if line.split()[:1] == ["quality"])
    return {
        "which": re.search(r"(-?[\d.,]+) \(", line).group(1),  # type: ignore[union-attr]
        "which --json": answer["winner"]["metrics"]["quality_raw"]["value"],
    }


def _export(
    project: Path, application: str, dataset: str, decision: Decision, profiles: pl.DataFrame
) -> dict[str, Any]:
    """Export a winner; return the quality of its README and profile, and whether it is the one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        _run(project, "export", "--application", application, "--dataset", dataset, str(out))
        manifest = json.loads((out / "bundle" / "bundle.json").read_text(encoding="utf-8"))
        profile = json.loads((out / "profile.json").read_text(encoding="utf-8"))["profile"]
        readme = (out / "README.md").read_text(encoding="utf-8")
        graph = hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest()
    name = METRICS_BY_COLUMN["quality_raw"].label.lower()
    line = next(text for text in readme.splitlines() if text.lower().startswith(f"| {name} |"))
    winner = decision.winner
    measured = profiles.filter(candidate=winner.candidate if winner else "")["model_sha256"]
    return {
        "README of the export": line.split("|")[2].split()[-1],
        "profile of the export": profile["metrics"]["quality_raw"]["value"],
        "weights": set(measured) == {manifest["files"][manifest["weights_file"]]}
        and (profile["request_path"] == "model" or profile["graph_sha256"] in (graph, None)),
    }


def _run(project: Path, *command: str) -> str:
    done = subprocess.run(
        [*PROGRAM, *command], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"rightfit {' '.join(command)} failed:\n{done.stderr}{done.stdout}")
    return done.stdout


def _is_same(value: object, expected: float | None) -> bool:
    """Compare a number with a quality, or a text with how it is written."""
    if expected is None or value is None:
        return value is expected
    if isinstance(value, str):
        return value.replace("\\", "") == format_quality(expected)
    return abs(float(value) - expected) <= ROUNDING  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
