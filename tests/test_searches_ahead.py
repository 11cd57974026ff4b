from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from planned import plan

from rightfit.families.family import TrainingData
from rightfit.searches_ahead import SearchHook, mark_search
from rightfit.tuning.parallel.agenda import PlannedSearch


def tune_node(search: PlannedSearch, reads: str, *, fault: str = "") -> Node:
    def plan_search(*, rows: object, n_searches: int, **_: object) -> PlannedSearch:
        assert rows == reads  # what the node reads
        if fault:
            raise ValueError(fault)
        return search

    func = partial(lambda rows: rows)
    mark_search(func, plan_search, {"rows": reads, "model": "model", "training": "training"})
    return Node(func, reads, f"{search.cell.name}.found", name=search.cell.name)


def make_catalog(*names: str, n_workers: int = 1) -> DataCatalog:
    """Return a catalog of datasets that hold their names, and of parameters."""
    training = SimpleNamespace(share_cores=lambda n_searches: (2, n_searches), n_workers=n_workers)
    params = {"model": SimpleNamespace(family="linear"), "training": training}
    values = {name: name for name in names} | params
    return DataCatalog({name: MemoryDataset(value) for name, value in values.items()})


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], int]]:
    """Note the families and threads of each fork server instead of starting it."""
    servers: list[tuple[set[str], int]] = []

    def note(families: Iterable[str], n_threads: int) -> None:
        servers.append((set(families), n_threads))

    monkeypatch.setattr("rightfit.tuning.parallel.forks.shared_fork_server", note)
    return servers


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the cells of each call instead of searching."""
    calls: list[list[str]] = []

    def note(searches: list[PlannedSearch], **_: Any) -> None:
        calls.append([one.cell.name for one in searches])

    monkeypatch.setattr("rightfit.tuning.parallel.crew.search_in_parallel", note)
    return calls


def test_cells_whose_inputs_are_there_are_searched_before_the_first_node_that_needs_one(
    blobs: TrainingData, tmp_path: Path, searched: list[list[str]]
) -> None:
    a, b, c = plan(blobs, tmp_path, 2)
    make = Node(lambda: "x", None, "x", name="make_x")
    first, second = tune_node(a, "x"), tune_node(b, "x")
    late_rows = Node(lambda found: "y", f"{a.cell.name}.found", "y", name="make_y")
    late = tune_node(c, "y")
    catalog = make_catalog("x", "y")
    hook = SearchHook()
    hook.before_pipeline_run(Pipeline([make, first, second, late_rows, late]), catalog)

    for node in (make, first, second, late_rows, late):
        hook.before_node_run(node, catalog)
        hook.after_node_run(node)

    assert searched == [["x.a", "x.b"]]  # one alone is its node's


def test_a_cell_that_cannot_be_planned_is_left_to_its_node(
    blobs: TrainingData, tmp_path: Path, searched: list[list[str]]
) -> None:
    a, b, c = plan(blobs, tmp_path, 2)
    nodes = [tune_node(a, "x"), tune_node(b, "x", fault="no such family"), tune_node(c, "x")]
    hook, catalog = SearchHook(), make_catalog("x")
    hook.before_pipeline_run(Pipeline(nodes), catalog)

    hook.before_node_run(nodes[0], catalog)

    assert searched == [["x.a", "y.a"]]


@pytest.mark.parametrize(
    ("n_cells", "n_workers", "expected"),
    [(2, 1, [({"linear"}, 2)]), (1, 2, [({"linear"}, 1)]), (1, 1, [])],
)
def test_fork_server_starts_with_a_run_that_searches_side_by_side(
    blobs: TrainingData,
    tmp_path: Path,
    searched: list[list[str]],
    started: list[tuple[set[str], int]],
    n_cells: int,
    n_workers: int,
    expected: list[tuple[set[str], int]],
) -> None:
    make = Node(lambda: "x", None, "x", name="make_x")
    searches = plan(blobs, tmp_path, 2, n_workers=n_workers)[:n_cells]
    cells = [tune_node(search, "x") for search in searches]
    catalog = make_catalog("x", n_workers=n_workers)
    hook = SearchHook()
    hook.before_pipeline_run(Pipeline([make, *cells]), catalog)

    assert started == expected
    hook.before_node_run(make, catalog)
    assert searched == []
    hook.after_node_run(make)
    hook.before_node_run(cells[0], catalog)
    assert started == expected  # once
    assert searched == [[one.cell.name for one in searches]] * bool(expected)
