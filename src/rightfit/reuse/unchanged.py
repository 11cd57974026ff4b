"""Which steps of a run are unchanged: made before, from the same inputs, and still stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.reuse.content import hash_content
from rightfit.reuse.records import ResultRecord

HINTS = "hints"  # attributes of a node's function
PARTS = "parts"

Identify = Callable[[str], str | None]
Reduce = Callable[[Any], object]
FindStored = Callable[[str], ResultRecord | None]


@dataclass(frozen=True)
class Steps:
    """What is known of a pipeline's steps before they run.

    Args:
        keys: Hash of all that each step depends on, by node name; ``None`` where that is not known.
        unchanged: Names of the nodes whose results are stored as this run would make them.
        wholes: As ``keys``, with hints and whole parameters.
        steered_otherwise: Those of the unchanged nodes whose hints, or parameters as a whole, were
            others.
    """

    keys: dict[str, str | None]
    unchanged: frozenset[str]
    wholes: dict[str, str]
    steered_otherwise: frozenset[str]


def compare_steps(
    pipeline: Pipeline,
    *,
    constants: object,
    version: str,
    identify: Identify,
    load: Callable[[str], object],
    find_stored: FindStored,
    may_keep: Callable[[Node], bool],
) -> Steps:
    """Compare every step with what is stored.

    A step is unchanged if all its results are stored and were made from what it would read now.
    Results tell themselves apart by their versions.

    Args:
        pipeline: What is to run.
        constants: What every step depends on, as JSON: code, libraries, machine.
        version: Version that this run saves.
        identify: Returns what tells one content of an input from another, for inputs that no step
            of the pipeline makes: parameters, tables, results of earlier runs. ``None``: unknown.
        load: Loads a parameter of which a step depends on a part only, see :func:`mark_part`.
        find_stored: Returns the record of a result that is still stored.
        may_keep: Whether a node may be left out at all.
    """
    keys: dict[str, str | None] = {}
    wholes: dict[str, str] = {}
    unchanged: set[str] = set()
    otherwise: set[str] = set()
    made: dict[str, str] = {}
    for node in pipeline.nodes:  # each after those it depends on
        read = {name: made[name] if name in made else identify(name) for name in node.inputs}
        parts: dict[str, Reduce] = getattr(node.func, PARTS, {})
        found = {
            name: hash_content(parts[name](load(name))) if name in parts else identity
            for name, identity in read.items()
            if name not in getattr(node.func, HINTS, ())
        }
        is_known = all(identity is not None for identity in found.values())
        key = hash_content([node.name, constants, found]) if is_known else None
        keys[node.name], wholes[node.name] = key, hash_content(read)
        records = [find_stored(name) for name in node.outputs]
        is_stored = all(record is not None and record.key == key for record in records)
        if key is not None and records and is_stored and may_keep(node):
            unchanged.add(node.name)
            if any(record.whole != wholes[node.name] for record in records if record):
                otherwise.add(node.name)
            made |= {record.result: identify_result(record) for record in records if record}
        else:
            made |= {
                name: identify_result(ResultRecord(name, "", version)) for name in node.outputs
            }
    return Steps(keys, frozenset(unchanged), wholes, frozenset(otherwise))


def mark_hints(func: Callable[..., object], names: Iterable[str]) -> None:
    """Name inputs that only help a node's function: when they change, it need not run again."""
    setattr(func, HINTS, frozenset(names))


def mark_part(func: Callable[..., object], name: str, reduce: Reduce) -> None:
    """Name the part of a parameter that a node's function depends on.

    When another part changes, the function need not run again.

    Args:
        func: The node's function.
        name: Name of the input.
        reduce: Returns the part as plain JSON, given the parameter.
    """
    setattr(func, PARTS, getattr(func, PARTS, {}) | {name: reduce})


def identify_result(record: ResultRecord) -> str:
    """Return what tells a stored result from another of the same name."""
    return f"{record.result}@{record.version}"
