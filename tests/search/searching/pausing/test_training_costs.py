"""What a training usually takes follows from counts; the clock is asked where no line is known."""

from __future__ import annotations

import pytest
from factories.configurations import BOOSTERS, QUICK

from rightfit_search.families.registry import get_family
from rightfit_search.families.training_work import TrainingSize
from rightfit_search.searching.pausing.costs import predict_cpu_s

STRUCTURE = {"n_parameters": 5_000.0, "n_operations": 600.0, "n_nodes": 2_000.0, "n_trees": 50.0}
LENGTHS = {"n_epochs": 12, "n_estimators": 50, "max_iter": 50, "iterations": 50}


def predict(family: str, *, n_rows: int, checkpoint: int) -> float | None:
    share = 2.0 ** (checkpoint - 6)
    grown = {name: count * share for name, count in STRUCTURE.items()}
    counts = get_family(family).count_work(
        LENGTHS,
        TrainingSize(n_rows, n_judged=n_rows // 4, n_features=20, n_outputs=3),
        grown,
        checkpoint=checkpoint,
        n_checkpoints=6,
    )
    return predict_cpu_s(family, counts)


@pytest.mark.parametrize("family", [*QUICK, *BOOSTERS])
def test_every_family_that_ships_has_a_line_that_grows_with_the_training(family: str) -> None:
    short, whole = (predict(family, n_rows=5_000, checkpoint=look) for look in (1, 6))
    large = predict(family, n_rows=50_000, checkpoint=6)

    assert short is not None
    assert whole is not None
    assert large is not None
    assert 0 < short < whole < large


def test_a_family_of_ones_own_has_none() -> None:
    assert predict("sklearn:sklearn.naive_bayes.GaussianNB", n_rows=100, checkpoint=1) is None
