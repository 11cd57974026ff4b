"""Values of parameters that a package has for whatever is left out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

import yaml

from rightfit._core.strict_model import read_key

FOLDER = "default_values"

RawParameters = Mapping[str, Any]
"""Blocks by name: what YAML holds. Whatever reads one expects any content of it."""

Block = dict[str, Any]


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


def read_default(block: str, package: str = __package__) -> Block:
    """Return a package's own values of a block, which the caller may change.

    Args:
        block: Its name.
        package: The package in whose folder ``default_values`` they are.
    """
    return deepcopy(_parse_default(block, package))


@functools.cache
def _parse_default(block: str, package: str) -> Block:
    file = files(package) / FOLDER / f"parameters_{block}.yml"
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
