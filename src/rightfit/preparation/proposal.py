"""Propose a dataset's block from its table: all that would be inferred, written out for review."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from rightfit.families.schema import Task
from rightfit.preparation.block import CompleteBlock, complete_block
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.spec import Target
from rightfit.preparation.tables import Table

LINE_WIDTH = 100
INDENT = "  "


def describe_dataset(
    frame: Table, *, entry: str, target: Target, task: Task | None = None
) -> CompleteBlock:
    """Describe a dataset of one table completely.

    Returns:
        The description, and remarks such as columns that are left out.

    Raises:
        ValueError: If the target is no column, or cannot be predicted.
    """
    block = DatasetBlock(tables={entry: entry}, target=target, task=task)
    return complete_block(block, {entry: frame}, dataset_name=entry)


def write_block(name: str, proposal: CompleteBlock) -> str:
    """Write a description as a block of ``parameters_datasets.yml``, below its ``datasets:``.

    What has its default value is left out; remarks are comments above the block.
    """
    spec = proposal.spec
    content = spec.model_dump(mode="json", exclude_defaults=True)
    names = list(spec.tables)
    content["tables"] = names if names == list(spec.tables.values()) else spec.tables
    order = ("title", "tables", "task", "target", "schemas", "features", "split", "validation")
    ordered = {key: content[key] for key in (*order, *content) if key in content}
    remarks = "".join(f"{INDENT}# {remark}\n" for remark in proposal.remarks)
    return remarks + write_named("datasets", {name: ordered})


def write_named(kind: str, blocks: Mapping[str, Any]) -> str:
    """Write blocks as they stand below their kind, such as ``datasets:``, that line left out."""
    return write_yaml({kind: blocks}).partition("\n")[2]


def write_yaml(content: Any) -> str:
    r"""Write parameters so that Kedro's configuration loader reads the same, texts as texts.

    >>> print(write_yaml({"target": {"classes": ["1e3", "no", "${price}"]}}))
    target:
      classes: ['1e3', 'no', '\${price}']
    <BLANKLINE>
    """
    text: str = yaml.dump(
        content,
        Dumper=_ParameterDumper,
        default_flow_style=None,  # the innermost lists and mappings in one line
        sort_keys=False,
        allow_unicode=True,
        width=LINE_WIDTH,
    )
    return text


class _ParameterDumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml ships no types
    """PyYAML's dumper for OmegaConf's loader, which knows more numbers, and ``${...}``."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style)


_ParameterDumper.add_representer(str, _represent_text)
# Texts that begin like a number are quoted, as if they had a tag of their own.
_ParameterDumper.add_implicit_resolver("!number", re.compile(r"[-+.\d]"), list("-+.0123456789"))
