"""Infer from a dataset's tables which columns are features, and of which kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from rightfit.families.schema import Task
from rightfit.preparation.coherence import N_CHANNELS, RESERVED_COLUMNS
from rightfit.preparation.images import infer_shape
from rightfit.preparation.inferring.column_kinds import Kind, KindName, find_kind
from rightfit.preparation.inferring.inference import find_length
from rightfit.preparation.patterns import ALL_OTHERS, expand_names
from rightfit.preparation.spec import ClockMinutes, Derived, Features, Image, Weekday
from rightfit.preparation.tables import LazyColumns

MANY_GAPS = 0.05  # share of gaps from which their place is a feature of its own
N_SHOWN = 9  # columns named in a remark
RESERVED = Kind("unused", "reserved name")
FEATURE_LISTS = ("numeric", "categorical", "indicate_missing", "text")
ALL_FEATURES = Features.model_validate({name: [ALL_OTHERS] for name in FEATURE_LISTS})

Kinds = Mapping[str, Kind]


@dataclass(frozen=True)
class InferredFeatures:
    """Features with what was derived for them, and why columns are left out."""

    features: Features
    derived: tuple[Derived, ...]
    remarks: tuple[str, ...]


def infer_features(
    asked: Features,
    derived: tuple[Derived, ...],
    *,
    main: LazyColumns,
    joined: LazyColumns,
    outcome: pl.Series,
    task: Task,
    hidden: set[str],
) -> InferredFeatures:
    """Replace patterns by columns, ``*`` by all other columns of that kind.

    Args:
        asked: What the block says; :data:`ALL_FEATURES` if it says nothing.
        derived: Columns that the block derives.
        main: Columns of the main table.
        joined: Columns that joins add, under their new names.
        outcome: Class or value of each row of the main table.
        task: What is predicted.
        hidden: Columns that reveal the outcome or the split.

    Raises:
        ValueError: If no column can be used.
    """
    columns = main.join(joined)
    lists = {name: [*_expand(getattr(asked, name), columns, hidden)] for name in FEATURE_LISTS}
    named = {*lists["numeric"], *lists["categorical"], *lists["text"]} | hidden
    kinds = {name: find_kind(main[name], outcome, task) for name in main if name not in named}
    kinds |= {name: find_kind(joined[name], None, task) for name in joined if name not in named}
    kinds |= {name: RESERVED for name in RESERVED_COLUMNS if name in kinds}
    added = _derive_weekdays(derived, kinds) if ALL_OTHERS in asked.categorical else ()
    kinds |= {step.name: _kind_of(step) for step in (*derived, *added) if step.name not in named}
    numeric = _fill(lists["numeric"], _of_kind(kinds, "numeric"))
    gaps = [name for name in numeric if _null_share(columns.get(name)) > MANY_GAPS]
    filled = asked.model_copy(
        update={
            "numeric": numeric,
            "categorical": _fill(lists["categorical"], _of_kind(kinds, "categorical")),
            "text": _fill(lists["text"], _of_kind(kinds, "text")),
            "indicate_missing": _fill(lists["indicate_missing"], gaps),
        }
    )
    if not filled.columns:
        filled = _use_image(filled, columns, kinds)
    return InferredFeatures(filled, added, _list_remarks(kinds, filled))


def _expand(names: Iterable[str], columns: LazyColumns, hidden: set[str]) -> Iterable[str]:
    for name in names:
        if name == ALL_OTHERS:
            yield name
        else:
            yield from expand_names([name], list(columns), excluded=hidden)


def _fill(names: Iterable[str], others: list[str]) -> tuple[str, ...]:
    return tuple(found for name in names for found in (others if name == ALL_OTHERS else [name]))


def _of_kind(kinds: Kinds, wanted: KindName) -> list[str]:
    return [name for name, kind in kinds.items() if kind.name == wanted]


def _kind_of(step: Derived) -> Kind:
    return Kind("numeric" if isinstance(step, ClockMinutes) else "categorical")


def _derive_weekdays(derived: tuple[Derived, ...], kinds: Kinds) -> tuple[Derived, ...]:
    used = {step.column for step in derived}
    return tuple(
        Weekday(op="weekday", name=f"{name}_weekday", column=name)
        for name in _of_kind(kinds, "time")
        if name not in used
    )


def _list_remarks(kinds: Kinds, features: Features) -> tuple[str, ...]:
    unused: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        if kind.reason and name not in features.columns:
            unused.setdefault(kind.reason, []).append(repr(name))
    return tuple(
        f"not used as features: {_join_some(names)} ({reason})" for reason, names in unused.items()
    )


def _join_some(names: list[str]) -> str:
    shown = ", ".join(names[:N_SHOWN])
    return shown if len(names) <= N_SHOWN else f"{shown} and {len(names) - N_SHOWN} more"


def _use_image(features: Features, columns: LazyColumns, kinds: Kinds) -> Features:
    of_bytes = _of_kind(kinds, "bytes")
    if len(of_bytes) == 1:
        if shape := infer_shape(columns[of_bytes[0]]):
            image = Image(column=of_bytes[0], shape=shape, format="file")
            return features.model_copy(update={"image": image})
        n_bytes = find_length(columns[of_bytes[0]]) or 0
        for n_channels in N_CHANNELS:
            side = math.isqrt(n_bytes // n_channels)
            if n_bytes and side * side * n_channels == n_bytes:
                image = Image(column=of_bytes[0], shape=(side, side, n_channels))
                return features.model_copy(update={"image": image})
    if of_bytes:
        raise ValueError(
            f"features: no column can be used as it is; columns of bytes are {of_bytes}. "
            "Say what they are, as in features: {image: {column: image, shape: [28, 28, 1]}}"
        )
    reasons = "; ".join(_list_remarks(kinds, features)) or "there is no column but the target"
    raise ValueError(
        f"features: no column can be used: {reasons}. Name those that can all the same, as in "
        "features: {numeric: [a]}"
    )


def _null_share(column: pl.Series | None) -> float:
    return 0.0 if column is None else column.null_count() / max(1, column.len())
