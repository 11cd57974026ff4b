"""Which steps of a run are unchanged: made before, from the same inputs, and still stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.reuse.content import hash_content
from rightfit.reuse.records import ResultRecord

HINTS = "hints"  # attribute of a node's function

Identify = Callable[[str], str | None]
FindStored = Callable[[str], ResultRecord | None]


@dataclass(frozen=True)
class Steps:
    """What is known of a pipeline's steps before they run.

    Args:
        keys: Hash of all that each step depends on, by node name; ``None`` where that is not known.
        unchanged: Names of the nodes whose results are stored as this run would make them.
    """

    keys: dict[str, str | None]
    unchanged: frozenset[str]


def compare_steps(
    pipeline: Pipeline,
    *,
    constants: object,
    version: str,
    identify: Identify,
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
        find_stored: Returns the record of a result that is still stored.
        may_keep: Whether a node may be left out at all.
    """
    keys: dict[str, str | None] = {}
    unchanged: set[str] = set()
    made: dict[str, str] = {}
    for node in pipeline.nodes:  # each after those it depends on
        found = {
            name: made[name] if name in made else identify(name)
            for name in node.inputs
            if name not in getattr(node.func, HINTS, ())
        }
        is_known = all(identity is not None for identity in found.values())
        key = hash_content([node.name, constants, found]) if is_known else None
        keys[node.name] = key
        records = [find_stored(name) for name in node.outputs]
        is_stored = all(record is not None and record.key == key for record in records)
        if key is not None and records and is_stored and may_keep(node):
            unchanged.add(node.name)
            made |= {record.result: identify_result(record) for record in records if record}
        else:
            made |= {
                name: identify_result(ResultRecord(name, "", version)) for name in node.outputs
            }
    return Steps(keys, frozenset(unchanged))


def mark_hints(func: Callable[..., object], names: Iterable[str]) -> None:
    """Name inputs that only help a node's function: when they change, it need not run again."""
    setattr(func, HINTS, frozenset(names))


def identify_result(record: ResultRecord) -> str:
    """Return what tells a stored result from another of the same name."""
    return f"{record.result}@{record.version}"
