"""Assign rows to train, validation and test; validation rows come from the train split only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.preparation.sampling import draw_stratified
from rightfit.preparation.spec import ByTimeValidation, DatasetSpec

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Parted:
    """Rows with their part, and how many were left out why.

    Args:
        rows: The kept rows in their original order, with a column ``part``.
        dropped: Reason and number of rows left out, in order; reasons without rows are missing.
    """

    rows: pl.DataFrame
    dropped: tuple[tuple[str, int], ...]


def assign_parts(spec: DatasetSpec, labelled: pl.DataFrame) -> Parted:
    """Split labelled rows as the dataset documents it.

    Args:
        spec: Description of the dataset.
        labelled: Main table with a column ``label`` without nulls.

    Returns:
        The kept rows. ``max_train_rows`` and ``max_test_rows`` keep a seeded, stratified sample.

    Raises:
        ValueError: If a part is empty or a class has no train row.
    """
    labels = labelled["label"].to_numpy()
    split = labelled[spec.split.column]
    is_train = (split == spec.split.train).fill_null(False).to_numpy()
    is_test = (split == spec.split.test).fill_null(False).to_numpy()
    kept_train = _keep(is_train, labels, n_rows=spec.max_train_rows, seed=spec.seed)
    kept_test = _keep(is_test, labels, n_rows=spec.max_test_rows, seed=spec.seed)
    is_validation = _choose_validation(spec, labelled, kept_train)
    part = np.select([is_validation, kept_train, kept_test], ["validation", "train", "test"], "")
    rows = labelled.with_columns(part=pl.Series(part, dtype=pl.String)).filter(pl.col("part") != "")
    _require_rows(spec, rows)
    reasons = {
        f"{spec.split.column} is neither {spec.split.train} nor {spec.split.test}": int(
            (~is_train & ~is_test).sum()
        ),
        f"not in the sample of {spec.max_train_rows} train rows": int(
            (is_train & ~kept_train).sum()
        ),
        f"not in the sample of {spec.max_test_rows} test rows": int((is_test & ~kept_test).sum()),
    }
    return Parted(rows, tuple((reason, n_rows) for reason, n_rows in reasons.items() if n_rows))


def _keep(
    mask: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    *,
    n_rows: int | None,
    seed: int,
) -> npt.NDArray[np.bool_]:
    if n_rows is None:
        return mask
    kept = mask.copy()
    kept[mask] = draw_stratified(labels[mask], n_rows=n_rows, seed=seed)
    return kept


def _choose_validation(
    spec: DatasetSpec, labelled: pl.DataFrame, kept_train: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(kept_train), dtype=np.bool_)
    candidates = labelled.filter(pl.Series(kept_train))
    if isinstance(spec.validation, ByTimeValidation):
        chosen[kept_train] = latest_rows(
            candidates, spec.validation.time_columns, share=spec.validation.share
        )
    else:
        n_train = candidates.height - round(spec.validation.share * candidates.height)
        labels = candidates["label"].to_numpy()
        chosen[kept_train] = ~draw_stratified(labels, n_rows=n_train, seed=spec.seed)
    return chosen


def latest_rows(
    rows: pl.DataFrame, time_columns: tuple[str, ...], *, share: float
) -> npt.NDArray[np.bool_]:
    """Find the last share of rows in time.

    Args:
        rows: Rows with the time columns.
        time_columns: Columns that order time, the coarsest first. A null counts as earliest.
        share: Share of the rows wanted. Rows of one time stay together, so it may be exceeded.

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
    is_latest: npt.NDArray[np.bool_] = (order >= cut).to_numpy()
    return is_latest


def _require_rows(spec: DatasetSpec, rows: pl.DataFrame) -> None:
    counts = {part: rows.filter(pl.col("part") == part) for part in PARTS}
    faults = [f"no row is left for {part}" for part, found in counts.items() if found.is_empty()]
    present = set(counts["train"]["label"].unique().to_list())
    absent = [name for i, name in enumerate(spec.target.classes) if i not in present]
    if absent:
        faults.append(f"no train row is left for the classes {absent}")
    if faults:
        n_kept = {part: found.height for part, found in counts.items()}
        raise ValueError(
            f"The split by {spec.split.column!r} does not work: {'; '.join(faults)}. "
            f"Rows kept: {n_kept}. Correct split, validation, max_train_rows or max_test_rows "
            "in parameters_datasets.yml."
        )
