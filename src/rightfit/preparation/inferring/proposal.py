"""Propose a dataset's block from its table: all that would be inferred, written out for review."""

from __future__ import annotations

import yaml

from rightfit.families.schema import Task
from rightfit.preparation.block import CompleteBlock, DatasetBlock, complete_block
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
    text = yaml.safe_dump(
        {name: ordered},
        default_flow_style=None,  # the innermost lists and mappings in one line
        sort_keys=False,
        allow_unicode=True,
        width=LINE_WIDTH - len(INDENT),
    )
    remarks = "".join(f"{INDENT}# {remark}\n" for remark in proposal.remarks)
    return remarks + "".join(f"{INDENT}{line}\n" for line in text.splitlines())
