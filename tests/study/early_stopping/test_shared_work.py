from __future__ import annotations

from functools import partial

import pytest

from rightfit_study.early_stopping.shared_work import work_side_by_side

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_work_on_items_comes_back_in_order(n_jobs: int) -> None:
    found = work_side_by_side(partial(pow, 2), [1, 2, 3], n_jobs=n_jobs, n_at_once=2)

    assert list(found) == [2, 4, 8]
