from __future__ import annotations

import polars as pl
import pytest

from rightfit._core.errors import RightfitError
from rightfit.models.quality.bounds import complete_quality
from rightfit.models.quality.params import QualityBlock


@pytest.mark.parametrize(
    ("name", "worst"), [("precision", 0.0), ("neg_negative_likelihood_ratio", -1.0)]
)
def test_guess_that_a_metric_warns_of_is_scored_quietly(name: str, worst: float) -> None:
    rarely = pl.Series([0, 0, 1])

    assert complete_quality(QualityBlock(name=name), rarely, "classification").worst == worst


def test_number_that_no_model_can_answer_is_not_predicted() -> None:
    with pytest.raises(RightfitError, match=r"up to 1.0e\+39, but models answer in float32"):
        complete_quality(QualityBlock(), pl.Series([1e39, 1.0]), "regression")
