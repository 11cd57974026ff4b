"""What a column can be for a model, judged by its values alone: number, category, time, or nothing.

The rules stand in ``docs/howto/table.md``; each column that is not used gets its reason.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rightfit.families.schema import Task
from rightfit.request_path.words import split_words

MIN_CATEGORY_SHARE = 0.01  # of the rows; rarer categories share one bucket
MIN_COVERED_SHARE = 0.5  # of the rows that frequent categories must cover together
MIN_WORDS = 3  # of half of the texts, if they are free text and no names or codes
N_TEXTS = 1000  # texts whose words are counted
N_FEW_IDENTIFIERS = 100  # an "…_id" with so few values may well be a category
MIN_ROWS_TO_SEPARATE = 30  # in fewer rows a number may separate or order the outcomes by chance

IMAGE_FILE = r"(?i)\.(png|jpe?g)$"
_IDENTIFIER = re.compile(r"(.*_)?(id|uuid|guid|index|key)", re.IGNORECASE)

KindName = Literal["numeric", "categorical", "text", "time", "bytes", "unused"]


@dataclass(frozen=True)
class Kind:
    """What a column can be."""

    name: KindName
    reason: str = ""


def find_kind(column: pl.Series, outcome: pl.Series | None, task: Task) -> Kind:
    """Judge a column.

    Args:
        column: Its values.
        outcome: The classes or values of the same rows, ``None`` where rows do not correspond (a
            joined table's column).
        task: What is predicted.
    """
    if column.dtype == pl.Object:
        return Kind("unused", "no use is known for Python's objects")
    n_distinct = column.drop_nulls().n_unique()
    if n_distinct <= 1:
        return Kind("unused", "constant")
    if outcome is not None and (leak := _find_leak(column, outcome, task, n_distinct)):
        return Kind("unused", leak)
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        is_identifier = column.dtype.is_integer() and _is_identifier(column, n_distinct)
        return Kind("unused", "identifies rows") if is_identifier else Kind("numeric")
    if column.dtype == pl.String:
        return _find_text_kind(column, n_distinct)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return Kind("time", "a time; models only see later ones")
    if column.dtype == pl.Binary:
        return Kind("bytes", "bytes")
    return Kind("unused", f"no use is known for {column.dtype}")


def _find_leak(column: pl.Series, outcome: pl.Series, task: Task, n_distinct: int) -> str | None:
    """Say why a column can only be a copy of the target; ``None`` if it need not be one."""
    if task == "regression":
        is_copy = column.dtype.is_numeric() and _orders_alike(column, outcome)
        return "orders the rows exactly as the target does" if is_copy else None
    if _repeats(column, outcome, n_distinct):
        return "repeats the target, one value per class"
    if column.dtype.is_numeric() and _separates(column, outcome):
        return "separates the classes without error, as the target itself would"
    return None


def _orders_alike(column: pl.Series, outcome: pl.Series) -> bool:
    """Return whether a column is the target in another unit, or with the sign turned."""
    known = pl.DataFrame({"value": column, "outcome": outcome}).drop_nulls()
    if known.height < MIN_ROWS_TO_SEPARATE:
        return False
    place, of_outcome = (known[name].rank("dense") for name in ("value", "outcome"))
    turned = known["value"].rank("dense", descending=True)
    return bool((place == of_outcome).all() or (turned == of_outcome).all())


def _repeats(column: pl.Series, outcome: pl.Series, n_distinct: int) -> bool:
    if n_distinct != outcome.drop_nulls().n_unique():
        return False
    pairs = pl.DataFrame({"value": column, "outcome": outcome}).drop_nulls().unique()
    return pairs.height == n_distinct


def _separates(column: pl.Series, outcome: pl.Series) -> bool:
    """Return whether the ranges of the classes do not overlap, as if cut from the column."""
    known = pl.DataFrame({"value": column, "outcome": outcome}).drop_nulls()
    if known.height < MIN_ROWS_TO_SEPARATE:
        return False
    value = pl.col("value")
    ranges = known.group_by("outcome").agg(low=value.min(), high=value.max()).sort("low")
    return ranges.height > 1 and bool((ranges["low"][1:] > ranges["high"][:-1]).all())


def _is_identifier(column: pl.Series, n_distinct: int) -> bool:
    is_unique = n_distinct == column.len()
    if _IDENTIFIER.fullmatch(column.name):
        return is_unique or n_distinct > N_FEW_IDENTIFIERS
    return is_unique and int(column.max()) - int(column.min()) == n_distinct - 1  # type: ignore[arg-type]


def _find_text_kind(column: pl.Series, n_distinct: int) -> Kind:
    known = column.drop_nulls()
    counts = known.value_counts(name="n_rows")["n_rows"]
    covered = int(counts.filter(counts >= MIN_CATEGORY_SHARE * column.len()).sum())
    is_category = n_distinct < known.len() and covered >= MIN_COVERED_SHARE * known.len()
    if is_category:
        return Kind("categorical")
    if bool(known.str.contains(IMAGE_FILE).all()):
        return Kind("unused", "names image files")
    n_words = [len(split_words(text)) for text in known.head(N_TEXTS)]
    if statistics.median(n_words) >= MIN_WORDS:
        return Kind("text")
    if n_distinct == known.len():
        return Kind("unused", "every text differs")
    return Kind(
        "unused",
        f"{n_distinct} values; those in at least {MIN_CATEGORY_SHARE:.0%} of the rows "
        f"cover only {covered / known.len():.0%} of them",
    )
