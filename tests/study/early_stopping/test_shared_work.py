from __future__ import annotations

import pytest

from rightfit_study.early_stopping.shared_work import work_side_by_side

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_item_meets_what_is_shared_in_order(n_jobs: int) -> None:
    found = work_side_by_side(pow, [1, 2, 3], shared=(2,), n_jobs=n_jobs)

    assert list(found) == [2, 4, 8]
