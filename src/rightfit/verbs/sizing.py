"""Size a deployment from stored results: ``rightfit size``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from rightfit.http_load.load_records import LoadCurve
from rightfit.profiling.worker.codec import from_plain
from rightfit.ranking.explanation.decisions import read_recommendations
from rightfit.serving.sizing import ServedFigures, size_deployment
from rightfit.verbs.answers import read_answers
from rightfit.verbs.stored import StoredResults


def size_winner(
    results: StoredResults,
    application: str,
    dataset: str,
    *,
    rate_per_s: float,
    headroom_pct: float,
    load: Path | None,
) -> str:
    """Return the YAML for an application's winner on a dataset.

    Args:
        results: Stored results.
        application: Name of the application.
        dataset: Name of the dataset.
        rate_per_s: Requests a second, rows where the scenario is offline.
        headroom_pct: Further rate and memory to bear.
        load: What ``rightfit load --json`` printed for the exported winner; ``None``: the profile
            of the bare model counts.

    Raises:
        ValueError: If none qualifies, a figure was not measured, or the load cannot be read.
    """
    (answer,) = read_answers(results, application, dataset)
    ranked = results.load("recommendations", answer.origin.ranked_in)
    return size_deployment(
        answer,
        read_recommendations(ranked)[application].scenario,
        rate_per_s=rate_per_s,
        headroom_pct=headroom_pct,
        served=None if load is None else read_load(load),
    )


def read_load(path: Path) -> ServedFigures:
    """Read what loading a server has found.

    Raises:
        ValueError: If the file is something else, or no rate met the limit.
    """
    try:
        curve = from_plain(LoadCurve, json.loads(path.read_text(encoding="utf-8")))
        figures = _find_figures(curve)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise ValueError(f"{path} is not what rightfit load --json prints: {err}") from err
    if figures is None:
        raise ValueError(f"At no rate of {path} was the p99 within {curve.limit_ms:g} ms.")
    if not all(0 < figure < math.inf for figure in asdict(figures).values()):
        raise ValueError(f"{path} has figures that no server has: {figures}.")
    return figures


def _find_figures(curve: LoadCurve) -> ServedFigures | None:
    rate = curve.highest_rate_per_s
    if rate is None:
        return None
    steps = [step for step in curve.opened if step.level <= rate]
    peaks = [step.peak_memory_mib for step in (*curve.closed, *curve.opened)]
    return ServedFigures(
        highest_rate_per_s=float(rate),
        limit_ms=float(curve.limit_ms),
        server_cores=max(step.server_cores for step in steps),
        peak_memory_mib=float(max(peaks)),
    )
