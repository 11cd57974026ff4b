"""What a person can do about an error; a defect has no cure, and keeps its traceback."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from kedro.io import DatasetError
from kedro.io.core import VersionNotFoundError

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import end_sentence
from rightfit._core.row_files import find_separator, find_uneven_line, guess_encoding

REMAKE = "Make it anew: kedro run --pipelines perf"
MAX_REASON = 300  # characters
AGAIN = "Mend it, then run the command again: what is finished is not repeated."
FREE = f"Free some space there, in data_root and in the folder of temporary files. {AGAIN}"

# what the system says of files and disks; other kinds, such as a lost connection, have other causes
_OF_FILES = (OSError, PermissionError, NotADirectoryError, IsADirectoryError)
_OF_STORED_FILES = (
    DatasetError,
    pl.exceptions.ColumnNotFoundError,
    pl.exceptions.SchemaError,
)


def explain(error: BaseException, raw: Mapping[str, str] | None = None) -> str | None:
    """Say in one message what a person can do about an error.

    Args:
        error: What was raised.
        raw: Paths of the raw tables by catalog entry: no run makes these.

    Returns:
        ``None`` for a defect: an error of a kind that a person at the command line cannot mend.
    """
    if isinstance(error, RightfitError):
        block = (error.key or "").partition(".")[0]
        if not block:
            return str(error)
        return f"{end_sentence(str(error))} The block {block} stands in parameters_{block}.yml."
    for err in _follow(error):
        if isinstance(err, VersionNotFoundError):
            name, _, where = str(error).partition(": Did not find any versions for ")
            return f"No run has written {name or where} yet. Run: kedro run --pipelines perf"
        if type(err) in _OF_FILES and isinstance(err, OSError):
            fault = f"{err.filename or 'A file'}: {err.strerror or one_line(err)}."
            return f"{fault} {FREE if err.errno in (errno.ENOSPC, errno.EDQUOT) else AGAIN}"
        if type(err).__module__ == "sqlalchemy.exc":  # the library need not be installed
            reason = one_line(getattr(err, "orig", None) or err)
            return f"The database of the searches: {reason}. {AGAIN}"
    if not isinstance(error, _OF_STORED_FILES):
        return None
    reason = one_line(error.__cause__ or error)
    for name, path in (raw or {}).items():
        if path and path in str(error):
            return (
                f"The raw table {name} in {path} cannot be read ({reason}). Restore the file, or "
                f"correct its entry in conf/*/catalog*.yml. {describe_csv(path)}"
            ).rstrip()
    return f"{error}\nIf a stored file is damaged, or of another version, restore it. {REMAKE}"


def name_file(fault: str, block: str) -> str:
    """End a fault with the file to correct: each block of parameters has its own.

    >>> name_file("training.device is cuda", "training")
    'training.device is cuda. Correct parameters_training.yml.'
    """
    return f"{end_sentence(fault)} Correct parameters_{block}.yml."


def describe_csv(path: str) -> str:
    """Say what a catalog entry must know of a CSV file that has no commas, or is not in UTF-8.

    A line of too many fields is named.
    Where the Parquet file of a table without an entry is missing, and a CSV file lies in its place,
    also the entry.
    """
    file = Path(path)
    csv, here = file.with_suffix(".csv"), Path.cwd()
    if csv.is_file() and not file.exists():
        filepath = csv.relative_to(here) if csv.is_relative_to(here) else csv
        keys = f"type: polars.EagerPolarsDataset, file_format: csv, filepath: {filepath}"
        advice = f"{csv} needs an entry in conf/base/catalog.yml: {file.stem}: {{{keys}}}."
        return f"{advice} {describe_csv(str(csv))}".rstrip()
    if file.suffix != ".csv" or not file.is_file():
        return ""
    try:
        separator = find_separator(file)
        fault = find_uneven_line(file)
    except ValueError:
        encoding = guess_encoding(file)
        return (
            f"It is not in UTF-8; say so in the entry, as in load_args: {{encoding: {encoding}}}."
        )
    if fault:
        return f"{fault[:1].upper()}{fault[1:]}."
    if separator == ",":
        return ""
    return (
        f"Its separator is {separator!r}; say so in the entry, as in "
        f"load_args: {{separator: {json.dumps(separator)}}}."
    )


def one_line(error: BaseException | str) -> str:
    """Return a reason, or an error's message, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"


def _follow(error: BaseException | None) -> Iterator[BaseException]:
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        yield error
        error = error.__cause__ or error.__context__
