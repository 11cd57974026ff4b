"""Which versions a run reads: what it made itself, what it was told, or what belongs together.

Kedro loads the newest version of each result, whoever wrote it. Two runs on one data root would mix
their results, a version dated in the future would always win, and a ranking would take the profiles
of another grid. So before a run its versions are chosen:

- What the run writes is read in the version it writes.
- An input is no newer than the run, and no newer than what was made from it.
- Inputs of one stage and one dataset or cell are of one run, where one run has written them all.
- A table of several cells was made by a run of the same grid.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kedro.framework.project import pipelines
from kedro.io.core import VersionNotFoundError, generate_timestamp
from kedro.pipeline import Pipeline

from rightfit.kedro_project.configuration import ConfigurationError, find_grid
from rightfit.kedro_project.kedro_private import Catalog, Versioned, is_versioned, pin_load_version
from rightfit.kedro_project.nodes import list_own_inputs, list_own_outputs
from rightfit.kedro_project.records import GridRecord, RecordStore, open_records
from rightfit.params.grid import Grid

logger = logging.getLogger(__name__)

# Not http_load: its curves say which winner they are of, and may be older than the ranking.
STAGES = ("data_engineering", "training", "evaluation", "ranking", "reporting")
_DATED = re.compile(r"\d{4}-\d\d-\d\dT")


def is_no_newer(version: str, limit: str) -> bool:
    """Tell whether a version counts up to a limit; a name that is no date always does.

    >>> is_no_newer("2099-01-01T00.00.00.000Z", "2026-03-01T00.00.00.000Z")
    False
    """
    return not _DATED.match(version) or version <= limit


@dataclass(frozen=True)
class Group:
    """Results of one stage that belong together.

    Args:
        stage: Position in :data:`STAGES`.
        place: Dataset and model; shorter for what several cells share.
    """

    stage: int
    place: tuple[str, ...]

    def is_made_from(self, other: Group) -> bool:
        """Tell whether it may have been made from another group."""
        n_common = min(len(self.place), len(other.place))
        return self.stage > other.stage and self.place[:n_common] == other.place[:n_common]


def choose_run_versions(
    run_params: Mapping[str, Any], pipeline: Pipeline, catalog: Catalog
) -> None:
    """Pin the versions of Rightfit's datasets before a run, and note the grid of the run.

    Raises:
        ConfigurationError: If no version of an input counts.
    """
    grid, outputs = find_grid(), list_own_outputs(pipeline)
    if grid is None or not outputs or run_params.get("only_missing_outputs"):
        return
    told = set(run_params.get("load_versions") or ())
    version = str(run_params["run_id"])
    for dataset in _find_versioned(catalog, outputs - told).values():
        pin_load_version(dataset, version)
    records = open_records(catalog)
    inputs = list_own_inputs(pipeline) & pipeline.inputs()
    found = _find_versioned(catalog, inputs - told)
    limit = version if _DATED.match(version) else generate_timestamp()
    groups = {
        name: Group(stage, _find_place(name, grid))
        for stage, key in enumerate(STAGES)
        for name in (pipelines[key].all_outputs() if key in pipelines else ())
    }
    for name, chosen in choose_versions(found, groups, grid, records, limit).items():
        pin_load_version(found[name], chosen)
    if records is not None:
        records.write_grid(version, GridRecord(grid.datasets, grid.models))


def choose_versions(
    inputs: Mapping[str, Versioned],
    groups: Mapping[str, Group],
    grid: Grid,
    records: RecordStore | None,
    limit: str,
) -> dict[str, str]:
    """Choose versions for a run's inputs; those without any version are left out.

    Args:
        inputs: Versioned datasets by name.
        groups: Group of each of Rightfit's results.
        grid: The cells of this run.
        records: Of earlier runs, among them their grids.
        limit: Newest version that counts.

    Raises:
        ConfigurationError: If no version of an input counts.
    """
    members: dict[Group, list[str]] = defaultdict(list)
    for name in sorted(inputs):
        if name in groups:
            members[groups[name]].append(name)
    chosen: dict[str, str] = {}
    newest: dict[Group, str] = {}
    for group in sorted(members, key=lambda group: -group.stage):
        later = [version for made, version in newest.items() if made.is_made_from(group)]
        made_from_it = max(later, default=None)
        counting = {
            name: _list_counting(
                name, inputs[name], group, grid, records, limit=limit, made_from_it=made_from_it
            )
            for name in members[group]
        }
        common = set.intersection(*(set(versions) for versions in counting.values()))
        for name, versions in counting.items():
            if versions:
                chosen[name] = max(common) if common else versions[0]
                newest[group] = max(newest.get(group, ""), chosen[name])
    return chosen


def _list_counting(
    name: str,
    dataset: Versioned,
    group: Group,
    grid: Grid,
    records: RecordStore | None,
    *,
    limit: str,
    made_from_it: str | None,
) -> list[str]:
    """Return the versions of an input that count, the newest first.

    ``made_from_it`` is the version of what was made from the input, ``None`` if nothing is read.
    """
    try:
        found = dataset.list_versions(full_path=False)
    except VersionNotFoundError:
        return []
    present = [version for version in found if is_no_newer(version, limit)]
    dated = [version for version in present if made_from_it is None or version <= made_from_it]
    if found and not dated:
        raise ConfigurationError(
            f"{name}: every version is newer than {made_from_it or limit}, the time of "
            f"this run or of a result made from it: {found[:3]}. Choose one with "
            f"--load-versions={name}:{found[0]}, or remove what is dated in the future."
        )
    future = [version for version in found if version not in present]
    if future:
        logger.warning("%s: versions dated in the future are not read: %s", name, future)
    fitting = [version for version in dated if _fits(version, group, grid, records)]
    if dated and not fitting:
        raise ConfigurationError(
            f"{name}: no run of this grid has made it (datasets {list(grid.datasets)}, models "
            f"{list(grid.models)}); the newest, {dated[0]}, belongs to another grid. Run: kedro "
            f"run --pipelines {','.join(STAGES[: group.stage + 1])} for this grid; what was "
            "searched and measured before is not repeated."
        )
    return fitting


def _fits(version: str, group: Group, grid: Grid, records: RecordStore | None) -> bool:
    """Tell whether a version was made for the same cells, as far as that is known."""
    is_collection = len(group.place) < 2 and group.stage != 0  # of several models
    made_for = records.read_grid(version) if records is not None and is_collection else None
    if made_for is None:
        return True
    has_models = set(made_for.models) == set(grid.models)
    if group.place:
        return has_models and group.place[0] in made_for.datasets
    return has_models and set(made_for.datasets) == set(grid.datasets)


def _find_place(name: str, grid: Grid) -> tuple[str, ...]:
    parts = name.split(".")
    if len(parts) == 1 or parts[0] not in grid.datasets:
        return ()
    is_cell = len(parts) > 2 and parts[1] in grid.models
    return tuple(parts[:2]) if is_cell else (parts[0],)


def _find_versioned(catalog: Catalog, names: Collection[str]) -> dict[str, Versioned]:
    return {
        name: dataset
        for name in sorted(names)
        if name in catalog and is_versioned(dataset := catalog.get(name))
    }
