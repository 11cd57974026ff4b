"""Failures in a run that went on: listed at its end, and told by the exit status.

One bad part ends no run: a trial, a cell, an export or a measurement that fails is left out, and
its reason stands in the results. So that nobody overlooks it, a command that lacks a part ends with
a status of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import click
import polars as pl

from rightfit._core.formatting import clean_text, count
from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.explain import one_line
from rightfit_kedro.kedro_private import Catalog

logger = logging.getLogger(__name__)

EXIT_STATUS = 3  # the run is through, and a part of its results is missing
REFUSED = "export was refused"  # for good: another library or family changes the step
NEEDED = ("throughput_rows_per_s", "quality_raw")  # without these a profile is of no use


class PartsFailedError(ConfigurationError):
    """The run is through, but parts of it failed."""

    exit_code = EXIT_STATUS


def report_failures(outputs: Iterable[str], catalog: Catalog) -> None:
    """List what failed in a run.

    Args:
        outputs: Names of the results that the run has made.
        catalog: Of the run.

    Raises:
        PartsFailedError: In a command, if a cell or a measurement failed.
    """
    names = sorted(outputs)
    failed: list[str] = []
    remarks: list[str] = []
    for name in names:
        if not name.endswith(".trials") or name.count(".") < 2:  # those of a dataset repeat them
            continue
        cell, trials = name.removesuffix(".trials"), catalog.load(name)
        reasons = trials.filter(state="failed")["stop_reason"]
        if "complete" not in trials["state"] and not trials.is_empty():
            reasons = trials["stop_reason"].drop_nulls().unique(maintain_order=True)
            failed.append(f"{cell}: no trial was completed: {one_line('; '.join(reasons[:3]))}")
        elif len(reasons):
            reason = one_line(reasons[0])
            n_failed = f"{len(reasons)} of {trials.height} trials failed"
            remarks.append(f"{cell}: {n_failed}, such as: {reason}")
    for name in names:
        if not name.endswith(".profiles"):
            continue
        for profile in _select_useless(catalog.load(name)).to_dicts():
            reason, cell = _find_reason(profile), f"{profile['dataset']}.{profile['model']}"
            threads = count(profile["n_threads"], "thread")
            served = f"{profile['runtime']}, {threads}, {profile['device']}"
            line = f"{cell}: {profile['candidate']} ({served}): {one_line(reason)}"
            (remarks if REFUSED in reason else failed).append(line)
    for line in remarks:
        logger.warning(line)
    if not failed:
        return
    lines = "\n".join(f"  - {part}" for part in failed)
    message = f"The run is through, but parts of it failed and are left out:\n{lines}"
    if click.get_current_context(silent=True) is not None:
        raise PartsFailedError(message)
    logger.error(clean_text(message))


def _select_useless(profiles: pl.DataFrame) -> pl.DataFrame:
    return profiles.filter(pl.any_horizontal(pl.col(NEEDED).is_null()))


def _find_reason(profile: dict[str, Any]) -> str:
    """Return why a profile lacks a metric without which it is of no use."""
    missing = next(column for column in NEEDED if profile[column] is None)
    return str(profile["null_reasons"][missing] or "unknown")
