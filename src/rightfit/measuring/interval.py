"""An estimate with its 95 % interval; apart from how it is found, which takes numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Interval:
    """An estimate and what is known about it.

    Args:
        value: Median over processes.
        low: Lower end of the 95 % interval, ``None`` when one process was measured.
        high: Upper end.
        is_distribution_free: Whether the interval holds without an assumption, at every look.
    """

    value: float
    low: float | None
    high: float | None
    is_distribution_free: bool

    @property
    def half_width_pct(self) -> float:
        """Half the interval's width in percent of the value; infinite when it is not known."""
        if self.low is None or self.high is None or not self.value > 0:
            return math.inf
        return 50.0 * (self.high - self.low) / self.value

    def widened(self, by_pct: float) -> Interval:
        """Return the interval with a factor that all figures share, and that is not known.

        Such an error is nothing that more figures would show. It is independent of what they do
        show, so the two add in quadrature, as standard uncertainties do (JCGM 100:2008, 5.1), of
        logarithms, as it multiplies.

        Args:
            by_pct: What it reaches, in percent.

        >>> Interval(10.0, 10.0, 14.0, is_distribution_free=True).widened(25)
        Interval(value=10.0, low=8.0, high=14.97415723695209, is_distribution_free=True)
        """
        if self.low is None or self.high is None or not self.low > 0:
            return self
        reach = math.log1p(by_pct / 100)
        return replace(
            self,
            low=self.value * math.exp(-math.hypot(math.log(self.value / self.low), reach)),
            high=self.value * math.exp(math.hypot(math.log(self.high / self.value), reach)),
        )
