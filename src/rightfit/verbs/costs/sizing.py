"""Size a deployment from stored results: ``rightfit size``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from rightfit.http_load.export import read_bodies
from rightfit.http_load.load_records import LatencyLimit, LoadCurve
from rightfit.http_load.trial import TrialResult, try_deployment
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
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise ValueError(f"{path} is not what rightfit load --json prints: {err}") from err
    try:
        return read_figures(curve)
    except (AttributeError, TypeError, ValueError) as err:
        raise ValueError(f"{path}: {err}") from err


def read_figures(curve: LoadCurve) -> ServedFigures:
    """Read off a load curve what sizes a deployment.

    Raises:
        ValueError: If no rate met the limit, or a figure is none that a server can have.
    """
    rate = curve.highest_rate_per_s
    steps = [] if rate is None else [step for step in curve.opened if step.level <= rate]
    if rate is None or not steps:
        raise ValueError(f"At no rate of the load was the p99 within {curve.limit_ms:g} ms.")
    figures = ServedFigures(
        highest_rate_per_s=rate,
        limit_ms=curve.limit_ms,
        server_cores=max(step.server_cores for step in steps),
        peak_memory_mib=max(step.peak_memory_mib for step in (*curve.closed, *curve.opened)),
    )
    if not all(0 < figure < math.inf for figure in asdict(figures).values()):
        raise ValueError(f"These are no figures of a server: {figures}.")
    return figures


def try_size(
    text: str, folder: Path, rows: Path, *, rate_per_s: float, load: Path, seconds: float
) -> TrialResult:
    """Try a deployment on the exported winner, within the limit that the load was measured for.

    Args:
        text: The deployment.
        folder: The exported winner.
        rows: Raw rows to ask about.
        rate_per_s: Requests a second of all replicas.
        load: What ``rightfit load --json`` printed for it.
        seconds: How long.

    Raises:
        ValueError: If one of the files is something else.
    """
    return try_deployment(
        text,
        folder,
        read_bodies(rows, 1),
        rate_per_s=rate_per_s,
        limit=LatencyLimit(0.99, read_load(load).limit_ms),
        seconds=seconds,
    )
