"""Separators of CSV files: programs of other countries write semicolons, others tabs."""

import csv
import io
from pathlib import Path

SEPARATORS = (",", ";", "\t", "|")
N_SAMPLE_BYTES = 65_536


def find_separator(path: Path) -> str:
    """Return the separator that cuts the first lines of a CSV file into equally many fields.

    :class:`csv.Sniffer` takes a comma that a header and each price hold for the separator, and
    raises where a file has one column.

    Args:
        path: A file in UTF-8.

    Returns:
        The one that makes most fields; a comma where none makes two or more.

    Raises:
        ValueError: If the file is in another encoding.
    """
    with path.open("rb") as file:
        sample = file.read(N_SAMPLE_BYTES)
        is_whole = not file.read(1)
    end = None if is_whole else sample.rfind(b"\n") + 1 or None
    try:
        text = sample[:end].decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ValueError(
            f"{path} is not in UTF-8. Read it with its encoding, such as "
            f'polars.read_csv("{path.name}", encoding="cp1252"), and give the frame'
        ) from err
    return max(SEPARATORS, key=lambda separator: _count_fields(text, separator, is_whole=is_whole))


def _count_fields(text: str, separator: str, *, is_whole: bool) -> int:
    """Return the fields of each line; 1 if the lines differ, or the text is no CSV."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=separator) if line]
    except csv.Error:
        return 1
    counts = {len(line) for line in (lines if is_whole else lines[:-1])}  # the last may be cut
    return counts.pop() if len(counts) == 1 else 1
