"""Columns of numbers that are written as texts, as in ``1,234.5``, ``12 %`` or ``5 km``."""

from __future__ import annotations

import re

import polars as pl

from rightfit._core.spelling import name_some
from rightfit.data.request_path.encoder import Notation
from rightfit.data.request_path.feeding import BLANKS, CURRENCIES, GAPS, SIGNS, find_patterns

_CURRENCY = {word: sign for sign, words in CURRENCIES.items() for word in words}
# a text that begins as a number does: what stands before it, and behind it
_AROUND_NUMBER = (
    rf"^[-+{BLANKS}]*([{SIGNS}]|{'|'.join(map(re.escape, [*_CURRENCY, 'CHF']))})?[-+{BLANKS}]*"
    rf"[0-9.,][0-9.,'\u2019{BLANKS}]*(?:[eE][-+]?[0-9]+[{BLANKS}]*)?([^\W\d_].*|[{SIGNS}°‰].*)?$"
)
NO_UNIT = rf"^[-+0-9.,'\u2019{BLANKS}]*$"
PHONE = rf"^(\+[0-9]{{1,3}}|[0-9]{{3}})([{BLANKS}.][0-9]{{3}}){{2,}}$"


def parse_numbers(texts: pl.Series, decimal: str) -> pl.Series | None:
    """Return numbers that are written as texts, as Float64; ``None`` if one is no number.

    Args:
        texts: Numbers, and marks of gaps such as ``n/a``.
        decimal: The decimal mark, a point or a comma; the other one parts thousands. Behind it a
            blank and the unit, if there is one.

    >>> parse_numbers(pl.Series(["1.234,5 €", "n/a"]), ",").to_list()
    [1234.5, None]
    """
    is_gap = texts.str.strip_chars(BLANKS).is_in(GAPS)
    values = texts.set(is_gap, None)
    numbers = values.cast(pl.Float64, strict=False)
    if decimal == "." and numbers.is_finite().sum() == values.count():
        return numbers  # plain ones, several times as fast
    number, dropped = find_patterns(decimal)
    if not values.str.contains(number).all():
        return None
    plain = values.str.replace_all(dropped, "").str.replace(decimal[0], ".", literal=True)
    return plain.cast(pl.Float64)


def infer_decimal(column: pl.Series, *, marks: str = ".,") -> Notation | None:
    """Return the decimal mark of numbers that are written as texts; ``None`` if they are not.

    They are if every value is a number or a mark of a gap, half of them or more with the same unit
    or sign (``km``, ``€``) and the others without one, or none has one, and none begins with 0 as
    codes do. Beside ``12 %``, ``0.12`` may mean the same, so all need that sign. Texts of nothing
    but digits stay texts, and so do those of phones, three groups of three digits or more in each.
    The first of ``marks`` is the decimal mark where it can be: a point as in ``1.234``, so a comma
    parts the thousands of ``1,234``. The unit follows the mark and a blank.

    >>> infer_decimal(pl.Series(["1.234,5", "7"])), infer_decimal(pl.Series(["1,234", "n/a"]))
    (',', '.')
    >>> infer_decimal(pl.Series(["$5", "5 €"])), infer_decimal(pl.Series(["007", "1.5"]))
    (None, None)
    >>> infer_decimal(pl.Series(["555 123 456"])), infer_decimal(pl.Series(["5 000", "1 250 000"]))
    (None, '.')
    >>> infer_decimal(pl.Series(["1.234,5 km", "7"])), infer_decimal(pl.Series(["5 km", "5 m"]))
    (', km', None)
    """
    if column.dtype != pl.String:
        return None
    texts = column.drop_nulls().unique().str.strip_chars(BLANKS)
    numbers = texts.filter(~texts.is_in(GAPS))
    if numbers.is_empty() or numbers.str.contains("^0[0-9]").any():
        return None
    if numbers.len() == texts.filter(texts != "").len() and not numbers.str.contains(r"\D").any():
        return None
    if numbers.str.contains(PHONE).all():
        return None
    notation, is_number = _find_notation(numbers, marks)
    return notation if is_number.all() else None


def _find_notation(texts: pl.Series, marks: str = ".,") -> tuple[Notation, pl.Series]:
    """Return the decimal mark and unit by which most texts are numbers, and which are."""
    around = texts.str.extract_groups(_AROUND_NUMBER).struct
    units = (around.field("1").fill_null("") + around.field("2").fill_null("")).str.strip_chars_end(
        BLANKS
    )
    units = units.replace(_CURRENCY).set(~texts.str.contains(_AROUND_NUMBER), None)
    counts = units.filter(units != "").value_counts(name="n_texts").sort("n_texts", units.name)
    unit = ""
    if counts.height and 2 * counts["n_texts"][-1] >= units.count():
        unit = str(counts[units.name][-1])
    is_alike = units.is_in([unit] if unit == "%" else [unit, ""]).fill_null(value=False)
    masks = {
        notation: texts.str.contains(find_patterns(notation)[0]) & is_alike
        for notation in (f"{mark} {unit}".rstrip() for mark in marks)
    }
    notation = max(masks, key=lambda notation: int(masks[notation].sum()))
    return notation, masks[notation]


def describe_number_texts(texts: pl.Series, *, min_share: float = 0.0) -> str:
    """Say which texts of a column look like numbers, and which others are in the way.

    Args:
        texts: The column.
        min_share: Share of texts that must look like numbers, or nothing is said.

    >>> print(describe_number_texts(pl.Series(["5 km", "7 km", "8", "far"])))
    3 values look like numbers with 'km', as '5 km' does, but 'far' does not: correct it or write \
null in its place, and they are read as numbers
    """
    texts = texts.drop_nulls()
    texts = texts.filter(~texts.str.strip_chars(BLANKS).is_in(GAPS) & ~texts.str.contains(PHONE))
    notation, is_number = _find_notation(texts)
    numbers, others = texts.filter(is_number), texts.filter(~is_number).unique().sort()
    if not numbers.len() > min_share * texts.len():
        return ""
    marked = numbers.filter(numbers.str.contains(r"\D"))
    unit = f" with {notation[2:]!r}" if notation[2:] else ""
    hint = f"{numbers.len():,} values look like numbers{unit}, as {[*marked, *numbers][0]!r} does"
    if others.is_empty():
        return f"{hint}: make them numbers"
    verb, them, place = ("does", "it", "its") if others.len() == 1 else ("do", "them", "their")
    return (
        f"{hint}, but {name_some(list(map(repr, others)), n_shown=5)} {verb} not: correct {them} "
        f"or write null in {place} place, and they are read as numbers"
    )


def read_number_texts(column: pl.Series) -> pl.Series:
    """Return a column as numbers if it holds texts that a description takes for numbers.

    >>> read_number_texts(pl.Series(["1.234,5", "n/a"])).to_list()
    [1234.5, None]
    """
    decimal = infer_decimal(column)
    numbers = None if decimal is None else parse_numbers(column, decimal)
    return column if numbers is None else numbers
