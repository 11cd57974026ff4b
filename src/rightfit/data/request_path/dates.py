"""Dates as texts: their numbers, and what a model reads of these, alike in numpy and in ONNX.

The first six numbers of a text are year, month, day, hour, minute and second where the first has
four digits, as in ISO 8601; else day, month (or month, day) and year, then the time. A year and a
month alone stand for the month's first day. Clock times are taken as written: zones and fractions
of seconds come later and are not read. Where exactly one word of a text is the English name of a
month, or its abbreviation, day and year (or year and day) are the first two numbers.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.raw_inputs import TO_LOWER

NUMBER = "[0-9]{1,9}"  # in Python's spelling and in RE2's
N_NUMBERS = 6
LEAST_YEAR = 1000
LOWEST = np.array([[LEAST_YEAR, 1, 1, 0, 0, 0]], dtype=np.float64)
HIGHEST = np.array([[9999, 12, 31, 23, 59, 60]], dtype=np.float64)
FIRST_DAY = np.array([[0, 0, 1, 0, 0, 0]], dtype=np.float64)
DAYS_TO_1970 = 719_468  # from 1 March of the year 0
WEEKDAYS = tuple(f"weekday={i}" for i in range(1, 8))  # 1 = Monday
DATE_PARTS = ("year", "month", "hour", "days", *WEEKDAYS)  # days since 1970, with fractions

LETTERS = "[a-z]+"  # of a text in lower case, likewise
MONTHS = {
    name.lower(): month
    for names in (calendar.month_name, calendar.month_abbr, [""] * 9 + ["sept"])
    for month, name in enumerate(names)
    if name
}

_NUMBER, _LETTERS = re.compile(NUMBER), re.compile(LETTERS)


def read_parts(numbers: Any, *, month_first: bool) -> tuple[Any, Any]:
    """Return the parts of dates.

    Args:
        numbers: First six numbers of each text, 0 where there are fewer, shape (n_rows, 6): an
            array, or what adds nodes to a graph where numpy computes (``encoder_graph.py``).
        month_first: Whether dates that do not begin with the year begin with the month.

    Returns:
        1.0 where a text is a date, else 0.0, shape (n_rows, 1); and the columns of ``DATE_PARTS``,
        shape (n_rows, 11), which mean nothing where it is none. Days since 1970 are those of the
        proleptic Gregorian calendar, as of Howard Hinnant's ``days_from_civil``.
    """
    turned = numbers[:, [2, 0, 1, 3, 4, 5] if month_first else [2, 1, 0, 3, 4, 5]]
    begins_with_year = 1.0 - _less(numbers[:, [0]], LEAST_YEAR)
    dates = turned + begins_with_year * (numbers - turned)
    dates = dates + begins_with_year * _less(numbers[:, [2]], 0.5) * FIRST_DAY  # of 2024-03
    n_faults = (_less(dates, LOWEST) + _less(HIGHEST, dates)).sum(axis=1, keepdims=True)
    is_date = _less(n_faults, 0.5)
    year, month, day, hour, minute = (dates[:, [column]] for column in range(5))
    ends_year = _less(month, 3)  # counted from March, leap days come last
    of_march = month + 12.0 * ends_year - 3.0
    y = year - ends_year
    leap_days = np.floor(y / 4.0) - np.floor(y / 100.0) + np.floor(y / 400.0)
    before_month = np.floor((153.0 * of_march + 2.0) / 5.0)
    days = 365.0 * y + leap_days + before_month + day - float(1 + DAYS_TO_1970)
    since_monday = days + 3.0  # 1 January 1970 was a Thursday
    weekday = since_monday - 7.0 * np.floor(since_monday / 7.0)
    reached = _less(np.arange(-0.5, 7)[None], weekday)  # shape (n_rows, 8)
    weekdays = reached[:, [*range(7)]] - reached[:, [*range(1, 8)]]
    with_time = days + (60.0 * hour + minute) / 1440.0
    return is_date, np.concatenate([year, month, hour, with_time, weekdays], axis=1)


def place_month(numbers: Any, months: Any) -> Any:
    """Put the month that a word names where ISO 8601 has it.

    Args:
        numbers: As of :func:`read_parts`.
        months: Of each word of a text its month, 0 where it names none, shape (n_rows, n_words);
            arrays, or what adds nodes to a graph.

    Returns:
        The numbers as year, month, day, hour, minute and second where one word names a month, as
        they are elsewhere; shape (n_rows, 6).
    """
    n_names = _less(0.5, months).sum(axis=1, keepdims=True)
    is_named = _less(0.5, n_names) * _less(n_names, 1.5)
    begins_with_year = 1.0 - _less(numbers[:, [0]], LEAST_YEAR)
    day_first = numbers[:, [1, 0, 2, 3, 4]]
    others = day_first + begins_with_year * (numbers[:, [0, 1, 2, 3, 4]] - day_first)
    month = months.sum(axis=1, keepdims=True)
    placed = np.concatenate([others[:, [0]], month, others[:, [1, 2, 3, 4]]], axis=1)
    return numbers + is_named * (placed - numbers)


def find_months(text: str) -> list[int]:
    """Return the months that words of a text name.

    >>> find_months("from 3 Jan to 4 SEPT")
    [1, 9]
    """
    words = _LETTERS.findall(text.translate(TO_LOWER))
    return [MONTHS[word] for word in words if word in MONTHS]


def _less(values: Any, others: Any) -> Any:
    """Return 1.0 where values are below others, else 0.0."""
    return np.less(values, others).astype(np.float64)


def read_texts(
    texts: Sequence[str], *, month_first: bool, month_names: bool = True
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return which texts are dates, and their parts; see :func:`read_parts`.

    Args:
        texts: Any texts.
        month_first: As of :func:`read_parts`.
        month_names: Whether names of months are read.

    >>> is_date, parts = read_texts(["2024-02-29 06:00", "Feb 29, 2024", "soon"], month_first=False)
    >>> is_date[:, 0].tolist(), dict(zip(DATE_PARTS, parts[0].tolist()))["days"]
    ([1.0, 1.0, 0.0], 19782.25)
    """
    rows = [[*map(float, _NUMBER.findall(text)[:N_NUMBERS])] for text in texts]
    numbers = np.array([row + [0.0] * (N_NUMBERS - len(row)) for row in rows], dtype=np.float64)
    numbers = numbers.reshape(-1, N_NUMBERS)
    if month_names:
        named = [find_months(text) for text in texts]
        width = max(map(len, named), default=0)
        months = np.array([[*row, *[0] * (width - len(row))] for row in named], dtype=np.float64)
        numbers = place_month(numbers, months.reshape(len(texts), width))
    return read_parts(numbers, month_first=month_first)
