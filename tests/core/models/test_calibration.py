from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.models.calibration import learn_temperature, scale_probabilities
from rightfit.models.predictions import softmax

Floats = npt.NDArray[np.float32]


def draw(n_rows: int, *, temperature: float, n_classes: int = 4) -> tuple[Floats, npt.NDArray]:
    """Return probabilities that a temperature would calibrate, and labels."""
    rng = np.random.default_rng(0)
    scores = rng.normal(scale=2, size=(n_rows, n_classes))
    edges = softmax(scores).cumsum(axis=1)
    labels = np.minimum((rng.uniform(size=(n_rows, 1)) > edges).sum(axis=1), n_classes - 1)
    return softmax(scores * temperature).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_learns_the_temperature_that_probabilities_lack(temperature: float, n_classes: int) -> None:
    probabilities, labels = draw(8_000, temperature=temperature, n_classes=n_classes)

    assert learn_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.06)


def test_calibrated_probabilities_stay_as_they_are() -> None:
    probabilities, labels = draw(2_000, temperature=1.0)

    assert learn_temperature(probabilities, labels) == 1.0
    assert scale_probabilities(probabilities, 1.0) is probabilities


def test_few_rows_that_may_err_by_chance_change_nothing() -> None:
    probabilities, labels = draw(12, temperature=1.3)

    assert learn_temperature(probabilities, labels) == 1.0


def test_few_rows_that_are_all_right_make_nothing_certain() -> None:
    probabilities = np.tile(np.array([0.8, 0.15, 0.05], dtype=np.float32), (15, 1))

    temperature = learn_temperature(probabilities, np.zeros(15, dtype=np.int64))

    assert 0.85 < scale_probabilities(probabilities, temperature).max() < 0.98


@pytest.mark.parametrize("temperature", [0.2, 0.7, 3.0, 10.0])
def test_the_likeliest_class_stays_and_rows_sum_to_one(temperature: float) -> None:
    probabilities, _ = draw(2_000, temperature=1.0)

    scaled = scale_probabilities(probabilities, temperature)

    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1, atol=1e-6)


def test_votes_of_zero_neither_stop_nor_bend_it() -> None:
    probabilities, labels = draw(8_000, temperature=2.0)
    unsuspected = np.eye(4, dtype=np.float32)[(labels[:50] + 1) % 4]

    temperature = learn_temperature(
        np.concatenate([unsuspected, probabilities]), np.concatenate([labels[:50], labels])
    )

    assert temperature == pytest.approx(2.0, rel=0.06)
    assert learn_temperature(unsuspected, labels[:50]) == 1.0
