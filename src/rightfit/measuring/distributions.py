"""Quantiles of Student's and the beta distribution, by the incomplete beta function.

SciPy has them too. It is not imported here: it would make the installation of the core a third
larger, and each measuring begin a second later.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

_MAX_TERMS = 1_000_000
_TINY = 1e-300  # in place of a denominator of 0


def find_crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses 0 between two bounds, to the last digit.

    >>> find_crossing(lambda x: x**2 - 9, 0.0, 10.0)
    3.0
    """
    while low < (middle := (low + high) / 2) < high:
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return high


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the cumulative beta distribution, the regularised incomplete beta function I_x(a, b).

    Its continued fraction (DLMF 8.17.22) is evaluated from the front, by Lentz's method as Thompson
    and Barnett modified it (Journal of Computational Physics 64, 1986).

    Args:
        x: Any number.
        a: First shape, positive.
        b: Second shape, positive.

    >>> round(beta_cdf(0.25, 2, 3), 12)  # 6 x² - 8 x³ + 3 x⁴
    0.26171875
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the fraction of the other tail converges faster
        return 1 - beta_cdf(1 - x, b, a)
    fraction, c, d = 1.0, 1.0, 0.0
    for n in range(1, _MAX_TERMS):
        m = n // 2
        term = -(a + m) * (a + b + m) if n % 2 else m * (b - m)
        term *= x / ((a + n - 1) * (a + n))
        d = 1 / (1 + term * d or _TINY)
        c = 1 + term / c or _TINY
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / (a * fraction)


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return what a share of the beta distribution lies below.

    >>> round(beta_quantile(0.26171875, 2, 3), 12)
    0.25
    """
    return find_crossing(lambda x: beta_cdf(x, a, b) - share, 0.0, 1.0)


@functools.cache
def student_quantile(error_share: float, n_degrees: float) -> float:
    """Return what a variable of Student's distribution exceeds on either side in a share of cases.

    >>> round(student_quantile(0.05, 2), 5)
    4.30265
    """
    # n / (n + t²) has the beta distribution with the shapes n / 2 and 1/2
    x = beta_quantile(error_share, n_degrees / 2, 0.5)
    return math.sqrt(n_degrees * (1 - x) / x)
