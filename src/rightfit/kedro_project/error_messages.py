"""Advice on an error of the system, a database, a store or a stored file."""

from __future__ import annotations

import errno
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from click import ClickException
from kedro.io import DatasetError
from kedro.io.core import VersionNotFoundError

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import clean_text
from rightfit._core.row_files import find_separator, find_uneven_line, guess_encoding
from rightfit.kedro_project.kedro_private import Catalog

logger = logging.getLogger(__name__)

REMAKE = "Make it anew: kedro run --pipelines perf"
MAX_REASON = 300  # characters
AGAIN = "Then run the command again: what is finished is not repeated."

SYSTEM_ERRORS = {
    errno.ENOSPC: "the disk is full. Free some space.",
    errno.EDQUOT: "the disk quota is used up. Free some space.",
    errno.EROFS: "the file system is read-only. Choose another data_root.",
    errno.EACCES: "access is denied. Correct the permissions, or choose another data_root.",
    errno.EPERM: "access is denied. Correct the permissions, or choose another data_root.",
    errno.ENAMETOOLONG: "the name is too long. Shorten data_root or the name.",
    errno.ENOTDIR: "a file stands where a folder is needed. Move it away.",
    errno.EISDIR: "a folder stands where a file is needed. Move it away.",
    errno.EMFILE: "too many files are open. Raise the limit: ulimit -n.",
    errno.EFBIG: "the file would be larger than is allowed. Raise the limit: ulimit -f.",
    errno.ELOOP: "symbolic links lead in a circle. Remove them.",
    errno.EIO: "the disk cannot be read or written. Look at the system's log.",
}
NOT_WHOLE = re.compile(r"\d+ requested and \d+ written")  # numpy says it without a number
DATABASE_ERRORS = {
    "database is locked": "another program holds it. End that program, or wait for it.",
    "database or disk is full": "the disk is full. Free some space.",
    "readonly database": "it may not be written. Correct its permissions.",
    "unable to open": "it cannot be opened. Correct the permissions of its folder.",
    "disk i/o error": "the disk cannot be read or written. Look at the system's log.",
    "malformed": "it is damaged. Move it away; its searches start anew.",
    "not a database": "it is damaged. Move it away; its searches start anew.",
    "no such table": "it holds other tables. Move it away; its searches start anew.",
    "no such column": "it holds other tables. Move it away; its searches start anew.",
    "cannot join": "it holds other tables. Move it away; its searches start anew.",
    "could not connect": "the server does not answer. Start it, or correct the credentials.",
    "connection refused": "the server does not answer. Start it, or correct the credentials.",
    "password authentication failed": "the password is wrong. Correct the credentials.",
    "server closed the connection": "the server ended the connection. Start it again.",
    "could not translate host name": "its host is unknown. Correct the credentials.",
}


def explain_error(error: BaseException) -> str | None:
    """Say in one message what a person can do about an error.

    Returns:
        ``None`` for a defect: an error of another family, and of a kind that nobody has a cure for.
    """
    chain = list(_follow(error))
    # first: what fsspec raises of a refusal looks like a disk that cannot be read
    for err in chain:
        answer = getattr(err, "response", None)  # of botocore, which need not be installed
        fault = answer.get("Error") if isinstance(answer, dict) else None
        if isinstance(fault, dict):
            return (
                f"The object store refused a request ({fault.get('Code')}: "
                f"{fault.get('Message')}). Free space there, raise its quota, or correct the "
                f"credentials. {AGAIN}"
            )
    sqlalchemy = sys.modules.get("sqlalchemy.exc")
    for err in chain:
        if isinstance(err, OSError) and err.errno in SYSTEM_ERRORS:
            file_name = err.filename if err.filename is not None else "A file"
            return f"{file_name}: {SYSTEM_ERRORS[err.errno]} {AGAIN}"
        if isinstance(err, OSError) and NOT_WHOLE.fullmatch(str(err)):
            return (
                "A file could not be written whole: the disk is full, or files may not grow so "
                f"large. Free some space, or raise the limit: ulimit -f. {AGAIN}"
            )
        if sqlalchemy is not None and isinstance(err, sqlalchemy.DBAPIError):
            for words, cure in DATABASE_ERRORS.items():
                if words in str(err.orig).lower():
                    return f"The database of the searches: {cure} {AGAIN}"
    return str(error) if isinstance(error, RightfitError) else None


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


def explain_content(error: BaseException, raw: Mapping[str, str] | None = None) -> str | None:
    """Say of an error that a stored file causes what to do about the file.

    Args:
        error: What reading it has raised.
        raw: Paths of the raw tables by catalog entry: no run makes these.
    """
    if any(isinstance(err, VersionNotFoundError) for err in _follow(error)):
        name, _, where = str(error).partition(": Did not find any versions for ")
        return f"No run has written {name or where} yet. Run: kedro run --pipelines perf"
    if isinstance(error, DatasetError):
        for name, path in (raw or {}).items():
            if path and path in str(error):
                reason = one_line(error.__cause__ or error)
                return (
                    f"The raw table {name} in {path} cannot be read ({reason}). Restore the "
                    "file, or correct its entry in conf/*/catalog*.yml; no run can make it anew. "
                    f"{describe_csv(path)}"
                ).rstrip()
        return f"{error}\nIf the file is damaged, restore it. {REMAKE}"
    if isinstance(error, pl.exceptions.ColumnNotFoundError | pl.exceptions.SchemaError):
        logger.debug("A stored table has other columns.", exc_info=error)
        return (
            f"A stored table has other columns than expected ({' '.join(str(error).split())}): it "
            f"is damaged, or was written by another version. {REMAKE}"
        )
    return None


def load_result(catalog: Catalog, name: str) -> Any:
    """Load a result once the run is through; it may be one that the run has kept.

    Raises:
        ClickException: If it cannot be read, since somebody has written to it and set its times
            back, or the disk has changed it.
    """
    try:
        return catalog.load(name)
    except (DatasetError, OSError, ValueError) as err:
        raise ClickException(clean_text(explain_unreadable(name, err))) from err


def explain_unreadable(name: str, error: BaseException) -> str:
    """Say of a kept result that cannot be read what to do about it."""
    return f"{name} cannot be read ({one_line(error.__cause__ or error)}). {REMAKE}"


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
