"""Say what is wrong with a block of parameters, and show the right form from a block that is right.

Pydantic's own report names the key, but not what belongs there. The configuration mostly holds
other blocks of the same kind, so one of them serves as the example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from rightfit._core.spelling import find_nearest
from rightfit._core.strict_model import word_fault

MAX_EXAMPLE = 120  # characters

Path = tuple[str | int, ...]


def explain_faults(
    kind: str,
    blocks: Mapping[str, Any],
    names: Iterable[str],
    model: type[BaseModel],
    *,
    misnamed: Mapping[str, str] | None = None,
) -> list[str]:
    """Describe every fault in blocks of one kind.

    Args:
        kind: Name of the parameter, such as ``datasets``; empty if each block is a parameter.
        blocks: All its blocks by name; those that are not checked may serve as examples.
        names: Blocks to check.
        model: What each of them must fit.
        misnamed: Keys, with the names of what holds them, that the model can't know to be wrong,
            and what is wrong with them. Missing fields under a misnamed key are not reported.

    Returns:
        One line per fault: the key, what is wrong with it, and what is right.
    """
    misnamed = misnamed or {}
    faults = [f"{key} {fault}" for key, fault in misnamed.items()]
    for name in names:
        try:
            model.model_validate(blocks[name])
        except ValidationError as err:
            other_blocks = {other: block for other, block in blocks.items() if other != name}
            where = f"{kind}.{name}" if kind else name
            misspelt = _pair_misspelt(err.errors())
            faults += [
                _explain(where, fault, blocks[name], other_blocks, misspelt, model)
                for fault in err.errors()
                if fault["type"] != "missing"
                or not (
                    fault["loc"] in misspelt.values() or _join(where, fault["loc"][:-1]) in misnamed
                )
            ]
    return list(dict.fromkeys(faults))


def _pair_misspelt(faults: Iterable[Any]) -> dict[Path, Path]:
    """Return the missing key that each unknown one beside it most likely is."""
    unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    missing = [fault["loc"] for fault in faults if fault["type"] == "missing"]
    pairs = {}
    for path in unknown:
        beside = [str(other[-1]) for other in missing if other[:-1] == path[:-1]]
        nearest = find_nearest(str(path[-1]), beside)
        if nearest is not None:
            pairs[path] = (*path[:-1], nearest)
    return pairs


def _join(where: str, path: Path) -> str:
    return ".".join([where, *map(str, path)])


def _explain(
    where: str,
    fault: Any,
    block: object,
    other_blocks: Mapping[str, Any],
    misspelt: Mapping[Path, Path],
    model: type[BaseModel],
) -> str:
    path: Path = fault["loc"]
    forms = [  # pydantic adds the types of a value's alternatives to its keys
        position
        for position, step in enumerate(path)
        if isinstance(step, str) and ("[" in step or step[:1].isupper())
    ]
    path = path[: forms[0]] if forms else path
    key = _join(where, path)
    example = _find_example(path, other_blocks)
    if forms:
        return f"{key} has none of its possible forms{example}"
    if fault["type"] == "extra_forbidden":
        holders = [_follow(path[:-1], block) for block in other_blocks.values()]
        keys = sorted(
            {
                str(key)
                for container in holders
                if isinstance(container, Mapping)
                for key in container
            }
        )
        holder = _follow(path[:-1], block)  # with the defaults it holds what else there is
        beside = sorted({*map(str, holder)} - {path[-1]}) if isinstance(holder, Mapping) else []
        near = misspelt[path][-1] if path in misspelt else None
        fields = _list_fields(model, path[:-1])
        for names in (keys, beside, fields):
            near = near or find_nearest(str(path[-1]), names)
        hint = f"; did you mean {near!r}?" if near else f"; others have {keys}" if keys else ""
        return f"{key} is unknown{hint}"
    if fault["type"] == "missing":
        return f"{key} is missing{example}"
    return f"{key}: {word_fault(fault)}{example}"


def _list_fields(kind: Any, path: Path) -> list[str]:
    """Return the fields of the model at a path inside another one; empty where there is none."""
    for step in path:
        fields = getattr(kind, "model_fields", None)
        if fields is not None:
            kind = fields[step].annotation if step in fields else None
        else:  # a mapping's values, or a list's items
            kind = get_args(kind)[-1] if get_args(kind) else None
        if type(None) in get_args(kind):
            kind = next(one for one in get_args(kind) if one is not type(None))
    return list(getattr(kind, "model_fields", ()))


def _find_example(path: Path, other_blocks: Mapping[str, Any]) -> str:
    """Return how another block writes the same key, ready to be copied; empty if none does."""
    for name, block in other_blocks.items():
        holder = _follow(path[:-1], block)
        value = holder.get(path[-1]) if path and isinstance(holder, Mapping) else None
        if value not in (None, [], {}):
            line = {path[-1]: value}
            text = yaml.safe_dump(line, default_flow_style=True, sort_keys=False, width=10**6)
            if len(text) <= MAX_EXAMPLE:
                return f"; {name} has {text.strip()[1:-1]}"
    return ""


def _follow(path: Path, block: Any) -> Any:
    """Follow a path in another block; where its own names differ, the first one stands for all."""
    for step in path:
        if isinstance(block, Mapping) and block:
            block = block[step] if step in block else next(iter(block.values()))
        elif isinstance(block, list) and block:
            block = block[0]
        else:
            return None
    return block
