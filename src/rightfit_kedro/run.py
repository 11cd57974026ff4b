"""How a pipeline with Rightfit's nodes runs: Kedro's public seams, a session class and a runner.

The session gives a run its default runner. The runner carries out searches side by side, shows how
far it is, and records the files of each result. A runner that is named with ``--runner`` does none
of it, as in any project.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import click
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import DatasetNotFoundError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner, Task
from kedro.validation import ParameterValidationError
from pluggy import PluginManager
from pydantic import BaseModel
from rich.console import Console

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import format_seconds
from rightfit._core.spelling import suggest
from rightfit.api.progress_line import showing_progress
from rightfit_kedro.configuration import DEFAULT_PIPELINE, ConfigurationError
from rightfit_kedro.explain import name_file
from rightfit_kedro.kedro_private import (
    Catalog,
    find_versioned_path,
    is_async,
    is_versioned,
)
from rightfit_kedro.nodes import (
    NodeFunction,
    find_place,
    find_stage,
    find_unknown_names,
    holds_own,
    is_own,
)
from rightfit_kedro.progress import RunDisplay, RunStep
from rightfit_kedro.result_records import RecordStore, open_records

if TYPE_CHECKING:
    from rightfit_search.searching.parallel.planned_search import PlannedSearch
    from rightfit_search.searching.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

MODEL = "params:models."  # whoever reads such an input trains or measures a model
APPLICATIONS, ROWS = "params:applications", ".rows"
SLOW_STAGES = ("training", "evaluation")


class RightfitSession(KedroSession):
    """Kedro's session, whose default runner is Rightfit's.

    Runs of other pipelines, and runs with another runner, are as in Kedro.
    """

    def run(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Run a pipeline, with the options of Kedro's session.

        Raises:
            ConfigurationError: If it names a pipeline that there is not, or a node, namespace, tag
                or dataset that its pipelines lack, or a typed parameter is not right.
        """
        arguments = inspect.signature(super().run).bind(*args, **options).arguments
        runner = arguments.get("runner")
        if runner is None or type(runner) is SequentialRunner:  # what kedro run passes
            arguments["runner"] = RightfitRunner(is_async=runner is not None and is_async(runner))
        try:
            return super().run(**arguments)
        except ParameterValidationError as err:  # of nodes that read typed parameters
            raise ConfigurationError(f"{err}\nCorrect conf/*/parameters*.yml.") from err
        except (ValueError, DatasetNotFoundError) as err:
            # Kedro refuses a name that its pipelines lack with a traceback
            names = arguments.get("pipeline_names") or [
                arguments.get("pipeline_name") or DEFAULT_PIPELINE
            ]
            present = [name for name in names if name in pipelines]
            unknown = [
                f"--pipelines {name}: there is no such pipeline{suggest(name, pipelines)}. There "
                f"are {', '.join(sorted(pipelines))}."
                for name in names
                if name not in pipelines
            ]
            pipeline = sum((pipelines[name] for name in present or pipelines), Pipeline([]))
            unknown = unknown or find_unknown_names(arguments, pipeline)
            if unknown and holds_own(pipeline):
                raise ConfigurationError("\n".join(unknown)) from err
            raise


class RightfitRunner(SequentialRunner):
    """Runs nodes in order, Rightfit's searches side by side.

    A pipeline without nodes of Rightfit runs as with Kedro's own runner.
    """

    def __str__(self) -> str:
        """Name the runner; kedro-viz tracks runs by the sequential one's name in this text."""
        return f"<{type(self).__name__}, a kedro.runner.sequential_runner.SequentialRunner object>"

    # Kedro's documented place for a runner's own order of nodes
    def _run(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        if not holds_own(pipeline):
            super()._run(pipeline, catalog, hook_manager, run_id)
            return
        nodes, records = pipeline.nodes, open_records(catalog)
        refuse_model_faults(nodes, catalog)
        searches = Searches(nodes, catalog)
        n_loads = Counter(chain.from_iterable(node.inputs for node in nodes))
        with showing(nodes) as display:
            is_judgeable = False
            for n_done, node in enumerate(nodes):
                if not is_judgeable and find_stage(node) in SLOW_STAGES:
                    refuse_unjudgeable(nodes, catalog)
                    is_judgeable = True
                if display is not None and is_own(node):
                    display.begin(find_step(node))
                try:
                    searches.carry_out_for(node, display)
                    Task(node, catalog, self._is_async, hook_manager, run_id).execute()
                except Exception:
                    self._suggest_resume_scenario(pipeline, set(nodes[:n_done]), catalog)
                    raise
                record_outputs(node, catalog, records)
                if display is not None and is_own(node):
                    display.end(find_step(node))
                logger.debug("Completed node: %s (%d of %d)", node.name, n_done + 1, len(nodes))
                self._release_datasets(node, catalog, n_loads, pipeline)


def record_outputs(node: Node, catalog: Catalog, records: RecordStore) -> None:
    """Record the files of what an own node has written, so that damage to them is noticed."""
    for name in node.outputs if is_own(node) else ():
        dataset = catalog.get(name)
        if is_versioned(dataset):
            version = str(dataset.resolve_save_version())
            path = find_versioned_path(dataset, version)
            if path is not None and path.exists():
                records.write_result(name, version, path)


def refuse_model_faults(nodes: list[Node], catalog: Catalog) -> None:
    """Check the models' settings by their families, where any model is trained or measured.

    That imports the families' libraries.

    Raises:
        ConfigurationError: Naming every setting that a family does not know or cannot take.
    """
    from rightfit_kedro.validation import find_model_faults

    own_nodes = [node for node in nodes if is_own(node)]
    parameters = catalog.get("parameters")
    if parameters is None or not any(
        n.startswith(MODEL) for node in own_nodes for n in node.inputs
    ):
        return
    blocks = {  # Kedro has made models of what typed nodes read
        name: block.model_dump(exclude_unset=True) if isinstance(block, BaseModel) else block
        for name, block in parameters.load().items()
    }
    faults = list(find_model_faults(blocks, {find_stage(node) for node in own_nodes}))
    if faults:
        raise ConfigurationError("\n".join(faults))


def refuse_unjudgeable(nodes: list[Node], catalog: Catalog) -> None:
    """Try metrics and columns (``per``) of applications on the datasets that will be measured.

    Raises:
        ConfigurationError: Naming each application whose metric or column fits no dataset.
    """
    from rightfit.api.stored_qualities import require_judgeable
    from rightfit.params.applications import ApplicationsParams

    inputs = chain.from_iterable(node.inputs for node in nodes if find_stage(node) == "evaluation")
    names = {name.removesuffix(ROWS) for name in inputs if name.endswith(ROWS)}
    if not names:
        return
    applications = ApplicationsParams.model_validate(catalog.load(APPLICATIONS))
    asking = {name: block for name, block in applications.items() if block.has_own_quality}
    faults: dict[str, list[str]] = {}
    for dataset in sorted(names) if asking else ():
        rows, card = catalog.load(f"{dataset}{ROWS}"), catalog.load(f"{dataset}.data_card")
        for name, application in asking.items():
            try:
                require_judgeable({name: application}, rows, rows["label"], card.task)
            except RightfitError as err:
                faults.setdefault(name, []).append(str(err))
    lines = [
        name_file(fault, "applications")
        for of_datasets in faults.values()
        if len(of_datasets) == len(names)
        for fault in dict.fromkeys(of_datasets)
    ]
    if lines:
        raise ConfigurationError("\n".join(lines))


@contextlib.contextmanager
def showing(nodes: list[Node]) -> Iterator[RunDisplay | None]:
    """Show how far a run is while the block runs, unless it is quiet.

    A command's run has a display in a terminal; one in a notebook or a script has a line.
    """
    console = Console(stderr=True)
    steps = [find_step(node) for node in nodes if is_own(node)]
    is_quiet = logging.getLogger("rightfit").getEffectiveLevel() >= logging.WARNING
    is_command = click.get_current_context(silent=True) is not None
    if not steps or not is_command or not console.is_terminal or is_quiet:
        with showing_progress(None if steps and not is_quiet else False):
            yield None
        return
    display = RunDisplay(steps)
    with display.shown(console):
        yield display


def find_step(node: Node) -> RunStep:
    """Return the stage of one of Rightfit's nodes, and the cell or dataset that it is about."""
    return RunStep(find_stage(node), find_place(node))


class Searches:
    """The searches of a run, carried out side by side before the first node that needs one.

    Each node searches one cell. When the first is due, all whose inputs are there are searched at
    once, and the nodes find theirs finished; so is a single search with several workers. A search
    that could not be planned here, or broke, is its node's own.

    Their processes are forked from one that imports for seconds. Where a cell was never searched it
    starts with the run, so that it imports while tables are read and encoded.

    Args:
        nodes: Of the run, in the order in which they run.
        catalog: Of the run.
    """

    def __init__(self, nodes: list[Node], catalog: Catalog) -> None:
        self._nodes = nodes
        self._catalog = catalog
        self._waiting = {
            node: node.func
            for node in nodes
            if isinstance(node.func, NodeFunction) and node.func.plan
        }
        if not self._waiting:
            return
        searching = list(self._waiting.values())
        self._training = self._load(searching[0], "training")  # the same for all
        studies: StudyStore = self._load(searching[0], "studies")
        is_first = any(studies.cell(find_place(node)).is_empty for node in self._waiting)
        if is_first and self._is_spread(len(searching)) and self._training.cluster is None:
            from rightfit_search.searching.parallel.forked_workers import shared_fork_server

            families = [self._load(func, "model").family for func in searching]
            _, n_threads = self._training.share_cores(len(searching))
            shared_fork_server(families, n_threads)

    def carry_out_for(self, node: Node, display: RunDisplay | None = None) -> None:
        """Search all cells whose inputs are there, if this node needs a search."""
        if node not in self._waiting:
            return
        rest = self._nodes[self._nodes.index(node) :]  # those before it have run
        to_come = {name for node in rest for name in node.outputs}
        ready = {
            node: func for node, func in self._waiting.items() if not to_come & set(node.inputs)
        }
        self._waiting = {node: func for node, func in self._waiting.items() if node not in ready}
        searches = self._plan(ready) if self._is_spread(len(ready)) else []
        if not self._is_spread(len(searches)):
            return  # the node's own process is enough
        from rightfit_search.searching.parallel.side_by_side import search_in_parallel
        from rightfit_search.searching.studies.budget import GUARD

        budget_s, n_at_once = searches[0].settings.budget_cpu_s, searches[0].n_at_once
        wall_s = None if budget_s is None else len(searches) * budget_s / n_at_once
        if display is not None:
            display.expect_search(wall_s)
        elif wall_s is not None:  # a log shows nothing until they are over
            logger.info(
                "Training in the searches usually takes %s, up to %s on a slow machine, and longer "
                "on a busy one; starting workers, final trainings and exports come on top",
                format_seconds(wall_s),
                format_seconds(GUARD * wall_s),
            )
        search_in_parallel(searches)
        if display is not None:
            display.expect_search(None)

    def _is_spread(self, n_searches: int) -> bool:
        """Tell whether so many searches are carried out in processes of their own."""
        if not n_searches:
            return False
        return self._training.cluster is not None or n_searches * self._training.n_jobs > 1

    def _plan(self, nodes: Mapping[Node, NodeFunction]) -> list[PlannedSearch]:
        """Plan the nodes' searches; those that are over, or cannot be planned, are left out."""
        from rightfit_search.searching.search import is_over

        searches: dict[str, list[PlannedSearch]] = {}  # by dataset
        load = functools.cache(self._catalog.load)  # cells of a dataset share its tables
        for node, func in nodes.items():
            plan = cast("Callable[..., PlannedSearch]", func.plan)
            inputs = {key: load(name) for key, name in func.inputs.items()}
            try:
                search = plan(**inputs, n_searches=len(nodes))
                if not is_over(search.cell, search.settings, search.store):
                    siblings = searches.setdefault(search.dataset, [])
                    siblings.append(search.with_rows_of(siblings[0]) if siblings else search)
            except Exception as err:  # families and datasets may raise anything; the node will tell
                logger.debug("%s is left to its node: %s", node.name, err)
        return [search for of_dataset in searches.values() for search in of_dataset]

    def _load(self, func: NodeFunction, argument: str) -> Any:
        return self._catalog.load(func.inputs[argument])
