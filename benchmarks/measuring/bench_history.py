"""Figures of earlier runs of a benchmark, and where one of them has changed for good.

A run appends one line of JSON. A change is looked for in each figure among the runs of one machine
with Pettitt's test (Applied Statistics 28, 1979): the split whose ranks differ most, at 1 % over
all figures (Bonferroni). It assumes no distribution, and needs some ten runs to find anything.
(apache-otava finds several changes in one history; its pinned NumPy and its clients of databases
cannot be installed beside the project.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from rightfit.profiling.hardware.environment import describe_environment

FOLDER = Path(__file__).resolve().parent / "history"
ERROR_SHARE = 0.01


@dataclass(frozen=True)
class Change:
    """A figure that has changed.

    Args:
        figure: Its name.
        date: Of the first run after the change.
        before: Median before.
        after: Median since.
    """

    figure: str
    date: str
    before: float
    after: float


def append_run(
    name: str,
    figures: dict[str, float | None],
    arguments: Sequence[str],
    folder: Path = FOLDER,
) -> list[Change]:
    """Append a run to a benchmark's history; return what has changed on this machine.

    Only runs with the same arguments are compared.
    """
    here = describe_environment()
    machine = f"{here.cpu}, {here.n_cores} cores, {here.kernel}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.jsonl"
    run = {"date": now, "machine": machine, "arguments": list(arguments), "figures": figures}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(run) + "\n")
    runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    same = [one for one in runs if all(one[key] == run[key] for key in ("machine", "arguments"))]
    dates = [one["date"] for one in same]
    found = [
        find_change(
            figure,
            dates,
            [one["figures"].get(figure) for one in same],
            error_share=ERROR_SHARE / len(figures),
        )
        for figure in figures
    ]
    return [change for change in found if change is not None]


def find_change(
    figure: str,
    dates: Sequence[str],
    values: Sequence[float | None],
    *,
    error_share: float = ERROR_SHARE,
) -> Change | None:
    """Return the change in a figure's history, if there is one.

    >>> days = [str(day) for day in range(24)]
    >>> find_change("error", days, [1.0, 1.1] * 6 + [2.0, 2.1] * 6)
    Change(figure='error', date='12', before=1.05, after=2.05)
    >>> find_change("error", days, [1.0, 1.1] * 12)
    """
    known = [(date, one) for date, one in zip(dates, values, strict=True) if one is not None]
    n = len(known)
    if n < 2:
        return None
    figures = np.array([one for _, one in known])
    ranks = rankdata(figures)
    sums = 2 * np.cumsum(ranks)[:-1] - np.arange(1, n) * (n + 1)
    split = int(np.abs(sums).argmax()) + 1
    chance = 2 * math.exp(-6 * float(sums[split - 1]) ** 2 / (n**3 + n**2))
    if chance > error_share:
        return None
    before, after = (float(np.median(part)) for part in (figures[:split], figures[split:]))
    return Change(figure, known[split][0], before, after)
