from __future__ import annotations

import numpy as np
import pytest

from rightfit.preparation.sampling import draw_stratified

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
