"""Parameters of a project, and the library's own values of what it leaves out.

A project's value always wins. A model's block that names its family stands alone; one that does
not changes the library's block of that name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from rightfit._core.spelling import find_nearest
from rightfit.params.defaults import Block, RawParameters, merge, read_default, set_rate

BLOCKS: Mapping[str, str] = {
    "evaluation": "rightfit.params",
    "http_load": "rightfit_kedro",
    "models": "rightfit_search.searching",
    "ranking": "rightfit.params",
    "training": "rightfit_search.searching",
}
"""Blocks that the library has values for, each with the package that holds them."""

PROJECT_BLOCKS = ("applications", "datasets", "grid")
"""Blocks that only a project can have."""


def complete_parameters(parameters: RawParameters) -> Block:
    """Add the library's values to a project's parameters.

    Returns:
        The parameters that a run sees.
    """
    completed = dict(parameters)
    for block, package in BLOCKS.items():
        project_block = parameters.get(block, {})
        if isinstance(project_block, Mapping):
            completed[block] = merge(read_default(block, package), project_block)
            if block == "models":
                completed[block] |= {
                    name: model
                    for name, model in project_block.items()
                    if isinstance(model, Mapping) and "family" in model  # stands alone
                }
    completed["evaluation"] = set_rate(completed["evaluation"], parameters.get("applications"))
    return completed


def find_misspelt_blocks(names: Iterable[str]) -> dict[str, str]:
    """Find names that are most likely a misspelt block of Rightfit.

    Returns:
        The block most likely meant, by the name written. Names that are not close are a project's
        own, and so are those that contain or are part of a block's name (``model``); names that
        start with _ are templates for other blocks, as everywhere in Kedro.

    >>> find_misspelt_blocks(["trainnig", "model", "model_options", "_grid"])
    {'trainnig': 'training'}
    """
    block_names = (*BLOCKS, *PROJECT_BLOCKS)
    nearest = {
        name: find_nearest(name, block_names, cutoff=0.8)
        for name in names
        if name not in block_names and not name.startswith("_")
    }
    return {
        name: near
        for name, near in nearest.items()
        if near is not None and name not in near and near not in name
    }


def find_values(block: Any, names: Collection[str], key_path: str) -> Iterator[tuple[str, Any]]:
    """Yield what keys of some names hold, anywhere in a block, each with its place.

    >>> list(find_values({"replay": {"n_jobs": 2}, "seed": 7}, ["n_jobs"], "study"))
    [('study.replay.n_jobs', 2)]
    """
    if not isinstance(block, Mapping):
        return
    for name, value in block.items():
        if name in names:
            yield f"{key_path}.{name}", value
        else:
            yield from find_values(value, names, f"{key_path}.{name}")
