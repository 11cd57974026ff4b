"""Intervals of one rule, each with what it should hold: coverage, width and interval score."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from rightfit.profiling.estimate import Interval


@dataclass(frozen=True)
class Judged:
    """An interval and what it should hold.

    Args:
        low: Lower end.
        high: Upper end.
        truth: What it should hold.
        is_marked: Whether it says that it may not.
    """

    low: float
    high: float
    truth: float
    is_marked: bool = False

    @property
    def covers(self) -> bool:
        """Whether it holds the truth."""
        return bool(self.low <= self.truth <= self.high)

    @property
    def half_width_pct(self) -> float:
        """Half its width in percent of the truth."""
        return 50 * (self.high - self.low) / self.truth

    @property
    def score_pct(self) -> float:
        """Interval score in percent of the truth."""
        return 100 * score_interval(self.low, self.high, self.truth)


@dataclass
class Tally:
    """All intervals of one rule."""

    judged: list[Judged] = field(default_factory=list)

    def add(self, interval: Interval, truth: float, *, is_marked: bool) -> None:
        """Count one more.

        Raises:
            ValueError: If the interval's ends are unknown.
        """
        if interval.low is None or interval.high is None:
            raise ValueError(f"an interval needs ends, but got {interval}.")
        self.judged.append(Judged(interval.low, interval.high, truth, is_marked))

    @property
    def coverage(self) -> float:
        """Share of the intervals that hold their truth."""
        return statistics.mean(one.covers for one in self.judged)

    @property
    def half_width_pct(self) -> float:
        """Mean half width in percent of the truth."""
        return statistics.mean(one.half_width_pct for one in self.judged)

    @property
    def score_pct(self) -> float:
        """Mean interval score in percent of the truth."""
        return statistics.mean(one.score_pct for one in self.judged)

    @property
    def marked(self) -> float:
        """Share that are marked."""
        return statistics.mean(one.is_marked for one in self.judged)

    @property
    def covered_or_marked(self) -> float:
        """Share that hold their truth or are marked."""
        return statistics.mean(one.covers or one.is_marked for one in self.judged)


def score_interval(low: float, high: float, truth: float, *, error_share: float = 0.05) -> float:
    """Return the interval score relative to the truth, lower is better.

    The width, plus what a missed truth lies outside, times two over the share of errors allowed
    (Gneiting and Raftery, Journal of the American Statistical Association 102, 2007, 6.2).

    >>> score_interval(1.5, 2.0, 1.0), score_interval(0.75, 1.25, 1.0)
    (20.5, 0.5)
    """
    outside = max(low - truth, 0.0) + max(truth - high, 0.0)
    return (high - low + 2 / error_share * outside) / truth


def print_tallies(name: str, tallies: dict[str, Tally]) -> None:
    """Print one line per rule: coverage, half width, score, share marked."""
    for rule, tally in tallies.items():
        print(
            f"{name:<30}{rule:<20}{tally.coverage:>9.1%}{tally.half_width_pct:>13.2f}"
            f"{tally.score_pct:>9.2f}{tally.marked:>9.0%}",
            flush=True,
        )
