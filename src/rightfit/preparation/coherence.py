"""Whether the parts of a dataset's description agree: every column named must exist, and no leak.

All faults are found at once, so that a description is mended in one go.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # annotations only: spec.py imports this module
    from rightfit.preparation.spec import DatasetSpec, Join

RESERVED_COLUMNS = ("label", "part")  # what preparation adds itself


def find_incoherences(spec: DatasetSpec) -> list[str]:
    """List what the parts of a dataset's description disagree about.

    Args:
        spec: A description whose single fields have been validated.

    Returns:
        One sentence per fault, without a full stop; empty if the description is coherent.
    """
    faults = _table_faults(spec)
    if faults:  # the columns of unknown tables cannot be looked up
        return faults
    known = set(spec.schemas[spec.main_table].by_column())
    for join in spec.joins:
        faults += _join_faults(spec, join, known)
        known |= {join.prefix + column for column in join.columns}
    faults += _derived_faults(spec, known)
    known |= {derived.name for derived in spec.derived}
    return faults + _target_faults(spec) + _feature_faults(spec, known) + _split_faults(spec)


def _table_faults(spec: DatasetSpec) -> list[str]:
    faults = []
    if sorted(spec.schemas) != sorted(spec.tables):
        faults.append(
            f"schemas must describe each of the tables {list(spec.tables)} once, "
            f"but describes {list(spec.schemas)}"
        )
    joined = [join.table for join in spec.joins]
    if sorted(joined) != sorted(spec.tables[1:]):
        faults.append(
            f"joins must name each table after the first ({list(spec.tables[1:])}) once, "
            f"but names {joined}"
        )
    for table, schema in spec.schemas.items():
        names = Counter(name for group in schema.columns for name in group.names)
        twice = [name for name, n_times in names.items() if n_times > 1]
        if twice:
            faults.append(f"schemas.{table} describes the columns {twice} more than once")
    return faults


def _join_faults(spec: DatasetSpec, join: Join, known: set[str]) -> list[str]:
    main = spec.schemas[spec.main_table].by_column()
    other = spec.schemas[join.table].by_column()
    faults = [
        f"joins: {join.table} has no column {column!r} in its schema"
        for column in (*join.keys, *join.columns)
        if column not in other
    ]
    for key in join.keys:
        if key not in main:
            faults.append(f"joins: the main table {spec.main_table} has no column {key!r}")
        elif key in other and main[key].dtype != other[key].dtype:
            faults.append(
                f"joins: {key!r} is {main[key].dtype} in {spec.main_table} "
                f"but {other[key].dtype} in {join.table}"
            )
    clashes = sorted({join.prefix + column for column in join.columns} & known)
    if clashes:
        faults.append(f"joins: {join.table} would add the columns {clashes} twice; set a prefix")
    return faults


def _derived_faults(spec: DatasetSpec, known: set[str]) -> list[str]:
    faults = []
    so_far = set(known)
    for derived in spec.derived:
        if derived.column not in so_far:
            faults.append(f"derived: {derived.name} reads the unknown column {derived.column!r}")
        if derived.name in so_far:
            faults.append(f"derived: {derived.name!r} would exist twice; choose another name")
        so_far.add(derived.name)
    return faults


def _target_faults(spec: DatasetSpec) -> list[str]:
    main = spec.schemas[spec.main_table].by_column()
    column = spec.target.column
    if column not in main:
        return [f"target.column {column!r} is not a column of {spec.main_table}"]
    dtype = main[column].dtype
    is_number = dtype.startswith(("Int", "UInt", "Float"))
    if spec.target.at_least is not None and not is_number:
        return [f"target.at_least needs a numeric column, but {column!r} is {dtype}"]
    if spec.target.at_least is None and dtype.startswith(("Float", "Binary", "Date")):
        return [f"target.column {column!r} is {dtype}; classes need texts, integers or at_least"]
    return []


def _feature_faults(spec: DatasetSpec, known: set[str]) -> list[str]:
    features = spec.features
    unknown = sorted(set(features.columns) - known)
    faults = [f"features names the unknown columns {unknown}"] if unknown else []
    leaks = sorted(set(features.columns) & leaking_columns(spec))
    if leaks:
        faults.append(
            f"features {leaks} tell the outcome or the split: they come from target.column, "
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
    stray = sorted(set(features.indicate_missing) - set(features.numeric))
    if stray:
        faults.append(f"features.indicate_missing names {stray}, which are not numeric features")
    if features.image is None:
        return faults if features.columns else [*faults, "features names no column"]
    return faults + _image_faults(spec)


def _image_faults(spec: DatasetSpec) -> list[str]:
    image = spec.features.image
    assert image is not None  # noqa: S101 - for the type checker; the caller asked
    faults = []
    if spec.features.numeric or spec.features.categorical:
        faults.append("features.image cannot be mixed with numeric or categorical features")
    group = spec.schemas[spec.main_table].by_column().get(image.column)
    n_bytes = getattr(group.allowed, "n_bytes", None) if group else None
    if n_bytes != image.n_bytes:
        faults.append(
            f"features.image.shape {list(image.shape)} needs {image.n_bytes} bytes, "
            f"but the schema of {image.column!r} allows n_bytes: {n_bytes}"
        )
    return faults


def _split_faults(spec: DatasetSpec) -> list[str]:
    times = getattr(spec.validation, "time_columns", ())
    columns = [("split.column", spec.split.column)]
    columns += [("validation.time_columns", column) for column in times]
    main = spec.schemas[spec.main_table].by_column()
    faults = [
        f"{where} {column!r} is not a column of {spec.main_table}"
        for where, column in columns
        if column not in main
    ]
    if not faults:
        faults += _split_value_faults(spec, main[spec.split.column].dtype)
    faults += [f"not_features {c!r} is nowhere described" for c in _undescribed(spec)]
    if spec.split.train == spec.split.test:
        faults.append(f"split.train and split.test must differ, but both are {spec.split.train!r}")
    return faults


def _split_value_faults(spec: DatasetSpec, dtype: str) -> list[str]:
    kind = str if dtype == "String" else int
    return [
        f"split.{key} must be of the kind of its column ({dtype}), but is {value!r}"
        for key, value in (("train", spec.split.train), ("test", spec.split.test))
        if type(value) is not kind
    ]


def _undescribed(spec: DatasetSpec) -> list[str]:
    described = set(spec.schemas[spec.main_table].by_column())
    for join in spec.joins:
        described |= {join.prefix + column for column in join.columns}
    return [column for column in spec.not_features if column not in described]


def leaking_columns(spec: DatasetSpec) -> set[str]:
    """Name every column that must not reach a model, with what is derived from such columns.

    Args:
        spec: Description of the dataset.

    Returns:
        The target's column, ``not_features``, the split's column, and all columns that are derived
        from one of these or joined on one.
    """
    leaking = {spec.target.column, spec.split.column, *spec.not_features}
    for join in spec.joins:
        if leaking & set(join.keys):
            leaking |= {join.prefix + column for column in join.columns}
    for derived in spec.derived:  # in order: a derived column may read an earlier one
        if derived.column in leaking:
            leaking.add(derived.name)
    return leaking
