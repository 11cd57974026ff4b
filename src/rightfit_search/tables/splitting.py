"""Assign rows to train, validation and test; validation rows come from the train split only.

The same seed draws the same rows on every machine and in every version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.frames import RawTableError
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import (
    ColumnSplit,
    GroupShare,
    LatestShare,
    RandomShare,
    StratifiedShare,
)

PARTS = ("train", "validation", "test")
N_STRATA = 10  # tenths of the values to predict

Mask = npt.NDArray[np.bool_]
Strata = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Parted:
    """Rows with their part, and how many were left out why.

    Args:
        rows: The kept rows in their original order, with a column ``part``.
        dropped: Reason and number of rows left out, in order; reasons without rows are missing.
        beyond_sample: Which labelled rows belong to the train split but not to its sample, shape
            (n_rows,); ``None``: there is no sample.
        n_taught: Rows among the kept ones whose label is a teacher's answer; copies do not count.
        labelling_s: Seconds that the teacher took.
    """

    rows: pl.DataFrame
    dropped: tuple[tuple[str, int], ...]
    beyond_sample: Mask | None = None
    n_taught: int = 0
    labelling_s: float = 0.0


def assign_parts(spec: DatasetSpec, labelled: pl.DataFrame) -> Parted:
    """Split labelled rows as the dataset documents it.

    Stratified draws give each class rows in every part as far as its rows suffice; of values, each
    tenth.

    Returns:
        The kept rows. ``max_train_rows`` and ``max_test_rows`` keep a seeded, stratified sample.

    Raises:
        RawTableError: If a part lacks rows of a class, or has fewer than two different values.
    """
    labels = labelled["label"].to_numpy()
    strata = find_strata(labels, is_number=spec.task == "regression")
    grouped = labelled.with_columns(_stratum=pl.Series(strata))
    split = spec.split
    is_train: Mask
    is_test: Mask
    if isinstance(split, ColumnSplit):
        column = labelled[split.column]
        is_train = (column == split.train).fill_null(False).to_numpy()
        is_test = (column == split.test).fill_null(False).to_numpy()
        neither = f"{split.column} is neither {split.train} nor {split.test}"
    else:  # every row is one of them
        # another seed than for the validation rows, which are drawn from what this leaves
        is_test = _choose_share(grouped, split, seed=spec.seed + 1, min_rows=2)
        is_train = ~is_test
        neither = "in neither part"
    kept_train = _keep(is_train, strata, n_rows=spec.max_train_rows, seed=spec.seed, min_rows=2)
    kept_test = _keep(is_test, strata, n_rows=spec.max_test_rows, seed=spec.seed, min_rows=1)
    is_validation = np.zeros(len(labels), dtype=np.bool_)
    candidates = grouped.filter(pl.Series(kept_train))
    is_validation[kept_train] = _choose_share(
        candidates, spec.validation, seed=spec.seed, min_rows=1
    )
    is_kept = kept_train | kept_test
    of_kept = [mask[is_kept] for mask in (is_validation, kept_train, kept_test)]
    part = np.select(of_kept, ["validation", "train", "test"], "")
    rows = labelled.filter(pl.Series(is_kept)).with_columns(part=pl.Series(part, dtype=pl.String))
    _require_rows(spec, rows)
    beyond_sample = is_train & ~kept_train
    reasons = {
        neither: int((~is_train & ~is_test).sum()),
        f"not in the sample of {spec.max_train_rows} train rows": int(beyond_sample.sum()),
        f"not in the sample of {spec.max_test_rows} test rows": int((is_test & ~kept_test).sum()),
    }
    dropped = tuple((reason, n_rows) for reason, n_rows in reasons.items() if n_rows)
    return Parted(rows, dropped, beyond_sample)


def select_train_rows(spec: DatasetSpec, rows: pl.DataFrame, parted: pl.DataFrame) -> pl.DataFrame:
    """Select the rows without a label that may be learnt from beside a split.

    They are of the split column's train value, of no group that is held out, and earlier than all
    rows that are held out.

    Args:
        spec: The dataset's description.
        rows: Rows with the columns of the split.
        parted: The split, labelled rows.
    """
    if isinstance(spec.split, ColumnSplit):
        rows = rows.filter(pl.col(spec.split.column) == spec.split.train)
    for share, part in ((spec.split, "test"), (spec.validation, "validation")):
        held_out = parted.filter(part=part)
        if isinstance(share, GroupShare):
            rows = rows.join(held_out, on=share.group_columns, how="anti", nulls_equal=True)
        elif isinstance(share, LatestShare):
            times = pl.concat(
                frame.select(*share.time_columns, _is_late=pl.lit(is_late))
                for frame, is_late in ((rows, False), (held_out, True))
            )
            ordered = times.group_by(share.time_columns).agg(pl.col("_is_late").any())
            early = ordered.sort(share.time_columns).filter(~pl.col("_is_late").cum_max())
            rows = rows.join(early, on=share.time_columns, how="semi", nulls_equal=True)
    return rows


def _keep(mask: Mask, strata: Strata, *, n_rows: int | None, seed: int, min_rows: int) -> Mask:
    if n_rows is None:
        return mask
    selection = mask.copy()
    selection[mask] = draw_stratified(strata[mask], n_rows=n_rows, seed=seed, min_drawn=min_rows)
    return selection


def _choose_share(
    rows: pl.DataFrame,
    share: StratifiedShare | RandomShare | LatestShare | GroupShare,
    *,
    seed: int,
    min_rows: int,
) -> Mask:
    """Choose a share of the rows; a random one leaves ``min_rows`` of each class if it can."""
    if isinstance(share, LatestShare):
        return latest_rows(rows, share.time_columns, share=share.share)
    if isinstance(share, GroupShare):  # the last ones in a random order of the groups
        groups = rows.select(share.group_columns).unique().sort(share.group_columns)
        keys = pl.Series(np.random.PCG64(seed).random_raw(groups.height))
        keyed = rows.select(share.group_columns).join(
            groups.with_columns(_key=keys),
            on=share.group_columns,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        return latest_rows(keyed, ("_key",), share=share.share)
    n_left = rows.height - round(share.share * rows.height)
    is_random = isinstance(share, RandomShare)
    strata = np.zeros(rows.height, np.int32) if is_random else rows["_stratum"].to_numpy()
    return ~draw_stratified(strata, n_rows=n_left, seed=seed, min_drawn=min_rows, min_left=1)


def latest_rows(
    rows: pl.DataFrame, time_columns: tuple[str, ...], *, share: float
) -> npt.NDArray[np.bool_]:
    """Find the last share of rows in time.

    Args:
        rows: Rows with the time columns.
        time_columns: Columns that order time, the coarsest first. A null counts as earliest.
        share: Share of the rows wanted. Rows of one time stay together, so it may be exceeded; by
            more than half of it only where what is left without that time is further off (by
            its ratio to the share), or nothing.

    Returns:
        Which rows are strictly later than all the others, shape (n_rows,).
    """
    times = rows.select(time_columns).unique().sort(time_columns).with_row_index("_order")
    order = rows.select(time_columns).join(
        times, on=time_columns, how="left", nulls_equal=True, maintain_order="left"
    )["_order"]
    n_wanted = round(share * rows.height)
    if n_wanted == 0:
        return np.zeros(rows.height, dtype=np.bool_)
    cut = order.sort()[rows.height - n_wanted]
    n_with, n_without = int((order >= cut).sum()), int((order > cut).sum())
    if n_with > 1.5 * n_wanted and n_with * n_without > n_wanted**2:
        cut += 1
    is_latest: npt.NDArray[np.bool_] = (order >= cut).to_numpy()
    return is_latest


def _require_rows(spec: DatasetSpec, rows: pl.DataFrame) -> None:
    """Refuse a split that leaves a part without rows of a class, or with one value only."""
    if spec.task == "regression":
        n_values = {part: rows.filter(pl.col("part") == part)["label"].n_unique() for part in PARTS}
        if min(n_values.values()) < 2:
            sizes = ", ".join(f"{n} in {part}" for part, n in n_values.items())
            raise RawTableError(
                "Regression needs at least two different values of the target in train, validation "
                f"and test, but the split leaves {sizes}. Add rows, or change split, validation, "
                "max_train_rows or max_test_rows."
            )
        return
    counts = {
        (part, label): n_rows for part, label, n_rows in rows.group_by("part", "label").len().rows()
    }
    n_rows = {
        name: {part: counts.get((part, label), 0) for part in PARTS}
        for label, name in enumerate(spec.target.classes)
    }
    lacking = [
        f"  - {name}: " + ", ".join(f"{n} {part}" for part, n in of_class.items())
        for name, of_class in n_rows.items()
        if 0 in of_class.values()
    ]
    if lacking:
        raise RawTableError(
            "Each class needs a row in train, validation and test, but the split leaves these "
            "classes without:\n" + "\n".join(lacking) + "\n"
            "Add rows of these classes, leave the classes out (drop their rows and remove them "
            "from target.classes), or change split, validation, max_train_rows or max_test_rows."
        )


def find_strata(labels: npt.NDArray[Any], *, is_number: bool) -> Strata:
    """Return what a stratified draw takes its share of: classes, or tenths of the values.

    Args:
        labels: Class positions or values, shape (n,).
        is_number: Whether they are values.

    >>> find_strata(np.array([3.0, 1.0]), is_number=True)
    array([5, 0], dtype=int32)
    """
    if not is_number:
        return labels.astype(np.int32)
    strata = np.empty(len(labels), dtype=np.int32)
    strata[np.argsort(labels, kind="stable")] = (
        np.arange(len(labels)) * N_STRATA // max(1, len(labels))
    )
    return strata


def draw_stratified(
    labels: Strata,
    *,
    n_rows: int,
    seed: int,
    min_drawn: int = 1,
    min_left: int = 0,
) -> npt.NDArray[np.bool_]:
    """Draw rows at random, from each class its share.

    Only the raw stream of the bit generator is used: NumPy promises never to change it, which it
    does not for shuffles.

    Args:
        labels: Class positions or other strata, shape (n,).
        n_rows: Rows to draw; all of them if there are fewer.
        seed: Seed of the drawing.
        min_drawn: Rows that each class gives at least, as far as it has them and ``n_rows`` allows.
        min_left: Rows that each class keeps back at least, after ``min_drawn``.

    Returns:
        Which rows were drawn, shape (n,).

    >>> draw_stratified(np.array([0, 0, 0, 0, 1, 1]), n_rows=3, seed=0).sum()
    np.int64(3)
    """
    n = len(labels)
    if n_rows >= n:
        return np.ones(n, dtype=np.bool_)
    # arrays of all rows are few here, and small: a table may have more rows than memory
    keys = np.random.PCG64(seed).random_raw(n)
    by_class = np.lexsort((keys, labels)).astype(np.uint32)
    keys = keys[by_class]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank_share = np.empty(n)
    for start, size in zip(starts, sizes, strict=True):
        rank = np.arange(size)
        of_class = rank_share[start : start + size]
        np.divide(rank, size, out=of_class)
        of_class[rank >= size - min_left] = 1.0
        of_class[rank < min_drawn] = 0.0
    first = np.lexsort((keys, rank_share))[:n_rows]
    drawn = np.zeros(n, dtype=np.bool_)
    drawn[by_class[first]] = True
    return drawn
