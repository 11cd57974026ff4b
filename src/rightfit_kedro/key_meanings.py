"""What the keys of parameters mean, as the comments beside them say it in code and in YAML.

The reference's pages and the schema for editors are made from it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from rightfit.api.rank import EXAMPLES
from rightfit.params.defaults import FOLDER
from rightfit_kedro.parameters import BLOCKS


def read_block_comments(block: str) -> Mapping[tuple[str, ...], str]:
    """Return the comments in the shipped file of a block, by the path of the key that they are on.

    A block that only projects have is described by the code alone, but for the applications.
    """
    package = BLOCKS.get(block)
    if package is not None:
        return read_yaml_comments(Path(str(files(package))) / FOLDER / f"parameters_{block}.yml")
    is_shipped = block == "applications"
    return read_yaml_comments(Path(str(files("rightfit"))) / EXAMPLES) if is_shipped else {}


def find_meaning(
    model: type[BaseModel], name: str, path: str, comments: Mapping[tuple[str, ...], str]
) -> str:
    """Return what a key means, as its comment says it; empty where there is none.

    Args:
        model: The block that has it.
        name: The key.
        path: Where the block stands, as in ``models.<name> (family: imported)``.
        comments: Of the block's shipped file.
    """
    place = (*re.sub(r" .*", "", path).split("."), name)
    meaning = comments.get(place) or read_code_comments(model).get(name, "")
    is_kind = get_origin(model.model_fields[name].annotation) is Literal
    return meaning or ("says which of the forms this block has" if is_kind else "")


def find_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type, those of a root model for it."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        root = annotation.model_fields.get("root")
        if root is None:
            yield annotation
        else:
            yield from find_models(root.annotation)
        return
    for part in get_args(annotation):
        yield from find_models(part)


def read_yaml_comments(path: Path) -> Mapping[tuple[str, ...], str]:
    """Return the comments behind the keys of a file, by path; the first of a repeated model's."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    found = _read_head_comments(lines)
    stack: list[tuple[int, str]] = []
    for line in lines:
        key = re.match(r"( *)([\w.]+):(?: |$)", line)
        comment = re.search(r"(?:^|\s)# ?(.*)$", line)
        if line.lstrip().startswith("- "):
            continue
        if key:
            indent = len(key[1])
            stack = [one for one in stack if one[0] < indent] + [(indent, key[2])]
            if comment:
                found[tuple(name for _, name in stack)] = comment[1].strip()
        elif comment and stack and line.index("#") > stack[-1][0] + 8:  # goes on
            place = tuple(name for _, name in stack)
            found[place] = f"{found.get(place, '')} {comment[1].strip()}".strip()
    return found


def _read_head_comments(lines: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return what the comment at a file's head says of the keys of each of its blocks."""
    found: dict[tuple[str, ...], str] = {}
    place: tuple[str, ...] = ()
    block = next((line.removesuffix(":") for line in lines if re.match(r"\w+:$", line)), "")
    for line in lines:
        key = re.match(r"# {1,3}(\w+) {2,}(.+)$", line)
        if key:
            place = (block, "<name>", key[1])
            found[place] = key[2]
        elif place and (more := re.match(r"# {8,}(.+)$", line)):
            found[place] += f" {more[1]}"
        elif not line.startswith("#"):
            break
        else:
            place = ()
    return found


@functools.cache
def read_code_comments(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the comments beside or above the fields of a model and of those it extends."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not kind.__module__.startswith("rightfit"):
            continue
        path = Path(inspect.getfile(kind))
        comments = _read_comments(path)
        for node in _find_class(path, kind.__name__).body:
            if not isinstance(node, ast.AnnAssign):
                continue
            beside = comments.get(node.end_lineno or node.lineno, "")
            first = node.lineno
            while first - 1 in _whole(path):
                first -= 1
            above = " ".join(comments.get(line, "") for line in range(first, node.lineno))
            if (text := beside or above) and isinstance(node.target, ast.Name):
                found[node.target.id] = text
    return found


@functools.cache
def _read_comments(path: Path) -> Mapping[int, str]:
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    return {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokens
        if token.type == tokenize.COMMENT and "noqa" not in token.string
    }


@functools.cache
def _whole(path: Path) -> frozenset[int]:
    """Return the lines that hold nothing but a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(i for i, line in enumerate(lines, 1) if line.lstrip().startswith("#"))


def _find_class(path: Path, name: str) -> ast.ClassDef:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name
    )
