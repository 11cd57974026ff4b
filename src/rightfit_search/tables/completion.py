"""A dataset's description completed from its tables, and written out for review.

One block ``datasets.<name>`` of the parameters is one :class:`DatasetBlock`. It needs ``tables``
and ``target``; what else it leaves out is inferred from the tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import yaml

from rightfit._core.errors import RightfitError, raise_faults
from rightfit._core.frames import Table
from rightfit._core.processes.codec import hash_json
from rightfit._core.strict_model import StrictModel
from rightfit.data.request_path.number_texts import describe_number_texts
from rightfit.models.quality.bounds import complete_quality
from rightfit.models.quality.params import QualityBlock
from rightfit_search.tables.description import (
    MAX_SHOWN,
    DatasetBlock,
    DatasetSpec,
    describe_no_number,
    find_inconsistencies,
    find_structure_faults,
)
from rightfit_search.tables.description_parts import (
    ALL_OTHERS,
    ColumnSplit,
    Features,
    TableSchema,
    Target,
    expand_names,
)
from rightfit_search.tables.inference import (
    infer_classes,
    infer_features,
    infer_schema,
    infer_split,
    infer_task,
    note_alike_classes,
    note_copies,
    note_decimal,
    note_rare_class,
    note_repeated_identifiers,
    note_repeated_names,
    note_task_choice,
)
from rightfit_search.tables.tables import cast_without_loss

LINE_WIDTH = 100
INDENT = "  "
N_KEY_DIGITS = 16  # of the sha256
NOT_INFERRED_FROM = {
    "title",
    "licence",
    "source",
    "notes",
    "teacher",
    "validation",
    "max_train_rows",
    "max_test_rows",
    "seed",
}
"""Keys that no inferred value depends on."""


class CompleteBlock(StrictModel):
    """A block without gaps, as it is kept for later runs.

    ``remarks`` says what a person should know about what was inferred, such as columns left out.
    """

    spec: DatasetSpec
    remarks: tuple[str, ...]

    def take_over(self, block: DatasetBlock) -> CompleteBlock:
        """Return the same with the values that the block has by now where none is inferred.

        Raises:
            RightfitError: If these do not agree with what was inferred.
        """
        values = {name: getattr(block, name) for name in NOT_INFERRED_FROM}
        spec = self.spec.model_copy(update=values).make_spec(self.spec.title)
        raise_faults(find_inconsistencies(spec))
        return self.model_copy(update={"spec": spec})

    def list_inferred(self, block: DatasetBlock) -> tuple[str, ...]:
        """Name the keys that the block left out and that have a value here."""
        absent = () if self.spec.target.classes else ("target.classes",)
        return tuple(key for key in block.find_gaps() if key not in absent)


def inferred_key(block: DatasetBlock) -> str:
    """Return the key of what is inferred for a block."""
    content = block.model_dump(mode="json", exclude=NOT_INFERRED_FROM)
    return hash_json(content, n_digits=N_KEY_DIGITS)


def complete_block(
    block: DatasetBlock, tables: Mapping[str, Table], *, dataset_name: str
) -> CompleteBlock:
    """Fill a block's gaps from the tables.

    Args:
        block: What the configuration says.
        tables: Raw tables by name.
        dataset_name: Title of a dataset that has none.

    Raises:
        RightfitError: If a part cannot be inferred, or the parts do not agree; lists all faults.
    """
    schemas = dict(block.schemas)
    joined = {join.table: (*join.keys, *join.columns) for join in block.joins}
    prefixes = {join.table: join.prefix for join in block.joins}
    main, target = tables[block.main_table], block.target
    for name in block.tables:
        if name not in schemas:
            columns, is_main = tables[name].columns, name == block.main_table
            used_columns = columns if is_main else expand_names(joined[name], columns)
            described = [column for column in columns if column in used_columns]
            schemas[name] = infer_schema(
                tables[name],
                described,
                target if is_main else None,
                texts=_list_texts(block, described, prefixes.get(name, "")),
                task=block.known_task,
            )
    draft = block.model_copy(update={"schemas": schemas})
    draft = draft.expand({name: table.columns for name, table in tables.items()})
    raise_faults(find_structure_faults(draft))  # inference needs what these name
    if target.column not in main.columns:
        raise RightfitError(
            f"target.column {target.column!r} is described, but the table {block.main_table} lacks "
            f"it; it has {main.columns[:MAX_SHOWN]}"
        )
    outcome = _read_outcome(main, target, draft.schemas[block.main_table])
    task = block.known_task or infer_task(outcome)
    if task == "regression" and not outcome.dtype.is_numeric():
        fault = describe_no_number(target.column, str(outcome.dtype))
        raise RightfitError(fault + _describe_texts(outcome))
    split = block.split or infer_split(main, task)
    classes = target.classes
    if task == "classification" and not classes:
        classes = infer_classes(target, outcome)
    quality = complete_quality(block.quality or QualityBlock(), outcome, task)
    draft = draft.model_copy(
        update={
            "task": task,
            "target": target.model_copy(update={"classes": classes}),
            "split": split,
            "quality": quality,
        }
    )
    remarks = note_task_choice(target, outcome, task, is_said=block.task is not None)
    if note := note_decimal(main[target.column], draft.list_decimals().get(target.column)):
        remarks += (f"target.column {target.column!r}: {note}",)
    if task == "classification" and not target.classes:
        remarks += note_alike_classes(classes, target.column)
    if task == "classification" and block.quality is None:
        remarks += note_rare_class(draft.target, outcome, quality)
    if block.split is None and not isinstance(split, ColumnSplit):
        remarks += note_repeated_identifiers(main, target.column)
    if "features" in block.find_gaps():
        draft, left_out = infer_features(block, draft, tables, outcome=outcome, task=task)
        remarks += left_out + note_repeated_names(main) + note_copies(main)
    else:
        draft = draft.expand_features()
    spec = draft.make_spec(dataset_name)
    raise_faults(find_inconsistencies(spec))
    return CompleteBlock(spec=spec, remarks=remarks)


def _list_texts(block: DatasetBlock, columns: Sequence[str], prefix: str) -> set[str]:
    """Return the columns of a table whose texts stay texts, even if they look like numbers."""
    texts = {key for join in block.joins for key in join.keys}
    if isinstance(block.split, ColumnSplit):
        texts.add(block.split.column)
    features = block.features or Features()
    listed = [*features.categorical, *features.text, *features.date]
    names = [name for name in listed if name != ALL_OTHERS]
    texts.update(expand_names(names, [prefix + column for column in columns]))
    return {column for column in columns if {column, prefix + column} & texts}


def _read_outcome(main: Table, target: Target, schema: TableSchema) -> pl.Series:
    """Return the values to predict, of the type that is described, or whether they reach a limit.

    Raises:
        RightfitError: If texts should reach a limit.
    """
    outcome = main[target.column]
    group = schema.by_column()[target.column]
    if (cast := cast_without_loss(outcome, group.dtype, group.decimal)) is not None:
        outcome = cast
    if target.at_least is None:
        return outcome
    if not outcome.dtype.is_numeric():
        raise RightfitError(
            f"target.at_least needs a numeric column, but {target.column!r} is {outcome.dtype}"
            f"{_describe_texts(outcome)}"
        )
    return outcome >= target.at_least


def _describe_texts(outcome: pl.Series) -> str:
    known = outcome.drop_nulls()
    if outcome.dtype != pl.String or known.is_empty():
        return ""
    return f": {describe_number_texts(outcome) or f'{known[0]!r} is no number'}"


def write_block(name: str, complete: CompleteBlock) -> str:
    """Write a description as a block of YAML, below ``datasets:``.

    Keys at their default value are left out; remarks are comments above the block.
    """
    spec = complete.spec
    content = spec.model_dump(mode="json", exclude_defaults=True)
    names = list(spec.tables)
    content["tables"] = names if names == list(spec.tables.values()) else spec.tables
    order = ("title", "tables", "task", "target", "schemas", "features", "split", "validation")
    ordered = {key: content[key] for key in (*order, *content) if key in content}
    remarks = "".join(f"{INDENT}# {remark}\n" for remark in complete.remarks)
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
