"""A path names one file, also where polars could read it as a pattern."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rightfit.api.search import read_table
from rightfit.models.imported.row_table import read_row_table


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_table(path)["a"].to_list(),
        lambda path: read_row_table(path).column("a").tolist(),
    ],
    ids=["search", "measure"],
)
def test_brackets_in_a_name_stand_for_themselves(
    tmp_path: Path, kind: str, read: Callable[[Path], list[int]]
) -> None:
    for name, value in (("d1", 1), ("d[1]", 2)):
        getattr(pl.DataFrame({"a": [value]}), f"write_{kind}")(tmp_path / f"{name}.{kind}")

    assert read(tmp_path / f"d[1].{kind}") == [2]
