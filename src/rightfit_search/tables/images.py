"""Image files: the library that they need, and the shape that they are given."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress

import polars as pl

from rightfit._core.extras import require
from rightfit.data.request_path.feeding import FORMATS

MAX_SIDE = 32  # of an inferred shape, in pixels: each pixel is a column of the encoded table
N_LOOKED_AT = 200  # images from which a shape is inferred
GREY_MODES = ("1", "L", "LA", "I", "I;16")  # Pillow's


def require_pillow() -> None:
    """Refuse image files where Pillow is not installed.

    Raises:
        RightfitError: Naming the extra to install.
    """
    require("PIL", purpose="A column of image files")


def infer_shape(column: pl.Series) -> tuple[int, int, int] | None:
    """Return the shape that a column's image files have most often, its longer side limited.

    ``None`` if most are no PNG or JPEG files; a few others are named when the table is checked.
    """
    require_pillow()
    from PIL import Image

    contents = column.drop_nulls().head(N_LOOKED_AT)
    unreadable = (OSError, Image.DecompressionBombError)
    sizes, modes = Counter[tuple[int, int]](), set()
    for content in contents:
        with suppress(*unreadable), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            sizes[image.size] += 1
            modes.add(image.mode)
    if 2 * sizes.total() <= len(contents):
        return None
    ((width, height), _), *_ = sizes.most_common(1)
    scale = min(1.0, MAX_SIDE / max(width, height))
    n_channels = 1 if modes <= set(GREY_MODES) else 3
    return max(1, round(height * scale)), max(1, round(width * scale)), n_channels
