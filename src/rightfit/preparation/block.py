"""A dataset's description completed from its tables.

One block ``datasets.<name>`` of the parameters is one :class:`DatasetBlock`. It needs ``tables``
and ``target``; what else it leaves out is inferred from the tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from rightfit.errors import RightfitError
from rightfit.preparation.description import (
    VALIDATION_SHARE,
    DatasetBlock,
    DatasetSpec,
    describe_no_number,
    find_inconsistencies,
    find_structure_faults,
    raise_faults,
)
from rightfit.preparation.inference import (
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
from rightfit.preparation.tables import Table, cast_without_loss
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
    schemas = dict(block.schemas)
    joined = {join.table: (*join.keys, *join.columns) for join in block.joins}
    for name in block.tables:
        if name not in schemas and name in tables:
            columns, is_main = tables[name].columns, name == block.main_table
            wanted = columns if is_main else expand_names(joined.get(name, ()), columns)
            described = [column for column in columns if column in wanted]
            target = block.target.column if is_main else None
            schemas[name] = infer_schema(tables[name], described, target)
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
        known, left_out = infer_features(block, known, tables, outcome=outcome, task=task)
        remarks += left_out
    else:
        known = known.expand_features()
    spec = known.make_spec(dataset_name)
    raise_faults(find_inconsistencies(spec))
    return CompleteBlock(spec=spec, remarks=remarks)


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
