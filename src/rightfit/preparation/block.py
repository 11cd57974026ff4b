"""A dataset's description completed from its tables.

One block ``datasets.<name>`` of the parameters is one :class:`DatasetBlock`. It needs ``tables``
and ``target``; what else it leaves out is inferred from the tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from rightfit.errors import RightfitError
from rightfit.families.schema import Task
from rightfit.preparation.description import (
    VALIDATION_SHARE,
    DatasetBlock,
    DatasetSpec,
    describe_no_number,
    find_inconsistencies,
    find_leaks,
    find_structure_faults,
    raise_faults,
)
from rightfit.preparation.inference import (
    ALL_FEATURES,
    InferredFeatures,
    infer_classes,
    infer_features,
    infer_schema,
    infer_split,
    infer_task,
    remark_task,
)
from rightfit.preparation.inferred_quality import complete_quality
from rightfit.preparation.patterns import expand_names
from rightfit.preparation.spec import draw_share
from rightfit.preparation.table_schema import TableSchema
from rightfit.preparation.tables import LazyColumns, Table, cast_without_loss
from rightfit.processes.codec import hash_json
from rightfit.quality.metric import QualityBlock
from rightfit.strict_model import StrictModel

N_KEY_DIGITS = 16  # of the sha256
NOT_INFERRED_FROM = {
    *("title", "licence", "source", "notes"),
    *("validation", "max_train_rows", "max_test_rows", "seed"),
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
        values["title"] = block.title or self.spec.title
        values["validation"] = block.validation or draw_share(self.spec.task, VALIDATION_SHARE)
        spec = self.spec.model_copy(update=values)
        raise_faults(find_inconsistencies(spec))
        return self.model_copy(update={"spec": spec})


def inferred_key(block: DatasetBlock) -> str:
    """Return the key of what is inferred for a block."""
    content = block.model_dump(mode="json", exclude=NOT_INFERRED_FROM)
    return hash_json(content)[:N_KEY_DIGITS]


def complete_block(
    block: DatasetBlock, tables: Mapping[str, Table], *, dataset_name: str
) -> CompleteBlock:
    """Fill a block's gaps from the tables.

    Args:
        block: What the configuration says.
        tables: Raw tables by name; none are needed if ``block.find_gaps()`` is empty.
        dataset_name: Title of a dataset that has none.

    Raises:
        RightfitError: If a part cannot be inferred, or the parts do not agree; lists all faults.
    """
    schemas = block.schemas | _infer_schemas(block, tables)
    known = block.model_copy(update={"schemas": schemas})
    known = known.expand({name: table.columns for name, table in tables.items()})
    if tables:  # inference needs what these name
        raise_faults(find_structure_faults(known))
    outcome = _find_outcome(known, tables)
    task = block.known_task or infer_task(outcome)
    if task == "regression" and tables and not outcome.dtype.is_numeric():
        raise RightfitError(describe_no_number(block.target.column, str(outcome.dtype)))
    split = block.split or infer_split(tables[block.main_table], task)
    classes = block.target.classes
    if task == "classification" and not classes:
        classes = infer_classes(block.target, outcome)
    known = known.model_copy(
        update={
            "task": task,
            "target": block.target.model_copy(update={"classes": classes}),
            "split": split,
            "quality": complete_quality(block.quality or QualityBlock(), outcome, task),
        }
    )
    remarks = remark_task(block.target, outcome, task, is_said=block.task is not None)
    if "features" in block.find_gaps():
        chosen = _infer_features(block, known, tables, outcome, task)
        derived = (*known.derived, *chosen.derived)
        known = known.model_copy(update={"features": chosen.features, "derived": derived})
        remarks += chosen.remarks
    else:
        known = known.expand_features()
    spec = known.make_spec(dataset_name)
    raise_faults(find_inconsistencies(spec))
    return CompleteBlock(spec=spec, remarks=remarks)


def _infer_schemas(block: DatasetBlock, tables: Mapping[str, Table]) -> dict[str, TableSchema]:
    """Describe the tables that the block does not."""
    schemas = {}
    joined = {join.table: (*join.keys, *join.columns) for join in block.joins}
    for name in block.tables:
        if name not in block.schemas and name in tables:
            table = tables[name]
            is_main = name == block.main_table
            wanted = table.columns if is_main else expand_names(joined.get(name, ()), table.columns)
            known = [column for column in table.columns if column in wanted]
            target = block.target.column if is_main else None
            schemas[name] = infer_schema(table, known, target)
    return schemas


def _find_outcome(block: DatasetBlock, tables: Mapping[str, Table]) -> pl.Series:
    """Return class or value of each row as far as the tables are known; empty without them."""
    if not tables:
        return pl.Series([], dtype=pl.String)
    column = tables[block.main_table][block.target.column]
    dtype = block.schemas[block.main_table].by_column()[column.name].dtype
    cast = cast_without_loss(column, dtype)
    column = column if cast is None else cast
    if block.target.at_least is None:
        return column
    if not column.dtype.is_numeric():
        raise RightfitError(
            f"target.at_least needs a numeric column, but {column.name!r} is {column.dtype}"
        )
    return column >= block.target.at_least


def _infer_features(
    block: DatasetBlock,
    known: DatasetBlock,
    tables: Mapping[str, Table],
    outcome: pl.Series,
    task: Task,
) -> InferredFeatures:
    """Choose the features that a block leaves open; ``known`` has its other gaps filled."""
    table = tables[block.main_table]
    described = known.schemas[block.main_table].by_column()
    main = {
        name: (table, name)
        for name in table.columns
        if name in described or block.main_table not in block.schemas
    }
    joined = {
        join.prefix + name: (tables[join.table], name)
        for join in known.joins
        for name in join.columns
    }
    return infer_features(
        block.features or ALL_FEATURES,
        known.derived,
        main=LazyColumns(main),
        joined=LazyColumns(joined),
        outcome=outcome,
        task=task,
        hidden=find_leaks(known),
    )
