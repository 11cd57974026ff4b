"""Files of rows: whoever takes one reads it here, so that a file means the same rows everywhere."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count
from rightfit._core.processes.lost_threads import require_threads
from rightfit._core.processes.regular_files import require_regular

CSV = ".csv"
ROW_FILES = (".parquet", ".pq", CSV)
SEPARATORS = (",", ";", "\t", "|")  # programs of other countries write semicolons, others tabs
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # how such a file begins
N_SAMPLE_BYTES = 65_536
MAX_LINE_BYTES = 2**24
MIN_CODE_DIGITS = 3  # two are months and hours
N_SHOWN = 60  # characters of a faulty line in a message


def read_rows(
    path: Path, *, texts: Collection[str] = (), max_rows: int | None = None
) -> pl.DataFrame:
    """Read a file of rows; see :func:`scan_rows`.

    Args:
        path: The file.
        texts: As of :func:`scan_rows`.
        max_rows: First rows that are read; ``None``: all.

    Raises:
        RightfitError: As :func:`scan_rows`.
    """
    with scan_rows(path, texts=texts) as scan:
        return (scan if max_rows is None else scan.head(max_rows)).collect()


@contextmanager
def scan_rows(
    path: Path, *, texts: Collection[str] = (), keeps_codes: bool = False
) -> Iterator[pl.LazyFrame]:
    """Yield the rows of a file, which are read as the block asks for them.

    Parquet says the types of its columns. Those of a CSV file, in UTF-8, are told by all of its
    rows: a column is of numbers, or of truth values, if each value is one or empty, else of texts.
    Its separator is found; an empty value is missing, and so are those that the end of a line
    lacks. Any other mark of a gap makes a column one of texts, which are read as numbers where a
    dataset is described.

    Args:
        path: A .parquet, .pq or .csv file.
        texts: Columns of a CSV file that are texts whatever they look like.
        keeps_codes: Whether the columns of :func:`find_codes` are texts, too.

    Raises:
        RightfitError: If it is no such file, cannot be read, or has no rows.
    """
    require_threads()
    require_file(path, ROW_FILES)
    is_csv = path.suffix.lower() == CSV
    try:
        scan = pl.scan_parquet(path, glob=False)
        if is_csv:
            separator = find_separator(path)
            scan = pl.scan_csv(path, separator=separator, glob=False, infer_schema_length=None)
            types = scan.collect_schema()
            quoted = {name: name.replace('""', '"') for name in types if '""' in name}  # as written
            codes = []
            if keeps_codes:
                whole = [name for name, dtype in types.items() if dtype.is_integer()]
                codes = find_codes(path, separator, whole)
            schema = {
                name: pl.String
                if name in codes or quoted.get(name, name) in texts
                else pl.Float64
                if dtype == pl.Int128
                else dtype
                for name, dtype in types.items()
            }  # given back, the types are not inferred again for each read
            scan = pl.scan_csv(path, separator=separator, glob=False, schema=schema)
            scan = scan.rename(quoted)
        if scan.head(1).collect().is_empty():
            raise RightfitError(f"{path} has no rows.")
        yield scan
    except RightfitError:
        raise
    except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as err:
        reason = str(err).strip().partition("\n")[0].rstrip(".") or type(err).__name__
        if is_csv and "utf-8" in reason:
            encoding = guess_encoding(path)
            reason = (
                f'it is not in UTF-8; as in polars.read_csv("{path.name}", encoding="{encoding}")'
            )
        elif is_csv:
            reason = find_uneven_line(path) or reason
        raise RightfitError(
            f"{path} cannot be read: {reason}. Correct the file, or read it in Python and give the "
            "frame."
        ) from err


def find_codes(path: Path, separator: str, names: Collection[str]) -> list[str]:
    """Return the columns of a CSV file that hold codes such as ``01067``, which are no numbers.

    Their values are digits, three or more and equally many, and some begin with 0.

    Args:
        path: The file.
        separator: What parts its fields.
        names: Columns of whole numbers.
    """
    texts = pl.scan_csv(path, separator=separator, glob=False, infer_schema=False).select(names)
    n_digits = pl.all().str.len_bytes()
    is_code = (
        pl.all().str.contains("^[0-9]+$").all()
        & (n_digits.min() >= MIN_CODE_DIGITS)
        & (n_digits.min() == n_digits.max())
        & pl.all().str.starts_with("0").any()
    )
    [found] = texts.select(is_code).collect().to_dicts() if names else [{}]
    return [name for name, is_one in found.items() if is_one]


def require_file(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuse a path that is no regular file, or not of a kind that is read.

    Args:
        path: The path.
        suffixes: The kinds, in lower case; none: any.

    Raises:
        RightfitError: If it is another one.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise RightfitError(
            f"{path} must be a {', '.join(suffixes[:-1])} or {suffixes[-1]} file. Read another "
            "kind with pandas or polars, and give the frame."
        )
    require_regular(path)
    if not path.is_file():
        raise RightfitError(f"There is no file {path}{', but a folder' if path.is_dir() else ''}.")


def guess_encoding(path: Path) -> str:
    """Return the likeliest encoding of a file that is not in UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in UTF_16 else "cp1252"


def find_uneven_line(path: Path) -> str:
    """Say which line of a CSV file that cannot be read has too many fields, or quotes left open.

    Args:
        path: A file in UTF-8.

    Returns:
        A title above the header, else the first such line's number and beginning, its fields and
        those of the header; nothing if there is none.

    Raises:
        UnicodeDecodeError: If the file is in another encoding.
    """
    if title := _find_title(path):
        return title
    separator = find_separator(path)
    with path.open(encoding="utf-8-sig", newline="") as file, suppress(csv.Error):
        rows = csv.reader(file, delimiter=separator)
        n_columns, first = len(next(rows, [])), rows.line_num + 1
        for fields in rows:
            last, n_fields = rows.line_num, len(fields)
            if n_fields > n_columns or (0 < n_fields < n_columns and last > first):
                start = separator.join(fields).partition("\n")[0][:N_SHOWN]
                advice = (
                    f"Its quotes end on line {last}: close them where the value ends"
                    if last > first
                    else f"Put a value that holds {separator!r} in double quotes"
                )
                n_found = count(n_fields, "field")
                return (
                    f"line {first} has {n_found}, the header has {n_columns}: {start!r}. {advice}"
                )
            first = last + 1
    return ""


def _find_title(path: Path) -> str:
    """Say that a line without separators stands above the header; nothing if none does."""
    with path.open(encoding="utf-8-sig") as file:
        sample = (line.strip() for line in file.readlines(N_SAMPLE_BYTES))
        title, header = [*filter(None, sample), "", ""][:2]
    fields = max((header.split(separator) for separator in SEPARATORS), key=len)
    is_header = len(fields) > 1 and all(
        field[:1].strip() and not field[:1].isdigit() for field in fields
    )
    if not is_header or any(separator in title for separator in SEPARATORS):
        return ""
    return (
        f"its header seems to stand below a title: line 1 is {title[:N_SHOWN]!r}, the next has "
        f"{len(fields)} fields. Delete what stands above the header, or skip it (skip_rows)"
    )


def find_separator(path: Path) -> str:
    """Return the separator that cuts the first lines of a CSV file into equally many fields.

    Where none cuts all of them alike, it is the one that cuts most of them as the header.
    :class:`csv.Sniffer` takes a comma that a header and each price hold for the separator, and
    raises where a file has one column.

    Args:
        path: A file in UTF-8.

    Returns:
        The one that makes most fields; a comma where none makes two or more.

    Raises:
        UnicodeDecodeError: If the file is in another encoding.
    """
    with path.open("rb") as file:
        sample = file.read(N_SAMPLE_BYTES) + file.readline(MAX_LINE_BYTES)
        is_whole = not file.read(1)
    text = sample.decode("utf-8-sig")
    return max(SEPARATORS, key=lambda separator: _count_fields(text, separator, is_whole=is_whole))


def _count_fields(text: str, separator: str, *, is_whole: bool) -> tuple[int, int]:
    """Return the fields of all lines, and those of the header and most lines; 1 if they differ."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=separator) if line]
    except csv.Error:
        return 1, 1
    if not is_whole:
        lines = lines[:-1] or lines  # the last may end within quotes
    counts = [len(line) for line in lines] or [1]
    n_alike = counts.count(counts[0])
    return (
        counts[0] if n_alike == len(counts) else 1,
        counts[0] if 2 * n_alike > len(counts) else 1,
    )
