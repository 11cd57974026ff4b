"""Image files: folders of them as a table, and the shape that they are given."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath

import polars as pl

from rightfit._core.extras import require
from rightfit.data.request_path.feeding import FORMATS

MAX_SIDE = 32  # of an inferred shape, in pixels: each pixel is a column of the encoded table
N_LOOKED_AT = 200  # images from which a shape is inferred
GREY_MODES = ("1", "L", "LA", "I", "I;16")  # Pillow's
SPLIT = {"train", "test"}  # names of two folders


def require_pillow() -> None:
    """Refuse image files where Pillow is not installed.

    Raises:
        RightfitError: Naming the extra to install.
    """
    require("PIL", purpose="A column of image files")


def read_file(part: object) -> bytes | None:
    """Return the content of a partition that is a file: bytes, or an image that Pillow opened.

    ``None`` if it is neither. An image becomes a PNG file, which loses nothing.
    """
    if isinstance(part, bytes):
        return part
    if type(part).__module__.split(".")[0] != "PIL":
        return None
    file = io.BytesIO()
    part.save(file, "PNG")  # type: ignore[attr-defined]
    return file.getvalue()


def tabulate_files(files: Mapping[str, bytes]) -> pl.DataFrame:
    """Put image files into a table, a row each.

    Returns:
        ``path`` and ``image``; ``folder``, the name of the folder a file lies in, if all lie in
        one; ``split`` if all lie in folders below the two folders ``train`` and ``test``.

    >>> tabulate_files({"train/cat/1.png": b"", "test/dog/2.png": b""}).drop("image").rows()
    [('train/cat/1.png', 'cat', 'train'), ('test/dog/2.png', 'dog', 'test')]
    """
    folders = [PurePosixPath(path).parent.parts for path in files]
    columns: dict[str, list[str] | list[bytes]] = {"path": [*files]}
    if all(folders):
        columns["folder"] = [parts[-1] for parts in folders]
    if all(len(parts) > 1 for parts in folders) and {parts[0] for parts in folders} == SPLIT:
        columns["split"] = [parts[0] for parts in folders]
    return pl.DataFrame({**columns, "image": [*files.values()]})


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
