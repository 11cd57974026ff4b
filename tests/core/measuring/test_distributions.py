from __future__ import annotations

import pytest
from scipy import special, stats

from rightfit.measuring.distributions import (
    beta_cdf,
    beta_quantile,
    student_quantile,
)


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.3, 1, 1, 0.3),  # uniform
        (0.3, 2, 1, 0.09),
        (0.3, 1, 2, 0.51),  # 1 - 0.7²
        (0.0, 3, 4, 0.0),
        (1.0, 3, 4, 1.0),
        (0.5, 1e6, 1e6, 0.5),
    ],
)
def test_beta_of_known_values(x: float, a: float, b: float, expected: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("a", [0.5, 3, 40, 1e5])
@pytest.mark.parametrize("b", [0.5, 7, 1e5])
@pytest.mark.parametrize("share", [0.001, 0.025, 0.5, 0.975])
def test_beta_agrees_with_scipy(a: float, b: float, share: float) -> None:
    x = float(special.betaincinv(a, b, share))

    assert beta_cdf(x, a, b) == pytest.approx(share, rel=1e-6)
    assert beta_quantile(share, a, b) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("n_degrees", [1, 2, 5, 12, 1_000])
@pytest.mark.parametrize("error_share", [0.001, 0.0125, 0.05, 0.5])
def test_student_agrees_with_scipy(n_degrees: int, error_share: float) -> None:
    expected = float(stats.t.ppf(1 - error_share / 2, n_degrees))

    assert student_quantile(error_share, n_degrees) == pytest.approx(expected, rel=1e-6)
