"""Searches of a run side by side, before the first node that needs one.

Kedro runs one node after another, and each searches one cell. So when the first of them is due, the
searches of all of them are carried out at once; the nodes then find theirs finished. So is a single
search with several workers. A search that could not be begun here, or broke, is the node's own.

Their processes are forked from one that imports for seconds. It is started with the run, so that it
imports while settings are checked and tables are read and encoded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

if TYPE_CHECKING:
    from rightfit.tuning.parallel.agenda import PlannedSearch

logger = logging.getLogger(__name__)

PLAN = "plan_search"  # attributes of a node's function
INPUTS = "search_inputs"


def mark_search(
    func: Callable[..., object], plan: Callable[..., PlannedSearch], inputs: Mapping[str, str]
) -> None:
    """Say what a node's function searches.

    ``plan`` returns the search, given the node's inputs and ``n_searches``, how many there are;
    ``inputs`` names the datasets that the node reads, by parameter of the function, among them
    ``model`` and ``training``.
    """
    setattr(func, PLAN, plan)
    setattr(func, INPUTS, dict(inputs))


class SearchHook:
    """Carries out the searches of a run side by side."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._made: set[str] = set()
        self._is_done: set[str] = set()
        self._lock = threading.Lock()

    @hook_impl(trylast=True)  # another hook leaves out what is unchanged
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Note what will run, and start what its searches are forked from."""
        self._pipeline, self._made, self._is_done = pipeline, set(), set()
        searching = _list_searching(pipeline)
        if _count_workers(searching, catalog) > 1:
            _start_fork_server(searching, catalog)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Note what is there."""
        self._made |= set(node.outputs)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol[Any, Any]) -> None:
        """Search all cells whose inputs are there, if this node needs a search."""
        if self._pipeline is None:
            return
        with self._lock:  # nodes may run in threads
            if not hasattr(node.func, PLAN) or node.name in self._is_done:
                return
            to_come = self._pipeline.all_outputs() - self._made
            due = [
                one
                for one in _list_searching(self._pipeline)
                if one.name not in self._is_done and not to_come & set(one.inputs)
            ]
            self._is_done |= {one.name for one in due}
            if _count_workers(due, catalog) > 1:
                _search(_plan(due, catalog))


def _list_searching(pipeline: Pipeline) -> list[Node]:
    return [node for node in pipeline.nodes if hasattr(node.func, PLAN)]


def _count_workers(nodes: list[Node], catalog: CatalogProtocol[Any, Any]) -> int:
    names = [getattr(node.func, INPUTS)["training"] for node in nodes]
    return sum(catalog.load(name).n_workers for name in names)


def _start_fork_server(nodes: list[Node], catalog: CatalogProtocol[Any, Any]) -> None:
    from rightfit.tuning.parallel.forks import shared_fork_server

    inputs = [getattr(node.func, INPUTS) for node in nodes]
    families = [catalog.load(one["model"]).family for one in inputs]
    _, n_threads = catalog.load(inputs[0]["training"]).share_cores(len(nodes))
    shared_fork_server(families, n_threads)


def _plan(nodes: list[Node], catalog: CatalogProtocol[Any, Any]) -> list[PlannedSearch]:
    """Plan the nodes' searches; those that are over, or cannot be planned, are left out."""
    from rightfit.tuning.search.search import is_over

    searches: dict[str, list[PlannedSearch]] = {}  # by dataset
    for node in nodes:
        plan = cast("Callable[..., PlannedSearch]", getattr(node.func, PLAN))
        inputs = {key: catalog.load(name) for key, name in getattr(node.func, INPUTS).items()}
        try:
            search = plan(**inputs, n_searches=len(nodes))
            if not is_over(search.cell, search.settings, search.store):
                others = searches.setdefault(search.dataset, [])
                others.append(search.with_rows_of(others[0]) if others else search)
        except Exception as err:  # families and datasets may raise anything; the node will tell
            logger.debug("%s is left to its node: %s", node.name, err)
    return [one for of_dataset in searches.values() for one in of_dataset]


def _search(searches: list[PlannedSearch]) -> None:
    from rightfit.tuning.parallel.crew import search_in_parallel
    from rightfit.tuning.search.progress import show_progress

    if sum(one.n_workers for one in searches) < 2:
        return  # the node's own process is enough
    budgets_s = [one.settings.budget_cpu_s for one in searches]
    known_s = [budget_s for budget_s in budgets_s if budget_s is not None]
    wall_s = sum(known_s) / searches[0].n_at_once if len(known_s) == len(budgets_s) else None
    with show_progress(wall_s) as on_trial:
        search_in_parallel(searches, on_trial=on_trial)
