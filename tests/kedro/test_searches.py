from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories.planned_searches import plan
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node

from rightfit_kedro.nodes import NodeFunction
from rightfit_kedro.run import Searches
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.parallel.planned_search import PlannedSearch
from rightfit_search.searching.studies.study_store import STUDIES_FILE, StudyStore


def search_cell(rows: str) -> str:
    return rows


def tune_node(search: PlannedSearch, reads: str, *, fault: str = "") -> Node:
    def plan_search(*, rows: object, n_searches: int, **_: object) -> PlannedSearch:
        assert rows == reads  # what the node reads
        if fault:
            raise ValueError(fault)
        return search

    inputs = {name: name for name in ("model", "training", "studies")} | {"rows": reads}
    func = NodeFunction(search_cell, plan=plan_search, inputs=inputs)
    return Node(func, reads, f"{search.cell.name}.found", name=search.cell.name)


def make_catalog(
    *names: str, n_jobs: int = 1, cluster: str | None = None, studies: Path = Path("nowhere")
) -> DataCatalog:
    """Return a catalog of datasets that hold their names, and of parameters."""
    training = SimpleNamespace(
        share_cores=lambda n_searches: (2, n_searches), n_jobs=n_jobs, cluster=cluster
    )
    params = {
        "model": SimpleNamespace(family="linear"),
        "training": training,
        "studies": StudyStore(studies, None),
    }
    values = {name: name for name in names} | params
    return DataCatalog({name: MemoryDataset(value) for name, value in values.items()})


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], int]]:
    """Note the families and threads of each fork server instead of starting it."""
    servers: list[tuple[set[str], int]] = []

    def note(families: Iterable[str], n_threads: int) -> None:
        servers.append((set(families), n_threads))

    monkeypatch.setattr(
        "rightfit_search.searching.parallel.forked_workers.shared_fork_server", note
    )
    return servers


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the cells of each call instead of searching."""
    calls: list[list[str]] = []

    def note(searches: list[PlannedSearch], **_: Any) -> None:
        calls.append([one.cell.name for one in searches])

    monkeypatch.setattr("rightfit_search.searching.parallel.side_by_side.search_in_parallel", note)
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
    nodes = [make, first, second, late_rows, late]
    searches = Searches(nodes, catalog)

    for node in nodes:
        searches.carry_out_for(node)

    assert searched == [["x.a", "x.b"]]  # one alone is its node's


def test_a_cell_that_cannot_be_planned_is_left_to_its_node(
    blobs: TrainingData, tmp_path: Path, searched: list[list[str]]
) -> None:
    a, b, c = plan(blobs, tmp_path, 2)
    nodes = [tune_node(a, "x"), tune_node(b, "x", fault="no such family"), tune_node(c, "x")]

    Searches(nodes, make_catalog("x")).carry_out_for(nodes[0])

    assert searched == [["x.a", "y.a"]]


def test_a_single_cell_goes_to_a_cluster_and_starts_no_process_here(
    blobs: TrainingData,
    tmp_path: Path,
    searched: list[list[str]],
    started: list[tuple[set[str], int]],
) -> None:
    address = "tcp://127.0.0.1:8786"
    [search, *_] = plan(blobs, tmp_path, 2, cluster=address)
    node = tune_node(search, "x")

    Searches([node], make_catalog("x", cluster=address)).carry_out_for(node)

    assert searched == [["x.a"]]
    assert started == []


@pytest.mark.parametrize(
    ("n_cells", "n_jobs", "expected"),
    [(2, 1, [({"linear"}, 2)]), (1, 2, [({"linear"}, 1)]), (1, 1, [])],
)
def test_fork_server_starts_with_a_run_that_searches_side_by_side(
    blobs: TrainingData,
    tmp_path: Path,
    searched: list[list[str]],
    started: list[tuple[set[str], int]],
    n_cells: int,
    n_jobs: int,
    expected: list[tuple[set[str], int]],
) -> None:
    make = Node(lambda: "x", None, "x", name="make_x")
    searches = plan(blobs, tmp_path, 2, n_jobs=n_jobs)[:n_cells]
    cells = [tune_node(search, "x") for search in searches]
    catalog = make_catalog("x", n_jobs=n_jobs)
    running = Searches([make, *cells], catalog)

    assert started == expected
    running.carry_out_for(make)
    assert searched == []
    running.carry_out_for(cells[0])
    assert started == expected  # once
    assert searched == [[one.cell.name for one in searches]] * bool(expected)


def test_fork_server_waits_where_every_cell_was_searched_before(
    blobs: TrainingData, tmp_path: Path, started: list[tuple[set[str], int]]
) -> None:
    cells = [tune_node(search, "x") for search in plan(blobs, tmp_path / "searches", 2)]
    (tmp_path / STUDIES_FILE).touch()  # all cells of these nodes share a folder

    Searches(cells, make_catalog("x", studies=tmp_path))

    assert started == []
