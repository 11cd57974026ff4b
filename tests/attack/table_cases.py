"""Raw tables as people have them: each is refused in one message, or becomes finite input."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

N_ROWS = 60
NUMBERS = [float(i % 7) for i in range(N_ROWS)]
GOOD = pl.DataFrame({"x": NUMBERS, "z": range(N_ROWS), "y": ["a", "b"] * (N_ROWS // 2)})
FIRST, LAST = datetime.date(1, 1, 1), datetime.date(9999, 12, 31)
NAMES = (
    "", " ", "*", "^.*$", "\0", "\x1b[31m", "a\nb", "label", "part", "_row", "row", "weight", "a.b",
    "../../a", "x" * 100_000, "é", "{dataset}", "${x}", "a=b", "<script>",
    "'; DROP TABLE trials; --",
)  # fmt: skip
CLASSES: dict[str, list[Any]] = {
    "empty": ["", "a"], "control": ["\x1b[2J", "a"], "markup": ["<script>alert(1)</script>", "a"],
    "long": ["a" * 100_000, "b"], "missing": ["nan", "null"], "zeros": ["1", "01"],
    "spaces": ["a", "a "], "one": ["a", "a"], "truth": [True, False], "numbers": [0, 1],
    "fractions": [0.0, 1.0], "dates": [FIRST, LAST], "lists": [[1], [2]], "nothing": [None, None],
    "half": ["a", None], "infinite": [math.inf, 1.0], "NaN": [math.nan, 1.0],
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "infinite": [math.inf, 1.0], "NaN": [math.nan, 1.0], "nothing": [None, None], "half": [None, 1],
    "huge": [1e308, -1e308], "beyond float32": [1e39, 1.0], "tiny": [5e-324, 0.0],
    "int64": [2**63 - 1, -(2**63)], "constant": [3, 3], "truth": [True, False], "texts": ["u", "v"],
    "dates": [FIRST, LAST], "times": [datetime.time(1), datetime.time(2)],
    "durations": [datetime.timedelta(1), datetime.timedelta(2)], "lists": [[1, 2], [3]],
    "structs": [{"a": 1}, {"a": 2}], "bytes": [b"\xff", b""], "no words": ["", "\0"],
    "long texts": ["w " * 5_000, "v " * 5_000], "far letters": ["\U0010ffff a b", "\u202e c d"],
}  # fmt: skip


@dataclass(frozen=True)
class TableCase:
    """A raw table with a column ``y`` to predict.

    Args:
        name: What is odd.
        table: What the catalog loads.
        block: The dataset's block beside tables and target.
    """

    name: str
    table: object
    block: dict[str, Any] = field(default_factory=dict)


def list_cases() -> Iterator[TableCase]:
    """List odd tables."""
    for n_rows in (0, 1, 2, 3, 5):
        yield TableCase(f"{n_rows} rows", GOOD.head(n_rows))
    for raw in (None, 5, [1, 2], {}, {"x": [1]}, pl.DataFrame(), GOOD.select("y"), GOOD.drop("y")):
        yield TableCase(f"table is {str(raw)[:30]!r}", raw)
    yield TableCase("one row sixty times", pl.concat([GOOD.head(1)] * N_ROWS))
    yield TableCase(
        "a thousand columns", GOOD.with_columns(pl.col("x").alias(f"c{i}") for i in range(1_000))
    )
    for name in NAMES:
        yield TableCase(f"column called {name[:20]!r}", GOOD.rename({"x": name}))
    for name, pair in CLASSES.items():
        target = pl.Series("y", pair * (N_ROWS // 2), strict=False)
        yield TableCase(f"target: {name}", GOOD.with_columns(target))
    for name, pair in VALUES.items():
        column = pl.Series("x", pair * (N_ROWS // 2), strict=False)
        yield TableCase(f"values: {name}", GOOD.with_columns(column))
        yield TableCase(
            f"numbers: {name}", GOOD.with_columns(column), {"features": {"numeric": ["x"]}}
        )
        mixed = pl.Series("x", [*NUMBERS[:-2], *pair], strict=False, dtype=pl.Object)
        yield TableCase(f"objects: {name}", GOOD.with_columns(mixed))
    for low, high in ((1e300, 1e308), (0.0, math.inf), (math.nan, 1.0), (5.0, 5.0)):
        values = pl.Series("y", [low, *[high] * (N_ROWS - 1)]) + pl.Series("y", NUMBERS)
        yield TableCase(f"number to predict: {low} to {high}", GOOD.with_columns(values))
    rare = pl.when(pl.col("z") == 0).then(pl.lit("rare")).otherwise("y")
    yield TableCase("a class of one row", GOOD.with_columns(y=rare))
    yield TableCase("a class for each row", GOOD.with_columns(y=pl.col("z").cast(pl.String)))
    for share in (1e-9, 0.999999):
        yield TableCase(f"split {share}", GOOD, {"split": {"method": "stratified", "share": share}})
    for kind in ("text", "categorical", "numeric"):
        yield TableCase(f"{kind}: unknown column", GOOD, {"features": {kind: ["nowhere"]}})
        yield TableCase(f"{kind}: the target", GOOD, {"features": {kind: ["y"]}})
    for column, shape in (("x", [4, 4, 1]), ("y", [1, 1, 1]), ("nowhere", [4, 4, 1])):
        image = {"column": column, "shape": shape}
        yield TableCase(f"image: {column}", GOOD, {"features": {"image": image}})
