"""The rows that a bundle's model reads in a runtime, made of a table that somebody has."""

from __future__ import annotations

from typing import Any

from rightfit.errors import RightfitError
from rightfit.families.bundle import Bundle
from rightfit.families.imported.feeding import Feed, draw, fill
from rightfit.families.imported.row_table import Form, RowTable
from rightfit.families.onnx_session import first_line
from rightfit.families.runtimes import reads_graph

SEED = 0  # of random rows


def find_feeds(bundle: Bundle, runtime: str) -> tuple[Feed, ...]:
    """Return how the named inputs of a bundle's ONNX graph are filled; none of a matrix."""
    if not reads_graph(bundle, runtime):
        return ()
    return tuple(map(Feed.from_dict, bundle.configuration.get("tensors", ())))


def find_form(bundle: Bundle, runtime: str) -> Form:
    """Return the form in which a bundle's model reads rows, where it has no named inputs.

    Models of a search and of a library's own file read float32.
    """
    if reads_graph(bundle, runtime):
        return "floats"
    form: Form = bundle.configuration.get("rows", "floats")
    return form


def reads_columns(bundle: Bundle, runtime: str) -> bool:
    """Tell whether a bundle's model reads columns by name in a runtime, and no matrix."""
    return bool(find_feeds(bundle, runtime)) or find_form(bundle, runtime) in ("pandas", "polars")


def make_rows(bundle: Bundle, runtime: str, rows: RowTable | None) -> Any:
    """Return rows as a bundle's model reads them in a runtime.

    Args:
        bundle: The bundle.
        runtime: The runtime.
        rows: All columns that there are; ``None``: values are drawn at random.

    Returns:
        A matrix or a frame; of a graph with named inputs, an array for each by name.

    Raises:
        RightfitError: If columns are missing, or hold other kinds of values.
    """
    feeds = find_feeds(bundle, runtime)
    if rows is None:
        if feeds:
            return draw(feeds, seed=SEED)
        matrix = Feed("rows", "float32", (bundle.schema.n_features,), ())
        return draw([matrix], seed=SEED)["rows"]
    features = bundle.schema.features
    read = rows if rows.form == "matrix" else rows.select(features, of=bundle.model)
    if feeds:
        return fill(feeds, read)
    try:
        return read.to(find_form(bundle, runtime), features)
    except (TypeError, ValueError) as err:
        raise RightfitError(f"{bundle.model} reads numbers: {first_line(err)}") from err
