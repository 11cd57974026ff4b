from __future__ import annotations

import numpy as np
import pytest
from demands import ACCURACY, Play
from recordings import application

from rightfit.families.family import TrainingData
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.steering.favourites import cover_wishes, find_favourites


@pytest.mark.parametrize(
    ("values", "qualities", "chosen"),
    [
        ([[0.9], [0.8]], [0.9, 0.8], [0]),
        ([[0.2, 0.9], [0.9, 0.1], [0.5, 0.5]], [0.6, 0.7, 0.9], [2, 0, 1]),
        ([[0.9, -1.5], [0.4, -1.1], [0.3, 0.2]], [0.9, 0.5, 0.4], [0, 2]),  # feasible comes first
        ([[0.9, -1.5], [0.4, -1.1]], [0.9, 0.5], [0, 1]),  # nothing is: the nearest miss
    ],
)
def test_every_application_finds_its_best_among_the_chosen(
    values: list[list[float]], qualities: list[float], chosen: list[int]
) -> None:
    assert cover_wishes(np.array(values), np.array(qualities)) == chosen


def test_favourites_of_a_search_are_those_of_its_applications(blobs: TrainingData) -> None:
    wants = Applications(ACCURACY | {"small": application(max_size_mib=0.5)})
    play = Play(blobs, applications=wants)
    play.run(0.70, 0.80, size_mib=0.1)
    play.run(0.80, 0.90, size_mib=4.0)

    assert find_favourites(play.record(), play.demand) == [1, 0]
