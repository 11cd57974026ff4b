"""What failed in a run that went on: listed at its end, and told by the exit status.

One bad part ends no run: a trial, a cell, an export or a measurement that fails is left out, and
its reason stands in the results. So that nobody overlooks it, a command that lacks a part ends with
a status of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click
import polars as pl
from kedro.io import CatalogProtocol

from rightfit.formatting import clean_text
from rightfit.kedro_project.configuration import ConfigurationError
from rightfit.kedro_project.error_messages import load_result

logger = logging.getLogger(__name__)

EXIT_STATUS = 3  # the run is through, and a part of its results is missing
MAX_REASON = 200  # characters
REFUSED = "export was refused"  # for good: another library or family changes the step
NEEDED = ("throughput_rows_per_s", "quality_raw")  # without these a profile is of no use

Catalog = CatalogProtocol[Any, Any]


class PartsFailedError(ConfigurationError):
    """The run is through, but parts of it failed."""

    exit_code = EXIT_STATUS


def report_failures(outputs: Iterable[str], catalog: Catalog) -> None:
    """List what failed in a run.

    Args:
        outputs: Names of the results that the run is about, also of those that it keeps.
        catalog: Of the run.

    Raises:
        PartsFailedError: In a command, if a cell or a measurement failed.
        ClickException: If a result that was kept cannot be read.
    """
    names = sorted(outputs)
    trials = {
        name.removesuffix(".trials"): load_result(catalog, name)
        for name in names
        if name.endswith(".trials") and name.count(".") > 1  # of cells
    }
    useless = [
        line
        for name in names
        if name.endswith(".profiles")
        for line in _describe_useless(load_result(catalog, name))
    ]
    refused = [line for line, is_refused in useless if is_refused]
    failed = [line for line, is_refused in useless if not is_refused]
    parts = [*_find_failed_cells(trials), *failed]
    for line in [*_count_failed_trials(trials), *refused]:
        logger.warning(line)
    if not parts:
        return
    lines = "\n".join(f"  - {part}" for part in parts)
    message = f"The run is through, but parts of it failed and are left out:\n{lines}"
    if click.get_current_context(silent=True) is not None:
        raise PartsFailedError(message)
    logger.error(clean_text(message))


def holds_failure(result: object) -> bool:
    """Tell whether the next run should try a result again: it tells of a part that failed."""
    if not isinstance(result, pl.DataFrame) or result.is_empty():
        return False
    if {"state", "stop_reason"} <= set(result.columns):  # trials
        return "complete" not in result["state"]
    if not {"null_reasons", *NEEDED} <= set(result.columns):
        return False
    useless = _select_useless(result).to_dicts()
    return any(REFUSED not in _find_reason(profile) for profile in useless)


def _find_failed_cells(found: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    for cell, trials in found.items():
        if not trials.is_empty() and "complete" not in trials["state"]:
            reasons = trials["stop_reason"].drop_nulls().unique(maintain_order=True)
            yield f"{cell}: no trial was completed: {_shorten('; '.join(reasons[:3]))}"


def _count_failed_trials(found: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    for cell, trials in found.items():
        failed = trials.filter(state="failed")
        if failed.height and "complete" in trials["state"]:
            reason = _shorten(str(failed["stop_reason"][0]))
            yield f"{cell}: {failed.height} of {trials.height} trials failed, such as: {reason}"


def _describe_useless(profiles: pl.DataFrame) -> Iterator[tuple[str, bool]]:
    """Yield a line per profile of no use, and whether it is so because an export was refused."""
    for profile in _select_useless(profiles).to_dicts():
        reason, cell = _find_reason(profile), f"{profile['dataset']}.{profile['model']}"
        served = f"{profile['runtime']}, {profile['n_threads']} threads, {profile['device']}"
        line = f"{cell}: {profile['candidate']} ({served}): {_shorten(reason)}"
        yield line, REFUSED in reason


def _select_useless(profiles: pl.DataFrame) -> pl.DataFrame:
    return profiles.filter(pl.any_horizontal(pl.col(NEEDED).is_null()))


def _find_reason(profile: dict[str, Any]) -> str:
    """Return why a profile lacks a metric without which it is of no use."""
    missing = next(column for column in NEEDED if profile[column] is None)
    return str(profile["null_reasons"][missing] or "unknown")


def _shorten(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}…"
