"""Encoded rows on disk in a random order: what a training reads that has more rows than memory.

Each row is put into one of many files at random while they are written, and each file is shuffled
when it is read. So the first files are a random sample of all rows, and a pass over all of them
visits the rows in a random order, though only one file is in memory at a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.models.schema import InputSchema

Array = npt.NDArray[Any]

BYTES_PER_MIB = 2**20
BLOCK_BYTES = 2**24  # of a file's rows, about
_MANIFEST = "rows.json"


@dataclass(frozen=True)
class StoredRows:
    """Rows with their labels in files.

    Args:
        folder: Of the files.
        schema: Names of the columns and classes.
        sizes: Rows of each file.
    """

    folder: Path
    schema: InputSchema
    sizes: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Rows of all files."""
        return sum(self.sizes)

    def read(self, block: int, start: int = 0, stop: int | None = None) -> Array:
        """Read rows of a file, shape (n_rows, n_features), in the order of the file."""
        n_features = self.schema.n_features
        stop = self.sizes[block] if stop is None else min(stop, self.sizes[block])
        count = max(stop - start, 0) * n_features
        path = self.folder / f"{block:05d}.rows"
        values = np.fromfile(path, np.float32, count, offset=start * n_features * 4)
        return values.reshape(-1, n_features)

    def read_labels(self, block: int) -> Array:
        """Read the labels of a file, shape (n_rows,)."""
        labels = np.fromfile(self.folder / f"{block:05d}.labels", np.float64)
        return self.schema.cast_labels(labels)

    def read_all_labels(self) -> Array:
        """Read the labels of all files, shape (n_rows,), file by file."""
        return np.concatenate([self.read_labels(block) for block in range(len(self.sizes))])

    def iterate(self, *, seed: int) -> Iterator[tuple[Array, Array]]:
        """Pass over all rows and their labels in a random order, a file at a time."""
        rng = np.random.default_rng(seed)
        for block in rng.permutation(len(self.sizes)):
            order = rng.permutation(self.sizes[block])
            yield self.read(block)[order], self.read_labels(block)[order]

    def count_batches(self, n_rows: int) -> int:
        """Return the batches of a pass; see :meth:`iterate_batches`."""
        return sum(-(-size // n_rows) for size in self.sizes)

    def iterate_batches(
        self, n_rows: int, *, n_passes: int, seed: int
    ) -> Iterator[tuple[Array, Array]]:
        """Pass over all rows in batches of ``n_rows``; the last one of a file may have fewer."""
        for number in range(n_passes):
            for rows, labels in self.iterate(seed=seed + number):
                for start in range(0, len(labels), n_rows):
                    yield rows[start : start + n_rows], labels[start : start + n_rows]

    def take(self, n_rows: int) -> tuple[Array, Array]:
        """Read a random sample and its labels: ``n_rows``, or all if there are fewer."""
        n_blocks = int(np.searchsorted(np.cumsum(self.sizes), n_rows)) + 1
        blocks = range(min(n_blocks, len(self.sizes)))
        rows = np.concatenate([self.read(block) for block in blocks])
        labels = np.concatenate([self.read_labels(block) for block in blocks])
        return rows[:n_rows], labels[:n_rows]


def store_rows(
    folder: Path,
    batches: Iterable[tuple[Array, Array]],
    schema: InputSchema,
    *,
    n_rows: int,
    seed: int,
    block_bytes: int = BLOCK_BYTES,
) -> StoredRows:
    """Write encoded rows in a random order, unless the folder holds them already.

    Args:
        folder: Where to; rows of a writing that was cut short are removed first.
        batches: Rows, shape (n, n_features), and labels, shape (n,).
        schema: Names of the columns and classes.
        n_rows: Rows that are expected, which decides how many files there are.
        seed: Of the order.
        block_bytes: Size of a file's rows, about.
    """
    if (folder / _MANIFEST).is_file():
        return open_rows(folder, schema)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    n_blocks = max(1, -(-n_rows * schema.n_features * 4 // block_bytes))
    rng, sizes = np.random.default_rng(seed), np.zeros(n_blocks, np.int64)
    for rows, labels in batches:
        of_row = rng.integers(n_blocks, size=len(labels))
        order = np.argsort(of_row, kind="stable")
        counts = np.bincount(of_row, minlength=n_blocks)
        ends = np.cumsum(counts)[:-1]
        for block, chosen in enumerate(np.split(order, ends)):
            for name, values in (("rows", rows), ("labels", labels.astype(np.float64))):
                with (folder / f"{block:05d}.{name}").open("ab") as file:
                    values[chosen].tofile(file)
        sizes += counts
    (folder / _MANIFEST).write_text(json.dumps({"sizes": sizes.tolist()}))
    return open_rows(folder, schema)


def open_rows(folder: Path, schema: InputSchema) -> StoredRows:
    """Return the rows that :func:`store_rows` wrote.

    Raises:
        FileNotFoundError: If there are none, or their writing was cut short.
    """
    sizes = json.loads((folder / _MANIFEST).read_text())["sizes"]
    return StoredRows(folder, schema, tuple(sizes))


def rows_in_memory(memory_mib: float, schema: InputSchema) -> int:
    """Return how many rows a family may be given in memory.

    An eighth of the memory holds them as float32: scikit-learn's histogram boosting copies them as
    float64, and bins them.

    >>> rows_in_memory(8, InputSchema(("a", "b"), (), None))
    131072
    """
    return int(memory_mib * BYTES_PER_MIB / 8) // (4 * schema.n_features)


def rows_in_blocks(memory_mib: float, schema: InputSchema) -> int:
    """Return how many rows a family may read from disk within some memory.

    Boosted trees take most: a byte a value once it is binned, and per output a score, a gradient
    and a curvature in double precision at most, beside labels and the rows of each leaf.
    A quarter of the memory is left to the process and its libraries.

    >>> rows_in_blocks(2048, InputSchema(tuple("abcdefghijklmnopqrst"), (), None)) > 20_000_000
    True
    """
    n_scores = schema.n_outputs if schema.n_outputs > 2 else 1
    n_bytes = schema.n_features + 24 * n_scores + 24
    return int(memory_mib * BYTES_PER_MIB * 3 / 4) // n_bytes
