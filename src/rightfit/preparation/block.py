"""What the configuration says about a dataset, and how it is completed from the tables.

One block ``datasets.<name>`` of the parameters is one :class:`DatasetBlock`. It needs ``tables``
and ``target``; what else it leaves out is inferred from the tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from pydantic import Field, model_validator

from rightfit.errors import RightfitError
from rightfit.families.schema import Task
from rightfit.preparation.consistency import (
    describe_no_number,
    find_inconsistencies,
    find_naming_faults,
    find_quality_faults,
    find_structure_faults,
    find_task_faults,
    leaking_columns,
    list_described,
)
from rightfit.preparation.fingerprint import hash_json
from rightfit.preparation.frames import cast_without_loss
from rightfit.preparation.inference import (
    ALL_FEATURES,
    FEATURE_LISTS,
    InferredFeatures,
    draw_share,
    infer_classes,
    infer_features,
    infer_schema,
    infer_split,
    infer_task,
    remark_task,
)
from rightfit.preparation.inferred_quality import complete_quality
from rightfit.preparation.patterns import ALL_OTHERS, expand_names, is_wildcard
from rightfit.preparation.spec import DatasetFields, DatasetSpec, Features, Split, Validation
from rightfit.preparation.table_schema import TableSchema
from rightfit.preparation.tables import LazyColumns, Table
from rightfit.quality.metric import QualityBlock
from rightfit.strict_model import StrictModel

VALIDATION_SHARE = 0.2
N_KEY_DIGITS = 16  # of the sha256
WORDS = {"title", "licence", "source", "notes"}
NOT_INFERRED_FROM = {*WORDS, "validation", "max_train_rows", "max_test_rows", "seed"}
"""Keys that no inferred value depends on."""


class DatasetBlock(DatasetFields):
    """One dataset as the configuration describes it; ``None`` stands for "infer it"."""

    title: str | None = None
    task: Task | None = None
    schemas: dict[str, TableSchema] = Field(default_factory=dict)
    features: Features | None = None
    split: Split | None = None
    validation: Validation | None = None
    quality: QualityBlock | None = None

    @model_validator(mode="after")
    def _check_early(self) -> DatasetBlock:
        """Check before any table is read whatever needs no table."""
        _raise(find_naming_faults(self, self.schemas))
        _raise(find_task_faults(self.target, self.task))
        _raise(self._find_early_quality_faults())
        if not self.find_gaps():
            complete_block(self, {}, dataset_name="")
        return self

    @property
    def known_task(self) -> Task | None:
        """The task as far as the block says it: a limit or classes mean classification."""
        target = self.target
        is_classified = target.at_least is not None or bool(target.classes)
        return self.task or ("classification" if is_classified else None)

    def _find_early_quality_faults(self) -> list[str]:
        quality, target = self.quality, self.target
        if quality is None or quality.name is None or self.known_task is None:
            return []
        n_classes = 2 if target.at_least is not None else len(target.classes) or None
        return find_quality_faults(
            quality.name, quality.options, task=self.known_task, n_classes=n_classes
        )

    def find_gaps(self) -> tuple[str, ...]:
        """Name the keys that only the tables can fill, in the order of a block."""
        groups = [group for schema in self.schemas.values() for group in schema.columns]
        has_wildcard = any(is_wildcard(name) for group in groups for name in group.names)
        chosen = self.features
        lists = [getattr(chosen, name) for name in FEATURE_LISTS] if chosen else []
        quality = self.quality
        gaps = {
            "schemas": has_wildcard or bool(set(self.tables) - set(self.schemas)),
            "task": self.known_task is None,
            "target.classes": self.known_task != "regression"
            and self.target.at_least is None
            and not self.target.classes,
            "features": chosen is None or any(ALL_OTHERS in names for names in lists),
            "split": self.split is None,
            "quality": quality is None or None in (quality.name, quality.worst, quality.best),
        }
        return tuple(key for key, is_gap in gaps.items() if is_gap)

    def make_key(self) -> str:
        """Return the key of what is inferred for this block."""
        content = self.model_dump(mode="json", exclude=NOT_INFERRED_FROM)
        return hash_json(content)[:N_KEY_DIGITS]


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
        _raise(find_inconsistencies(spec))
        return self.model_copy(update={"spec": spec})


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
    schemas = _complete_schemas(block, tables)
    fields = _expand_lists(block, schemas)
    if tables:  # inference needs what these name
        _raise(find_structure_faults(fields, schemas))
    outcome = _find_outcome(block, schemas, tables)
    task = block.known_task or infer_task(outcome)
    if task == "regression" and tables and not outcome.dtype.is_numeric():
        raise RightfitError(describe_no_number(block.target.column, str(outcome.dtype)))
    split = block.split or infer_split(tables[block.main_table], task)
    classes = block.target.classes
    if task == "classification" and not classes:
        classes = infer_classes(block.target, outcome)
    chosen = _complete_features(block, fields, schemas, tables, outcome, split, task)
    spec = DatasetSpec(
        **{name: getattr(fields, name) for name in DatasetFields.model_fields}
        | {
            "title": block.title or dataset_name,
            "task": task,
            "target": block.target.model_copy(update={"classes": classes}),
            "schemas": schemas,
            "derived": (*fields.derived, *chosen.derived),
            "features": chosen.features,
            "split": split,
            "validation": block.validation or draw_share(task, VALIDATION_SHARE),
            "quality": complete_quality(block.quality or QualityBlock(), outcome, task),
        }
    )
    _raise(find_inconsistencies(spec))
    remarks = (
        *remark_task(block.target, outcome, task, is_said=block.task is not None),
        *chosen.remarks,
    )
    return CompleteBlock(spec=spec, remarks=remarks)


def _raise(faults: list[str]) -> None:
    if faults:
        raise RightfitError("; ".join(faults))


def _complete_schemas(block: DatasetBlock, tables: Mapping[str, Table]) -> dict[str, TableSchema]:
    schemas = {
        name: _expand_groups(schema, tables[name].columns if name in tables else [])
        for name, schema in block.schemas.items()
    }
    joined = {join.table: (*join.keys, *join.columns) for join in block.joins}
    for name in block.tables:
        if name not in schemas and name in tables:
            table = tables[name]
            is_main = name == block.main_table
            wanted = table.columns if is_main else expand_names(joined.get(name, ()), table.columns)
            known = [column for column in table.columns if column in wanted]
            target = block.target.column if is_main else None
            schemas[name] = infer_schema(table, known, target)
    return schemas


def _expand_groups(schema: TableSchema, columns: list[str]) -> TableSchema:
    named = {name for group in schema.columns for name in group.names}
    groups = [
        group.model_copy(update={"names": expand_names(group.names, columns, excluded=named)})
        for group in schema.columns
    ]
    return schema.model_copy(update={"columns": tuple(groups)})


def _expand_lists(block: DatasetBlock, schemas: Mapping[str, TableSchema]) -> DatasetFields:
    joins = [
        join.model_copy(
            update={
                "columns": expand_names(
                    join.columns, list(schemas[join.table].by_column()), excluded=join.keys
                )
            }
        )
        if join.table in schemas
        else join
        for join in block.joins
    ]
    expanded = block.model_copy(update={"joins": tuple(joins)})
    known = list_described(expanded, schemas)
    not_features = expand_names(block.not_features, known, excluded=[block.target.column])
    return expanded.model_copy(update={"not_features": not_features})


def _find_outcome(
    block: DatasetBlock, schemas: Mapping[str, TableSchema], tables: Mapping[str, Table]
) -> pl.Series:
    """Return class or value of each row as far as the tables are known; empty without them."""
    if not tables:
        return pl.Series([], dtype=pl.String)
    column = tables[block.main_table][block.target.column]
    dtype = schemas[block.main_table].by_column()[column.name].dtype
    cast = cast_without_loss(column, dtype)
    column = column if cast is None else cast
    if block.target.at_least is None:
        return column
    if not column.dtype.is_numeric():
        raise RightfitError(
            f"target.at_least needs a numeric column, but {column.name!r} is {column.dtype}"
        )
    return column >= block.target.at_least


def _complete_features(
    block: DatasetBlock,
    fields: DatasetFields,
    schemas: Mapping[str, TableSchema],
    tables: Mapping[str, Table],
    outcome: pl.Series,
    split: Split,
    task: Task,
) -> InferredFeatures:
    hidden = leaking_columns(fields, split)
    if "features" in block.find_gaps():
        table, known = tables[fields.main_table], schemas[fields.main_table].by_column()
        return infer_features(
            block.features or ALL_FEATURES,
            fields.derived,
            main=LazyColumns(
                {
                    name: (table, name)
                    for name in table.columns
                    if name in known or fields.main_table not in block.schemas
                }
            ),
            joined=LazyColumns(
                {
                    join.prefix + name: (tables[join.table], name)
                    for join in fields.joins
                    for name in join.columns
                }
            ),
            outcome=outcome,
            task=task,
            hidden=hidden,
        )
    chosen = block.features or Features()
    known_names = list_described(fields, schemas)
    lists = {
        name: expand_names(getattr(chosen, name), known_names, excluded=hidden)
        for name in FEATURE_LISTS
    }
    return InferredFeatures(chosen.model_copy(update=lists), (), ())
