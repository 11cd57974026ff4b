"""Which versions a run reads: what it made itself, what it was told, or what belongs together.

Kedro loads the newest version of each result, whoever wrote it. Two runs on one data root would mix
their results, one that a wrong clock has named would always win, and a ranking would take the
profiles of another grid. So before a run its versions are chosen:

- What the run writes is read in the version it writes, which sorts behind those of all runs before,
  also where the clock has gone back since.
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
from kedro.io.core import VersionNotFoundError
from kedro.pipeline import Pipeline

from rightfit_kedro.configuration import ConfigurationError, find_grid
from rightfit_kedro.grid import Grid
from rightfit_kedro.kedro_private import Catalog, Versioned, is_versioned, pin_versions
from rightfit_kedro.nodes import list_own_inputs, list_own_outputs
from rightfit_kedro.result_records import GRID, GridRecord, RecordStore, open_records

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
        cell: Dataset and model; shorter for what several cells share.
    """

    stage: int
    cell: tuple[str, ...]

    def is_made_from(self, other: Group) -> bool:
        """Tell whether it may have been made from another group."""
        n_common = min(len(self.cell), len(other.cell))
        return self.stage > other.stage and self.cell[:n_common] == other.cell[:n_common]


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
    chosen_by_hand = set(run_params.get("load_versions") or ())
    records, run_id = open_records(catalog), str(run_params["run_id"])
    version = records.name_run(run_id)
    if version != run_id:
        logger.warning(
            "The clock says %s, but an earlier run is dated later: the clock has gone back since, "
            "or was ahead then. The results of this run are named %s, so that they count as the "
            "newest. Correct the clock if it is wrong now; otherwise there is nothing to do.",
            run_id,
            version,
        )
    inputs = list_own_inputs(pipeline) & pipeline.inputs()
    for dataset in _find_versioned(catalog, inputs | outputs).values():
        pin_versions(dataset, save=version)
    for dataset in _find_versioned(catalog, outputs - chosen_by_hand).values():
        pin_versions(dataset, load=version)
    datasets = _find_versioned(catalog, inputs - chosen_by_hand)
    limit = version if _DATED.match(version) else records.find_newest()
    groups = {
        name: Group(stage, _find_cell(name, grid))
        for stage, key in enumerate(STAGES)
        for name in (pipelines[key].all_outputs() if key in pipelines else ())
    }
    for name, chosen in choose_versions(datasets, groups, grid, records, limit).items():
        pin_versions(datasets[name], load=chosen)
    records.put(GRID + version, GridRecord(grid.datasets, grid.models))


def choose_versions(
    inputs: Mapping[str, Versioned],
    groups: Mapping[str, Group],
    grid: Grid,
    records: RecordStore,
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
    for name in sorted(inputs.keys() & groups.keys()):
        members[groups[name]].append(name)
    chosen: dict[str, str] = {}
    newest: dict[Group, str] = {}
    for group in sorted(members, key=lambda group: -group.stage):
        later = [version for earlier, version in newest.items() if earlier.is_made_from(group)]
        counting = {}
        for name in members[group]:
            dated = _list_dated(name, inputs[name], limit, max(later, default=None))
            counting[name] = [version for version in dated if _fits(version, group, grid, records)]
            if dated and not counting[name]:
                raise ConfigurationError(
                    f"{name}: no run of this grid has made it (datasets {list(grid.datasets)}, "
                    f"models {list(grid.models)}); the newest, {dated[0]}, belongs to another "
                    f"grid. Run: kedro run --pipelines {','.join(STAGES[: group.stage + 1])} for "
                    "this grid; what was searched and measured before is not repeated."
                )
        common = set.intersection(*map(set, counting.values()))
        for name, versions in counting.items():
            if versions:
                chosen[name] = max(common) if common else versions[0]
                newest[group] = max(newest.get(group, ""), chosen[name])
    return chosen


def _list_dated(name: str, dataset: Versioned, limit: str, made_from_it: str | None) -> list[str]:
    """Return the versions of an input up to a limit, the newest first.

    ``made_from_it`` is the version of what was made from the input, ``None`` if nothing is read.
    """
    try:
        versions = dataset.list_versions(full_path=False)
    except VersionNotFoundError:
        return []
    present = [version for version in versions if is_no_newer(version, limit)]
    dated = [version for version in present if made_from_it is None or version <= made_from_it]
    if versions and not dated:
        raise ConfigurationError(
            f"{name}: every version is newer than {made_from_it or limit}, the time of "
            f"this run or of a result made from it: {versions[:3]}. Correct the clock if it has "
            f"gone back; otherwise choose one with --load-versions={name}:{versions[0]}, or remove "
            "what is dated in the future."
        )
    if len(present) < len(versions):
        future = [version for version in versions if version not in present]
        logger.warning("%s: versions dated in the future are not read: %s", name, future)
    return dated


def _fits(version: str, group: Group, grid: Grid, records: RecordStore) -> bool:
    """Tell whether a version was made for the same cells, as far as that is known."""
    is_collection = len(group.cell) < 2 and group.stage != 0  # of several models
    made_for = records.get(GRID + version, GridRecord)
    if made_for is None or not is_collection:
        return True
    if set(made_for.models) != set(grid.models):
        return False
    if group.cell:
        return group.cell[0] in made_for.datasets
    return set(made_for.datasets) == set(grid.datasets)


def _find_cell(name: str, grid: Grid) -> tuple[str, ...]:
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
