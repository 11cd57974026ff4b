"""Temperature scaling: one number after which a classifier's probabilities are calibrated.

Probabilities are raised to the power of 1 / temperature, and those of a row made to sum to 1. Where
they are the softmax of scores this divides the scores by the temperature (Guo et al., On
Calibration of Modern Neural Networks, ICML 2017). The likeliest class stays the likeliest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.models.served_family import Rows

LOWEST, HIGHEST = (
    0.2,
    10.0,
)  # float32 holds a row's likeliest of thousands of classes to the power 5
N_HALVINGS = 30  # of that range
N_ERRORS = 1.5  # that the gain must exceed: the temperature is then three from 1
MAX_ROWS = 10_000


def scale_probabilities(probabilities: Rows, temperature: float | None) -> Rows:
    """Return class probabilities at a temperature, shape (n_rows, n_classes).

    Args:
        probabilities: Same shape.
        temperature: Above 1 they come closer together, below 1 they part; ``None``: as they are.

    >>> scale_probabilities(np.array([[0.2, 0.8]], dtype=np.float32), 0.5).round(3).tolist()
    [[0.05900000035762787, 0.9409999847412109]]
    """
    if temperature is None or temperature == 1:
        return probabilities
    powers = probabilities ** np.float32(1 / temperature)
    scaled: Rows = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def learn_temperature(probabilities: Rows, labels: npt.NDArray[Any]) -> float:
    """Return the temperature of the lowest log loss; 1 where it is no gain beyond noise.

    The log loss is about quadratic around its minimum: there a gain of k of its standard errors is
    one whose temperature lies 2 k standard errors from 1.

    Args:
        probabilities: Of rows that the model has not learnt, shape (n_rows, n_classes).
        labels: Their class positions, shape (n_rows,).
    """
    shares = probabilities[:MAX_ROWS].astype(np.float64)
    # a probability of 0, as of votes, is 0 at all temperatures
    chosen = np.take_along_axis(shares, labels[:MAX_ROWS, None], axis=1)[:, 0]
    logs = np.log(np.maximum(shares[chosen > 0], np.finfo(np.float32).eps))
    logs -= logs.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(logs, labels[:MAX_ROWS, None][chosen > 0], axis=1)[:, 0]
    if not len(chosen):
        return 1.0
    # as if one row more might be of any class: else the lowest is the best where all are right
    chosen += (logs.mean(axis=1) - chosen) / (len(chosen) + 1)

    def find_slope(power: float) -> float:
        """Return the derivative of the log loss by the power, with which it grows."""
        weights = np.exp(power * logs)
        return float(((weights * logs).sum(axis=1) / weights.sum(axis=1) - chosen).mean())

    def find_losses(power: float) -> npt.NDArray[np.float64]:
        losses: npt.NDArray[np.float64] = np.log(np.exp(power * logs).sum(axis=1)) - power * chosen
        return losses

    low, high = np.log([1 / HIGHEST, 1 / LOWEST])
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if find_slope(np.exp(middle)) > 0 else (middle, high)
    power = float(np.exp(low))
    gains = find_losses(1.0) - find_losses(power)
    error = gains.std() / np.sqrt(len(gains))
    return 1 / power if gains.mean() > N_ERRORS * error else 1.0
