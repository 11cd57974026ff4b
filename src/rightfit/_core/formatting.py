"""Numbers and times as people read them, and texts made fit for a terminal."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Callable, Iterable

NOT_MEASURED = "\N{EN DASH}"
_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|~"})  # what starts markup
MAX_ERROR = 2_000  # characters of what foreign code raises
N_DIGITS = 3  # significant digits of a measured number: none is known to more
LARGE_QUALITY, SMALL_QUALITY = 10.0, 0.0005
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

TIME_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))  # in seconds


def end_sentence(text: str) -> str:
    """End a text with one full stop, unless it asks a question.

    >>> end_sentence("x is unknown"), end_sentence("x is unknown."), end_sentence("is it y?")
    ('x is unknown.', 'x is unknown.', 'is it y?')
    """
    return text if text.endswith("?") else f"{text.rstrip('.')}."


def join_sentences(texts: Iterable[str]) -> str:
    """Join texts that may each end with a full stop.

    >>> join_sentences(["x is unknown.", "y is missing"])
    'x is unknown; y is missing'
    """
    return "; ".join(text.rstrip(".") for text in texts)


def format_number(value: float | None) -> str:
    """Write a number with up to three significant digits; from 10,000 on with k, M, G or T.

    >>> [format_number(x) for x in (0.04821, 12.64, 58.0, 1234.5, 240_000, 11_612_345.0, 0, None)]
    ['0.0482', '12.6', '58', '1,230', '240 k', '11.6 M', '0', '–']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = float(f"{value:.{N_DIGITS - 1}e}")
    for size, letter in PREFIXES:
        if abs(rounded) >= size * (10 if letter == "k" else 1):
            return f"{_strip_zeros(f'{rounded / size:.2f}')} {letter}"
    return _strip_zeros(f"{rounded:,.2f}" if abs(rounded) >= 1 else f"{rounded:.12f}")


def format_duration(hours: float) -> str:
    """Write a time in the two largest units that matter.

    >>> [format_duration(hours) for hours in (5.2, 0.12, 0.002, 1e-5, 60, 3_000)]
    ['5 h 12 min', '7 min 12 s', '7.2 s', '0.036 s', '2 d 12 h', '125 d']
    """
    seconds = hours * 3_600
    for (large, size), (small, part) in itertools.pairwise(TIME_UNITS):
        if seconds >= size:
            n_large, n_small = divmod(round(seconds / part), size // part)
            return f"{n_large} {large} {n_small} {small}" if n_small else f"{n_large} {large}"
    return f"{format_number(seconds)} s"


def format_seconds(seconds: float) -> str:
    """Write a time that is passing, in whole seconds.

    >>> format_seconds(7.4), format_seconds(65)
    ('7 s', '1 min 05 s')
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02.0f} s" if minutes else f"{seconds:.0f} s"


def format_share(share: float) -> str:
    """Write a share as whole percent.

    >>> format_share(0.333)
    '33 %'
    """
    return f"{100 * share:.0f} %"


def format_quality(value: float | None) -> str:
    """Write a quality or utility with three decimals, so that columns line up.

    A loss in the unit of its target may be of any size; large ones have four digits.

    >>> [format_quality(value) for value in (0.9, -18.2345, -123_456.7, 0.00012)]
    ['0.900', '-18.23', '-123,457', '0.00012']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    size = abs(value)
    if size >= LARGE_QUALITY:
        return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"
    return f"{value:.2g}" if 0 < size < SMALL_QUALITY else f"{value:.3f}"


def format_interval(
    value: float | None,
    low: float | None,
    high: float | None,
    write: Callable[[float | None], str] = format_quality,
) -> str:
    """Write a quality, or another figure, with its 95 % interval, where one is known.

    >>> format_interval(0.9, 0.88, 0.92), format_interval(0.9, None, None)
    ('0.900 (0.880 to 0.920)', '0.900')
    >>> format_interval(1234.5, 1180.0, 1300.0, format_number)
    '1,230 (1,180 to 1,300)'
    """
    if low is None or high is None:
        return write(value)
    return f"{write(value)} ({write(low)} to {write(high)})"


def format_ends(low: float | None, high: float | None) -> str:
    """Write the ends of a quality's interval; empty where they are not known.

    >>> format_ends(0.88, 0.92), format_ends(None, None)
    ('0.880–0.920', '')
    """
    if low is None or high is None:
        return ""
    return f"{format_quality(low)}\N{EN DASH}{format_quality(high)}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun in the right number.

    Args:
        number: How many.
        noun: In the singular.
        plural: ``None`` when it takes an s.

    >>> count(1, "dataset"), count(1200, "trial"), count(2, "process", "processes")
    ('1 dataset', '1,200 trials', '2 processes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def add_unit(number: str, unit: str) -> str:
    """Write a unit behind a number; a pure number has none.

    >>> add_unit("1", "cores"), add_unit("0.5", "cores"), add_unit("0.9", "")
    ('1 core', '0.5 cores', '0.9')
    """
    return f"{number} {'core' if (number, unit) == ('1', 'cores') else unit}".rstrip()


def _strip_zeros(decimals: str) -> str:
    return decimals.rstrip("0").rstrip(".")


def format_version(version: str) -> str:
    """Write a version as a time, where it is one.

    >>> format_version("2026-11-24T17.26.45.228Z"), format_version("nightly-7")
    ('2026-11-24 17:26 UTC', 'nightly-7')
    """
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d)\.(\d\d)\.\d\d\.\d+Z", version)
    return f"{match[1]} {match[2]}:{match[3]} UTC" if match else version


def clean_text(text: str) -> str:
    r"""Replace what would steer a terminal by a question mark: escapes, overrides of direction.

    >>> clean_text("forest\x1b[2J-001")
    'forest?[2J-001'
    >>> clean_text("two\nlines")
    'two\nlines'
    """
    return "".join(
        "?" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c
        for c in text
    )


def clean_line(text: str) -> str:
    r"""Write a text on one line, fit for a terminal.

    >>> clean_line("two\n lines\x1b[2J")
    'two lines?[2J'
    """
    return " ".join(clean_text(text).split())


def escape_markdown(text: str) -> str:
    r"""Write a text so that Markdown and HTML take it for text on one line.

    >>> print(escape_markdown("<b>|[x]\n(y)"))
    \<b\>\|\[x\] (y)
    """
    return clean_line(text).translate(_ESCAPED)


def describe_error(error: BaseException) -> str:
    r"""Say in one line what foreign code has raised: its kind, and the start of its text.

    >>> describe_error(ValueError("no\n such column")), describe_error(KeyError())
    ('ValueError: no such column', 'KeyError')
    """
    try:
        text = str(error)
    except Exception:  # not every error can say what it is
        text = ""
    text = clean_text(" ".join(text[:MAX_ERROR].split()))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
