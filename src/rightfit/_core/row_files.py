"""Files of rows: whoever takes one reads it here, so that a file means the same rows everywhere."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.lost_threads import require_threads
from rightfit._core.processes.regular_files import require_regular

CSV = ".csv"
ROW_FILES = (".parquet", ".pq", CSV)
SEPARATORS = (",", ";", "\t", "|")  # programs of other countries write semicolons, others tabs
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # how such a file begins
N_SAMPLE_BYTES = 65_536
MAX_LINE_BYTES = 2**24


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
def scan_rows(path: Path, *, texts: Collection[str] = ()) -> Iterator[pl.LazyFrame]:
    """Yield the rows of a file, which are read as the block asks for them.

    Parquet says the types of its columns. Those of a CSV file, in UTF-8, are told by all of its
    rows: a column is of numbers, or of truth values, if each value is one or empty, else of texts.
    Its separator is found; an empty value is missing. Any other mark of a gap makes a column one of
    texts, which are read as numbers where a dataset is described.

    Args:
        path: A .parquet, .pq or .csv file.
        texts: Columns of a CSV file that are texts whatever they look like.

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
            schema = {
                name: pl.String if name in texts else pl.Float64 if dtype == pl.Int128 else dtype
                for name, dtype in scan.collect_schema().items()
            }  # given back, the types are not inferred again for each read
            scan = pl.scan_csv(path, separator=separator, glob=False, schema=schema)
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
        if "found more fields" in reason:
            reason = "a line has more values than the header has columns"
        raise RightfitError(
            f"{path} cannot be read: {reason}. Correct the file, or read it in Python and give the "
            "frame."
        ) from err


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


def find_separator(path: Path) -> str:
    """Return the separator that cuts the first lines of a CSV file into equally many fields.

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


def _count_fields(text: str, separator: str, *, is_whole: bool) -> int:
    """Return the fields of each line; 1 if the lines differ, or the text is no CSV."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=separator) if line]
    except csv.Error:
        return 1
    if not is_whole:
        lines = lines[:-1] or lines  # the last may end within quotes
    counts = {len(line) for line in lines}
    return counts.pop() if len(counts) == 1 else 1
