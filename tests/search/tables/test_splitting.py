from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from rightfit._core.frames import RawTableError
from rightfit_search.tables.assembling import add_label
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.description_parts import RandomShare, StratifiedShare
from rightfit_search.tables.splitting import assign_parts, draw_stratified, latest_rows

Describe = Callable[..., DatasetSpec]
Tables = dict[str, pl.DataFrame]

STRATIFIED = {"method": "stratified", "share": 0.25}


def wide(n_train: int, n_test: int) -> pl.DataFrame:
    """One row in four is late; one time per row."""
    n = n_train + n_test
    return pl.DataFrame(
        {
            "day": [1 + i // 24 for i in range(n)],
            "clock": [100 * (i % 24) for i in range(n)],
            "split": ["train"] * n_train + ["test"] * n_test,
            "label": [int(i % 4 == 0) for i in range(n)],
            "row": list(range(n)),
        }
    )


def count(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows.group_by("part").len().rows())


def test_validation_by_time_is_strictly_later_than_train(describe: Describe) -> None:
    shuffled = wide(80, 16).sample(fraction=1.0, shuffle=True, seed=1)

    rows = assign_parts(describe(), shuffled).rows
    times = {
        part: rows.filter(pl.col("part") == part).select(pl.struct("day", "clock"))["day"]
        for part in ("train", "validation")
    }

    assert count(rows) == {"train": 60, "validation": 20, "test": 16}
    assert max(t["day"] * 2400 + t["clock"] for t in times["train"]) < min(
        t["day"] * 2400 + t["clock"] for t in times["validation"]
    )


def test_latest_rows_keeps_rows_of_one_time_together() -> None:
    rows = pl.DataFrame({"day": [1, 2, 3, 3, 3, None]})

    assert latest_rows(rows, ("day",), share=0.2).tolist() == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("n_by_time", "n_latest"),
    [
        ([20, 20, 40, 20], 20),  # 24 are wanted: 20 are nearer than 60
        ([70, 28, 2], 30),  # 30 is less than half too many
        ([40, 56, 4], 60),  # 60 is 2.5 times too many, 4 six times too few
        ([40, 60], 60),  # without them there is none
    ],
)
def test_latest_rows_of_few_times_come_near_the_share(n_by_time: list[int], n_latest: int) -> None:
    times = [time for time, n in enumerate(n_by_time) for _ in range(n)]

    assert latest_rows(pl.DataFrame({"year": times}), ("year",), share=0.24).sum() == n_latest


def test_latest_rows_orders_by_the_first_column_first() -> None:
    rows = pl.DataFrame({"day": [2, 1, 1], "clock": [0, 9, 5]})

    assert latest_rows(rows, ("day", "clock"), share=0.34).tolist() == [True, False, False]


def test_validation_comes_from_train_only_and_keeps_the_class_shares(describe: Describe) -> None:
    rows = assign_parts(describe(validation=STRATIFIED), wide(80, 16)).rows
    validation = rows.filter(pl.col("part") == "validation")

    assert count(rows) == {"train": 60, "validation": 20, "test": 16}
    assert set(validation["split"]) == {"train"}
    assert validation["label"].sum() == 5


def test_test_rows_are_the_documented_ones_whatever_the_seed(describe: Describe) -> None:
    for seed in (1, 2):
        rows = assign_parts(describe(validation=STRATIFIED, seed=seed), wide(80, 16)).rows

        assert rows.filter(pl.col("part") == "test")["row"].to_list() == list(range(80, 96))


def test_caps_keep_a_seeded_sample_and_count_the_rest(describe: Describe) -> None:
    spec = describe(validation=STRATIFIED, max_train_rows=40, max_test_rows=8)

    parted = assign_parts(spec, wide(80, 16))

    assert count(parted.rows) == {"train": 30, "validation": 10, "test": 8}
    assert parted.dropped == (
        ("not in the sample of 40 train rows", 40),
        ("not in the sample of 8 test rows", 8),
    )
    assert parted.rows.equals(assign_parts(spec, wide(80, 16)).rows)
    assert parted.rows["row"].is_sorted()


def test_rows_of_another_split_value_are_dropped_and_counted(describe: Describe) -> None:
    rows = wide(80, 16).with_columns(
        split=pl.when(pl.col("row") < 5).then(pl.lit("other")).otherwise("split")
    )

    assert assign_parts(describe(), rows).dropped == (("split is neither train nor test", 5),)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1] * 4 + [0, 0], "in_time: 0 train, 0 validation, 2 test"),
        ([0] * 4 + [1, 1], "late: 0 train, 0 validation, 2 test"),
        ([0, 1] * 2 + [0, 0], "late: 1 train, 1 validation, 0 test"),
        ([0, 1, 0, 0, 1, 0], "late: 1 train, 0 validation, 1 test"),  # by time, so unmovable
    ],
)
def test_class_without_rows_in_a_part_is_refused_with_its_rows(
    describe: Describe, labels: list[int], message: str
) -> None:
    rows = wide(4, 2).with_columns(label=pl.Series(labels))

    with pytest.raises(ValueError, match=message):
        assign_parts(describe(), rows)


def test_one_time_for_all_rows_leaves_no_train_rows(describe: Describe, tables: Tables) -> None:
    trips = tables["trips"].with_columns(day=pl.lit(1), clock=pl.lit(600))
    spec = describe()

    with pytest.raises(ValueError, match="in_time: 0 train, 3 validation, 1 test"):
        assign_parts(spec, add_label(trips, spec.target))


def rare(n_rare: int) -> pl.DataFrame:
    """A hundred rows without a documented split, few of them late."""
    labels = [1] * n_rare + [0] * (100 - n_rare)
    return pl.DataFrame({"label": labels, "row": list(range(100))})


@pytest.mark.parametrize("n_rare", [3, 4, 10])
def test_random_draws_give_a_rare_class_rows_in_every_part(describe: Describe, n_rare: int) -> None:
    spec = describe(split={"method": "stratified", "share": 0.2}, validation=STRATIFIED)

    rows = assign_parts(spec, rare(n_rare)).rows
    of_rare = count(rows.filter(pl.col("label") == 1))

    assert set(of_rare) == {"train", "validation", "test"}
    assert count(rows)["test"] == 20


def test_two_train_rows_of_a_class_are_shared_with_the_validation(describe: Describe) -> None:
    labelled = wide(80, 16).with_columns(
        label=pl.when(pl.col("row").is_in([5, 60, 90])).then(1).otherwise(0)
    )

    rows = assign_parts(describe(validation=STRATIFIED), labelled).rows

    assert count(rows.filter(pl.col("label") == 1)) == {"train": 1, "validation": 1, "test": 1}


def test_cap_keeps_rows_of_a_rare_class_for_train_and_validation(describe: Describe) -> None:
    labelled = wide(80, 16).with_columns(
        label=pl.when(pl.col("row").is_in([5, 20, 60, 90])).then(1).otherwise(0)
    )

    rows = assign_parts(describe(validation=STRATIFIED, max_train_rows=8), labelled).rows

    assert count(rows.filter(pl.col("label") == 1)) == {"train": 1, "validation": 1, "test": 1}


def test_class_with_too_few_rows_is_refused_with_the_cure(describe: Describe) -> None:
    spec = describe(split={"method": "stratified", "share": 0.2}, validation=STRATIFIED)

    with pytest.raises(
        RawTableError, match=r"(?s)late: 1 train, 1 validation, 0 test.*Add rows of these classes"
    ):
        assign_parts(spec, rare(2))


def test_rows_of_a_group_stay_together(describe: Describe) -> None:
    by_group = {"method": "by_group", "share": 0.25, "group_columns": ["day"]}
    days = pl.Series([None, *range(1, 24)] * 4)

    rows = assign_parts(
        describe(split=by_group, validation=by_group), wide(80, 16).with_columns(day=days)
    ).rows

    assert rows.group_by("day").agg(pl.col("part").n_unique())["part"].max() == 1
    assert count(rows) == {"train": 52, "validation": 20, "test": 24}


def test_test_rows_by_time_are_later_than_all_others(describe: Describe) -> None:
    by_time = {"method": "by_time", "share": 0.25, "time_columns": ["day", "clock"]}

    rows = assign_parts(describe(split=by_time, validation=STRATIFIED), wide(80, 16)).rows

    assert rows.filter(pl.col("part") == "test")["row"].to_list() == list(range(72, 96))


def as_regression(spec: DatasetSpec, **changes: object) -> DatasetSpec:
    """The same dataset with its minutes of delay as numbers to predict."""
    target = spec.target.model_copy(update={"at_least": None, "classes": ()})
    return spec.model_copy(update={"task": "regression", "target": target, **changes})


def numbered(n: int) -> pl.DataFrame:
    return wide(0, n).with_columns(label=pl.Series([float(i * 7 % n) for i in range(n)]))


@pytest.mark.parametrize("kind", [RandomShare, StratifiedShare])
def test_share_of_numbers_is_drawn(kind: type, describe: Describe) -> None:
    method = "random" if kind is RandomShare else "stratified"
    share = kind(method=method, share=0.2)
    spec = as_regression(describe(), split=share, validation=share)

    rows = assign_parts(spec, numbered(200)).rows

    assert count(rows) == {"test": 40, "validation": 32, "train": 128}


def test_stratified_share_has_its_part_of_every_tenth_of_the_numbers(describe: Describe) -> None:
    share = StratifiedShare(method="stratified", share=0.2)
    spec = as_regression(describe(), split=share, validation=share)

    rows = assign_parts(spec, numbered(200)).rows
    tenths = rows.filter(pl.col("part") == "test")["label"] // 20

    assert tenths.value_counts()["count"].to_list() == [4] * 10


def test_part_with_one_number_only_is_refused(describe: Describe) -> None:
    share = RandomShare(method="random", share=0.2)
    spec = as_regression(describe(), split=share, validation=share)
    rows = numbered(50).with_columns(label=pl.lit(3.0))

    with pytest.raises(
        RawTableError, match=r"at least two different values .*1 in train, 1 in val"
    ):
        assign_parts(spec, rows)


LABELS = np.array([0] * 60 + [1] * 30 + [2] * 10)


def test_draw_gives_each_class_its_share() -> None:
    drawn = draw_stratified(LABELS, n_rows=20, seed=3)

    assert np.bincount(LABELS[drawn]).tolist() == [12, 6, 2]


def test_draw_depends_on_the_seed_alone() -> None:
    first = draw_stratified(LABELS, n_rows=20, seed=3)

    assert (draw_stratified(LABELS, n_rows=20, seed=3) == first).all()
    assert (draw_stratified(LABELS, n_rows=20, seed=4) != first).any()


def test_draw_stays_the_same_across_machines_and_versions() -> None:
    # from PCG64's stream for the seed 0, which NumPy promises to keep
    drawn = draw_stratified(np.zeros(8, dtype=np.int64), n_rows=3, seed=0)

    assert np.flatnonzero(drawn).tolist() == [1, 2, 3]


def test_draw_keeps_a_rare_class() -> None:
    labels = np.array([0] * 999 + [1])

    assert draw_stratified(labels, n_rows=5, seed=0)[999]


def test_draw_takes_and_leaves_at_least_so_many_of_each_class() -> None:
    labels = np.array([0] * 96 + [1] * 4)

    drawn = draw_stratified(labels, n_rows=10, seed=0, min_drawn=2)
    left = ~draw_stratified(labels, n_rows=98, seed=0, min_left=1)

    assert np.bincount(labels[drawn]).tolist() == [8, 2]
    assert np.bincount(labels[left]).tolist() == [1, 1]


@pytest.mark.parametrize("n_rows", [100, 101])
def test_draw_of_all_rows_keeps_all(n_rows: int) -> None:
    assert draw_stratified(LABELS, n_rows=n_rows, seed=0).all()
