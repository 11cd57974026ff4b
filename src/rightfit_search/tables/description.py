"""The description of a dataset, and whether its parts agree: every column must exist, and no leak.

A block of the configuration may leave most of it out; the rest is inferred from the tables once
(``completion.py``). All faults are found at once, so that a description is mended in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator, model_validator

from rightfit._core.errors import RightfitError, raise_faults
from rightfit._core.spelling import find_nearest, suggest
from rightfit._core.strict_model import MAX_ROWS, Seed, StrictModel
from rightfit.data.request_path.encoder import Notation
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.params import QualityBlock
from rightfit.models.quality.scorers import find_quality_faults
from rightfit.models.schema import Task
from rightfit_search.tables.description_parts import (
    ALL_OTHERS,
    NUMERIC_DTYPES,
    ColumnGroup,
    ColumnSplit,
    Derived,
    Features,
    GroupShare,
    Image,
    Join,
    Split,
    TableSchema,
    Target,
    Validation,
    draw_share,
    expand_names,
    is_wildcard,
)

RESERVED_COLUMNS = ("label", "part")  # what preparation adds itself
N_CHANNELS = (1, 3)  # of a decoded image: grey, or red, green and blue
MAX_SHOWN = 9  # columns named in a message
# accuracy, ROC AUC, and what looks at no class
WITHOUT_THRESHOLD = (
    *("accuracy", "roc_auc"),
    *("neg_brier_score", "neg_calibration_error", "neg_log_loss"),
)
FEATURE_LISTS = ("numeric", "categorical", "indicate_missing", "text", "date")
VALIDATION_SHARE = 0.2


class DatasetBlock(StrictModel):
    """One dataset as the configuration describes it.

    ``tables`` names the raw tables, the main one first, each with its catalog entry; a list names
    entries that are called like the tables. ``not_features`` lists columns that repeat the outcome
    or are known only after it. ``max_train_rows`` counts the validation rows too; null keeps all
    rows. ``seed`` draws the kept rows, the validation rows and a random test split.

    The last seven fields are inferred where they are left out: ``None`` stands for "infer it".
    """

    # catalog entries of the raw tables, the main one (one row per example) first; {flights: flown}
    # calls an entry by another name; one that no catalog has is data/01_raw/<entry>.parquet
    tables: dict[str, str] = Field(min_length=1)
    # column to predict; its values are the classes (all of them, in order, without classes:); with
    # at_least: below / reached
    target: Target
    joins: tuple[Join, ...] = ()  # left joins of the further tables; the keys must be unique there
    derived: tuple[Derived, ...] = ()  # columns computed from others: weekday or clock_minutes
    # columns that repeat the outcome or are known only after it
    not_features: tuple[str, ...] = ()
    # train and validation rows kept, drawn at random; null: all
    max_train_rows: int | None = Field(default=None, gt=1, le=MAX_ROWS)
    # test rows kept, drawn at random; null: all
    max_test_rows: int | None = Field(default=None, gt=0, le=MAX_ROWS)
    seed: Seed = 0  # draws kept rows, validation rows and a random test split
    licence: str = "not stated"  # of the data, for the data card and exports
    source: str = "not stated"  # where the data comes from, for the data card and exports
    # anything a user of the model must know; in the data card and exports
    notes: tuple[str, ...] = ()
    teacher: str | None = None  # imported model that labels rows without a target; absent: none
    title: str | None = None  # what one row is, in words; absent: the name
    # classification, or regression (the target's value itself); absent: inferred
    task: Task | None = None
    # what each raw table must look like; all faults are reported before anything runs
    schemas: dict[str, TableSchema] = Field(default_factory=dict)
    features: Features | None = None  # which columns are read, and as what; absent: inferred
    split: Split | None = None  # which rows are kept for the test; absent: inferred
    # which train rows judge a training; absent: drawn as the test rows are
    validation: Validation | None = None
    # metric, with the raw values that count as 0 and as 1; absent: accuracy, or R²
    quality: QualityBlock | None = None

    @field_validator("tables", mode="before")
    @classmethod
    def _read_tables(cls, tables: Any) -> Any:
        if not isinstance(tables, list | tuple):
            return tables
        if len(set(tables)) < len(tables):
            raise ValueError(f"tables must differ, but got {list(tables)}")
        return {name: name for name in tables}

    @model_validator(mode="after")
    def _check(self) -> DatasetBlock:
        """Check before any table is read whatever needs no table."""
        raise_faults(find_naming_faults(self))
        quality, target = self.quality, self.target
        if self.task == "regression" and (target.classes or target.at_least is not None):
            raise RightfitError(
                "task regression predicts the number itself, so target takes neither classes nor "
                "at_least; leave them out, or write task: classification"
            )
        if quality is not None and quality.name is not None and self.known_task is not None:
            n_classes = 2 if target.at_least is not None else len(target.classes) or None
            raise_faults(
                find_quality_faults(
                    quality, quality.name, task=self.known_task, n_classes=n_classes
                )
            )
        if not self.find_gaps():
            raise_faults(find_inconsistencies(self.expand({}).expand_features().make_spec("")))
        return self

    @property
    def main_table(self) -> str:
        """Name of the table that holds one row per example."""
        return next(iter(self.tables))

    @property
    def known_task(self) -> Task | None:
        """The task as far as the block says it: a limit or classes mean classification."""
        target = self.target
        is_classified = target.at_least is not None or bool(target.classes)
        return self.task or ("classification" if is_classified else None)

    def list_decimals(self) -> dict[str, Notation]:
        """Return by column the decimal mark and unit of numbers that are written as texts."""
        groups = _find_groups(self)
        return {name: group.decimal for name, group in groups.items() if group.decimal}

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

    def expand(self, columns: Mapping[str, Sequence[str]]) -> DatasetBlock:
        """Replace the patterns of ``schemas``, ``joins`` and ``not_features`` by columns.

        Args:
            columns: Columns of the tables by name, as far as they are known.
        """
        schemas = {}
        for name, schema in self.schemas.items():
            explicit_names = {column for group in schema.columns for column in group.names}
            # the target's name is taken as it is, though it may look like a range; only blocks
            # without wildcards are expanded before the columns are known
            table_columns = columns.get(name, (self.target.column,))
            groups = [
                group.model_copy(
                    update={
                        "names": expand_names(group.names, table_columns, excluded=explicit_names)
                    }
                )
                for group in schema.columns
            ]
            schemas[name] = schema.model_copy(update={"columns": tuple(groups)})
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
            for join in self.joins
        ]
        expanded = self.model_copy(update={"schemas": schemas, "joins": tuple(joins)})
        described = list_described(expanded)
        hidden = expand_names(self.not_features, described, excluded=[self.target.column])
        return expanded.model_copy(update={"not_features": hidden})

    def expand_features(self) -> DatasetBlock:
        """Replace the patterns of ``features`` by the described columns; leaks match none."""
        chosen, columns, hidden = (
            self.features or Features(),
            list_described(self),
            find_leaks(self),
        )
        lists = {
            name: expand_names(getattr(chosen, name), columns, excluded=hidden)
            for name in FEATURE_LISTS
        }
        return self.model_copy(update={"features": chosen.model_copy(update=lists)})

    def make_spec(self, name: str) -> DatasetSpec:
        """Return a block without gaps as the complete description; ``name`` is its usual title."""
        task, quality = self.known_task, self.quality or QualityBlock()
        validation = self.validation or draw_share(task or "classification", VALIDATION_SHARE)
        return DatasetSpec(
            **dict(self)
            | {
                "title": self.title or name,
                "task": task,
                "validation": validation,
                "quality": QualityMetric(**quality.model_dump(exclude_none=True)),
            }
        )


class DatasetSpec(DatasetBlock):
    """Everything about one dataset, nothing left to infer."""

    title: str
    task: Task
    features: Features
    split: Split
    validation: Validation
    quality: QualityMetric

    @model_validator(mode="after")
    def _check(self) -> DatasetSpec:  # in place of the block's: whoever completes it checks it
        return self


def find_inconsistencies(spec: DatasetSpec) -> list[str]:
    """List what the parts of a dataset's description disagree about.

    Returns:
        One sentence per fault, without a full stop; empty if the description is consistent.
    """
    if faults := find_naming_faults(spec):
        return faults  # the columns of unknown tables cannot be looked up
    faults = find_structure_faults(spec)
    columns = set(list_described(spec))
    for derived in spec.derived:  # in order: a derived column may read an earlier one
        if derived.column not in columns:
            faults.append(f"derived: {derived.name} reads the unknown column {derived.column!r}")
        if derived.name in columns:
            faults.append(f"derived: {derived.name!r} would exist twice; choose another name")
        columns.add(derived.name)
    faults += _target_faults(spec) + _feature_faults(spec, columns) + _split_faults(spec)
    return faults + _metric_faults(spec)


def find_structure_faults(block: DatasetBlock) -> list[str]:
    """List what tables, schemas, joins and the target's column disagree about."""
    if faults := find_naming_faults(block):
        return faults
    main_table, main = block.main_table, block.schemas[block.main_table].by_column()
    columns = set(main)
    for join in block.joins:
        other = block.schemas[join.table].by_column()
        faults += [
            f"joins: {join.table} has no column {column!r} in its schema"
            for column in (*join.keys, *join.columns)
            if column not in other
        ]
        for key in join.keys:
            if key not in main:
                faults.append(f"joins: the main table {main_table} has no column {key!r}")
            elif key in other and main[key].dtype != other[key].dtype:
                faults.append(
                    f"joins: {key!r} is {main[key].dtype} in {main_table} "
                    f"but {other[key].dtype} in {join.table}"
                )
        added = {join.prefix + column for column in join.columns}
        if clashes := sorted(added & columns):
            faults.append(
                f"joins: {join.table} would add the columns {clashes} twice; set a prefix"
            )
        columns |= added
    column = block.target.column
    if column not in main:
        near = find_nearest(column, main)
        hint = f"; did you mean {near!r}?" if near else f"; it has {sorted(main)[:MAX_SHOWN]}"
        faults.append(f"target.column {column!r} is not a column of {main_table}{hint}")
    return faults


def list_described(block: DatasetBlock) -> list[str]:
    """Name the described columns of the main table, then the joined ones."""
    main = block.schemas.get(block.main_table)
    columns = list(main.by_column()) if main else []
    return columns + [join.prefix + name for join in block.joins for name in join.columns]


def find_naming_faults(block: DatasetBlock) -> list[str]:
    """List what schemas and joins name wrongly; needs no complete schemas."""
    faults = []
    strange = sorted(set(block.schemas) - set(block.tables))
    if strange:
        faults.append(f"schemas describes {strange}, but the tables are {list(block.tables)}")
    joined = [join.table for join in block.joins]
    further = list(block.tables)[1:]
    if sorted(joined) != sorted(further):
        faults.append(
            f"joins must name each table after the first ({further}) once, but names {joined}"
        )
    for table, schema in block.schemas.items():
        names = Counter(name for group in schema.columns for name in group.names)
        twice = [name for name, n_times in names.items() if n_times > 1]
        if twice:
            faults.append(f"schemas.{table} describes the columns {twice} more than once")
    return faults


def _target_faults(spec: DatasetSpec) -> list[str]:
    main = spec.schemas[spec.main_table].by_column()
    column = spec.target.column
    if column not in main:
        return []
    dtype = main[column].dtype
    if spec.task == "regression":
        return [] if dtype in NUMERIC_DTYPES else [describe_no_number(column, dtype)]
    if spec.target.at_least is not None and dtype not in NUMERIC_DTYPES:
        return [f"target.at_least needs a numeric column, but {column!r} is {dtype}"]
    if spec.target.at_least is None and len(spec.target.classes) < 2:  # its limit makes two
        return [f"target.classes must name at least two, but got {list(spec.target.classes)}"]
    if spec.target.at_least is None and dtype.startswith(("Float", "Binary", "Date")):
        kinds = "texts, integers or at_least" if dtype.startswith("Float") else "texts or integers"
        return [f"target.column {column!r} is {dtype}; classes need {kinds}"]
    return []


def _feature_faults(spec: DatasetSpec, columns: set[str]) -> list[str]:
    features = spec.features
    unknown = sorted(set(features.columns) - columns)
    faults = [f"features names the unknown columns {unknown}"] if unknown else []
    leaks = sorted(set(features.columns) & find_leaks(spec))
    if leaks:
        faults.append(
            f"features {leaks} reveal the outcome or the split: they come from target.column, "
            "not_features or split.column"
        )
    faults += [
        f"features names {name!r} more than once"
        for name, n_times in Counter(features.columns).items()
        if n_times > 1
    ]
    reserved = sorted(set(features.columns) & set(RESERVED_COLUMNS))
    if reserved:
        faults.append(f"features {reserved} have reserved names; rename or derive them")
    dtypes = _column_dtypes(spec)
    faults += [
        f"features.numeric names {name!r}, which is {dtypes[name]}; texts are categorical or text"
        for name in features.numeric
        if dtypes.get(name) in ("String", "Binary")
    ]
    faults += [
        f"features.text names {name!r}, which is {dtypes[name]}; a text is of the dtype String"
        for name in features.text
        if dtypes.get(name, "String") != "String"
    ]
    faults += [
        f"features.date names {name!r}, which is {dtypes[name]}; a date is a text or a time"
        for name in features.date
        if not dtypes.get(name, "String").startswith(("String", "Date"))
    ]
    if stray := sorted(set(features.month_first) - set(features.date)):
        faults.append(f"features.month_first names {stray}, which are not among features.date")
    stray = sorted(set(features.indicate_missing) - set(features.numeric))
    if stray:
        faults.append(f"features.indicate_missing names {stray}, which are not numeric features")
    if features.image is None:
        return faults if features.columns else [*faults, "features names no column"]
    return faults + _image_faults(spec, features.image)


def _column_dtypes(spec: DatasetSpec) -> dict[str, str]:
    return {name: group.dtype for name, group in _find_groups(spec).items()}


def _find_groups(spec: DatasetBlock) -> dict[str, ColumnGroup]:
    groups = spec.schemas[spec.main_table].by_column()
    for join in spec.joins:
        other = spec.schemas[join.table].by_column()
        groups |= {join.prefix + c: other[c] for c in join.columns if c in other}
    return groups


def _image_faults(spec: DatasetSpec, image: Image) -> list[str]:
    faults = []
    if spec.features.columns != (image.column,):
        faults.append("features.image cannot be mixed with other features")
    if image.format == "file":
        dtype = _column_dtypes(spec).get(image.column, "Binary")
        if dtype != "Binary":
            faults.append(
                f"features.image.column {image.column!r} is {dtype}, but files are Binary"
            )
        if image.shape[2] not in N_CHANNELS:
            faults.append(
                f"features.image.shape {list(image.shape)} must end with 1 (grey) or 3 (colours)"
            )
        return faults
    group = spec.schemas[spec.main_table].by_column().get(image.column)
    n_bytes = getattr(group.allowed, "n_bytes", None) if group else None
    if n_bytes != image.n_bytes:
        faults.append(
            f"features.image.shape {list(image.shape)} needs {image.n_bytes} bytes, "
            f"but the schema of {image.column!r} allows n_bytes: {n_bytes}"
        )
    return faults


def _split_faults(spec: DatasetSpec) -> list[str]:
    split, main = spec.split, spec.schemas[spec.main_table].by_column()
    columns = [
        (f"{where}.{key}", column)
        for where, share in (("validation", spec.validation), ("split", split))
        for key in ("time_columns", "group_columns")
        for column in getattr(share, key, ())
    ]
    columns += [("split.column", split.column)] if isinstance(split, ColumnSplit) else []
    faults = [
        f"{where} {column!r} is not a column of {spec.main_table}"
        for where, column in columns
        if column not in main
    ]
    if isinstance(split, ColumnSplit):
        if split.column in main:
            dtype = main[split.column].dtype
            kind = {"String": str, "Boolean": bool}.get(dtype, int)
            hint = "; quote it" if kind is str else ""
            faults += [
                f"split.{key} must be of the kind of its column ({dtype}), but is {value!r}{hint}"
                for key, value in (("train", split.train), ("test", split.test))
                if type(value) is not kind
            ]
        if split.train == split.test:
            faults.append(f"split.train and split.test must differ, but both are {split.train!r}")
    described = list_described(spec)
    unknown = [column for column in spec.not_features if column not in described]
    return faults + [
        f"not_features {column!r} is no column{suggest(column, described)}" for column in unknown
    ]


def find_leaks(block: DatasetBlock) -> set[str]:
    """Name every column that must not reach a model, with what is derived from such columns.

    Returns:
        The target's column, ``not_features``, the split's column, and all columns that are derived
        from one of these or joined on one. What is joined on a group of the split tells no outcome:
        not even the group itself does.
    """
    leaking = {block.target.column, *block.not_features}
    if isinstance(block.split, ColumnSplit):
        leaking.add(block.split.column)
    shares = [share for share in (block.split, block.validation) if isinstance(share, GroupShare)]
    groups = {column for share in shares for column in share.group_columns}
    revealing = (leaking - groups) | {block.target.column}
    for join in block.joins:
        if revealing & set(join.keys):
            revealing |= {join.prefix + column for column in join.columns}
    leaking |= revealing
    for derived in block.derived:  # in order: a derived column may read an earlier one
        if derived.column in leaking:
            leaking.add(derived.name)
    return leaking


def describe_no_number(column: str, dtype: str) -> str:
    """Say that a regression's target is no number."""
    return f"task regression needs a numeric target, but {column!r} is {dtype}"


def _metric_faults(spec: DatasetSpec) -> list[str]:
    """List why a dataset's metric cannot judge its task."""
    n_classes = len(spec.target.classes)
    if spec.task == "classification" and n_classes < 2:
        return []  # a fault of the target, told there
    quality = spec.quality
    if quality.costs is not None and quality.name in WITHOUT_THRESHOLD:
        return [
            "quality.costs goes with the metric cost, or another of the predicted class, such as "
            f"f1_macro, not with {quality.name}"
        ]
    if quality.threshold is not None and (
        spec.task == "regression" or n_classes != 2 or quality.name in WITHOUT_THRESHOLD
    ):
        return [
            "quality.threshold goes with two classes and a metric of the predicted class, such as "
            f"f1, precision or recall, not with {quality.name} of {n_classes or 'no'} classes"
        ]
    return find_quality_faults(quality, quality.name, task=spec.task, n_classes=n_classes)
