"""Parameters as the configuration says them, and the library's own values of what it leaves out.

A project's value always wins. A model's block that names its family stands alone; one that does
not changes the library's block of that name.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

import yaml

from rightfit._core.spelling import find_nearest
from rightfit._core.strict_model import read_key

FOLDER = "params/default_values"
BLOCKS = (
    "evaluation",
    "http_load",
    "models",
    "ranking",
    "training",
)
"""Blocks that the library has values for."""

PROJECT_BLOCKS = ("applications", "datasets", "grid")
"""Blocks that only a project can have."""

RawParameters = Mapping[str, Any]
"""Blocks by name: what YAML holds. Whatever reads one expects any content of it."""

Block = dict[str, Any]


def complete_parameters(parameters: RawParameters) -> Block:
    """Add the library's values to a project's parameters.

    Returns:
        The parameters that a run sees.
    """
    completed = dict(parameters)
    for block in BLOCKS:
        project_block = parameters.get(block, {})
        if isinstance(project_block, Mapping):
            completed[block] = merge(read_default(block), project_block)
            if block == "models":
                completed[block] |= {
                    name: model
                    for name, model in project_block.items()
                    if isinstance(model, Mapping) and "family" in model  # stands alone
                }
    completed["evaluation"] = set_rate(completed["evaluation"], parameters.get("applications"))
    return completed


def find_rates(applications: object) -> dict[str, float]:
    """Return the rate that each application names, in requests/s; wrong values are left out."""
    blocks = applications if isinstance(applications, Mapping) else {}
    rates = {}
    for name, block in blocks.items():
        rate = read_key(block, "rate_per_s")
        if isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0:
            rates[str(name)] = float(rate)
    return rates


def set_rate(evaluation: Any, applications: object) -> Any:
    """Let every preset measure under load at the rate that applications name.

    A preset without load tests gets those of ``standard``. At a lower rate than the preset's the
    same number of requests takes longer. Nothing changes where no rate is named, or several are:
    the checks report these.
    """
    rates = set(find_rates(applications).values())
    presets = evaluation.get("presets") if isinstance(evaluation, Mapping) else None
    if len(rates) != 1 or not isinstance(presets, Mapping):
        return evaluation
    servers = {
        name: dict(preset["server"])
        for name, preset in presets.items()
        if isinstance(preset, Mapping) and isinstance(preset.get("server"), Mapping)
    }
    (rate_per_s,) = rates
    changed = {}
    for name, server_block in servers.items():
        server = (
            server_block
            if server_block.get("n_processes")
            else servers.get("standard", server_block)
        )
        usual, max_s = server.get("rate_per_s"), server.get("max_s")
        if isinstance(usual, int | float) and isinstance(max_s, int | float):
            server = server | {"max_s": max_s * max(1.0, usual / rate_per_s)}
        changed[name] = {"server": server | {"rate_per_s": rate_per_s}}
    return merge(evaluation, {"presets": changed})


def read_default(block: str) -> Block:
    """Return the library's values of a block, which the caller may change."""
    return deepcopy(_parse_default(block))


@functools.cache
def _parse_default(block: str) -> Block:
    file = files("rightfit") / FOLDER / f"parameters_{block}.yml"
    values: Block = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)[block]
    return values


def merge(default: Mapping[str, Any], project_block: RawParameters) -> Block:
    """Merge two blocks key by key; lists are replaced.

    >>> merge({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2, 3]}})
    {'a': {'b': 1, 'c': [2, 3]}}
    """
    merged = dict(default)
    for key, value in project_block.items():
        default_value = merged.get(key)
        are_mappings = isinstance(value, Mapping) and isinstance(default_value, Mapping)
        merged[key] = merge(default_value, value) if are_mappings else value  # type: ignore[arg-type]
    return merged


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
