"""What Kedro itself costs at 9, 36 and 100 cells: a part of the scale-out benchmark.

One cell is run for real on the test budget, and what each node function returned is kept. Then the
whole project is run with 3 × 3, 6 × 6 and 10 × 10 cells by the same configuration, hooks, catalog
and runner, each node function answering at once with what it had returned. What is left is Kedro's
share: reading and checking the configuration, building the pipelines, resolving the catalog, and
between the nodes loading and saving real tables, JSON files and bundles. Importing the libraries is
not in it; it does not depend on the number of cells.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node, Pipeline
from omegaconf import OmegaConf

from rightfit.kedro_project.configuration import find_grid
from rightfit.kedro_project.pipelines.reporting.nodes import UTILITIES, WINNERS
from rightfit.kedro_project.run import RightfitSession
from rightfit.params.defaults import read_default

PROJECT = Path(__file__).parents[2]
PARENTS = {"datasets": "landsat", "models": "linear"}


class ReplaceFunctions:
    """A hook that puts another function in the place of each node's."""

    def __init__(self, replace: Callable[[Node], Callable[..., Any]]) -> None:
        self._replace = replace

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Replace the functions just before the first node."""
        for node in pipeline.nodes:
            node.func = self._replace(node)


def measure_overhead_s(sizes: tuple[int, ...], folder: Path) -> dict[int, float]:
    """Return the seconds of a run without the work, by number of cells."""
    bootstrap_project(PROJECT)
    returned: dict[str, Any] = {}

    def record(node: Node) -> Callable[..., Any]:
        function, name = node.func, node.func.__name__

        def recording(*args: Any, **kwargs: Any) -> Any:
            returned[name] = function(*args, **kwargs)
            return returned[name]

        return recording

    def replay(node: Node) -> Callable[..., Any]:
        answer = returned[node.func.__name__]
        if isinstance(answer, dict) and len(node.outputs) > 1:  # an output for each dataset
            grid = find_grid()
            of_dataset = next(iter(answer.values()))
            of_all = {name: answer[name] for name in (UTILITIES, WINNERS) if name in answer}
            answer = dict.fromkeys(grid.datasets if grid else (), of_dataset) | of_all
        return lambda *args, **kwargs: answer  # noqa: ARG005

    _run_s(1, folder / "recorded", record)
    return {size**2: _run_s(size, folder / f"size_{size}", replay) for size in sizes}


def _run_s(size: int, root: Path, replace: Callable[[Node], Callable[..., Any]]) -> float:
    root.mkdir()
    (root / "01_raw").symlink_to(PROJECT / "data" / "01_raw")
    params = _describe_grid(size) | {"data_root": str(root)}
    started_s = time.perf_counter()
    with (
        Path(os.devnull).open("w") as nowhere,  # what Kedro prints is still written, at its cost
        contextlib.redirect_stdout(nowhere),
        RightfitSession.create(PROJECT, env="test", runtime_params=params) as session,
    ):
        assert isinstance(session, RightfitSession)  # noqa: S101 - of the abstract session's hint
        session._hook_manager.register(ReplaceFunctions(replace))
        session.run(pipeline_names=["perf"])
    return time.perf_counter() - started_s


def _describe_grid(size: int) -> dict[str, Any]:
    """Return parameters with so many copies of one dataset and one family."""
    described: dict[str, Any] = {"grid": {}}
    for kind, parent in PARENTS.items():
        block: Any = read_default(kind).get(parent, {}) if kind == "models" else {}
        for env in ("base", "test"):
            layer: Any = OmegaConf.load(PROJECT / "conf" / env / f"parameters_{kind}.yml")
            block = OmegaConf.merge(block, layer[kind].get(parent, {}))
        names = [f"{parent}_{number}" for number in range(size)] if size > 1 else [parent]
        described["grid"][kind] = names
        described[kind] = dict.fromkeys(names, OmegaConf.to_container(block))
    return described
