"""Confidence intervals of a percentile over processes, valid at every look.

Calls within a process depend on each other, and processes differ from each other (quiet ones by
5–17 % at the p95), so an interval that takes the call for its unit is far too narrow. Here each
fresh process gives one figure, and the interval is for the median over processes. It is made of
order statistics, so it needs no assumption about the distribution: with n processes, the r-th
smallest and r-th largest figure enclose the median unless fewer than r processes lie on one side
of it, which a fair coin decides.

Measuring stops as soon as the interval is narrow enough, so it is looked at after each process.
An interval that is right 95 % of the time when looked at once would be wrong far more often.
So the 5 % are spent over the looks (Lan and DeMets, Biometrika 70, 1983), with the crossing
probabilities of the coin computed exactly: the chance that any of the looks misses the median is
at most 5 % altogether.

Two to five processes cannot enclose the median without an assumption. Where time ran out before
the sixth, or no application could choose the model, Student's interval of the logarithms is given:
it assumes that processes differ by log-normal factors, and never ends a measurement as precise
enough. But screening looks at it after each process, so these looks share another 5 %: 2.5 % at two
processes, 1.25 % at each further one. Two figures alone hardly tell by how much processes
differ, so Student's interval of them is wider than need be. The models measured beside them tell:
they count as differing by the pooled standard deviation of all, or by their own where that is more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.measuring.distributions import student_quantile
from rightfit.measuring.interval import Interval

Floats = npt.NDArray[np.float64]

ERROR_SHARE = 0.05
MIN_PROCESSES = 6  # fewer cannot enclose the median with 95 %: 2 * 0.5**5 = 0.0625
MAX_PROCESSES = 200  # longest table of ranks


@dataclass(frozen=True)
class ProcessSpread:
    """By how much processes of one model differ, learnt from several models.

    Args:
        std: Standard deviation of the logarithm of their figures.
        n_degrees: Degrees of freedom behind it.
    """

    std: float
    n_degrees: int


def estimate_median(
    values: Sequence[float], *, looks_once: bool = False, spread: ProcessSpread | None = None
) -> Interval:
    """Estimate the median over processes from one figure a process.

    Args:
        values: One figure per process, at least one; the order does not matter.
        looks_once: Whether nobody has looked at fewer of the figures, to decide whether to go on.
        spread: By how much processes of like models differ. Two to five figures count as differing
            by that much, or by more where they do.

    >>> estimate_median([5.0, 1.0, 2.0, 3.0, 4.0, 9.0])
    Interval(value=3.5, low=1.0, high=9.0, is_distribution_free=True)
    >>> estimate_median([5.0])
    Interval(value=5.0, low=None, high=None, is_distribution_free=False)
    """
    ordered = sorted(values)
    value = float(np.median(ordered))
    rank = enclosing_ranks()[min(len(ordered), MAX_PROCESSES)]
    if rank > 0:
        return Interval(value, ordered[rank - 1], ordered[-rank], is_distribution_free=True)
    if len(ordered) < 2 or not ordered[0] > 0:
        return Interval(value, None, None, is_distribution_free=False)
    logs = np.log(ordered)
    share = ERROR_SHARE if looks_once else _share_of_look(len(ordered))
    half_width, centre = _half_width(logs, share, spread), logs.mean()
    low = min(float(np.exp(centre - half_width)), ordered[0])
    high = max(float(np.exp(centre + half_width)), ordered[-1])
    return Interval(value, low, high, is_distribution_free=False)


def _share_of_look(n: int) -> float:
    """Return the error that a look at n processes may spend.

    Looks at fewer than the ranks take depend on each other: together they miss less often than
    each of them added up, and in at most 5 % of cases.
    """
    return ERROR_SHARE if n >= MIN_PROCESSES else ERROR_SHARE / (2 if n == 2 else 4)


def pool_spread(groups: Iterable[Sequence[float]]) -> ProcessSpread | None:
    """Pool by how much figures differ within groups; ``None`` if no group says.

    Args:
        groups: Figures of processes, a group for each model; those that are not positive do not
            count, nor does a group of one.

    >>> pool_spread([[1.0, 1.0], [math.exp(1), math.exp(3)], [5.0]])
    ProcessSpread(std=1.0, n_degrees=2)
    """
    logs = [np.log(group) for group in groups if len(group) > 1 and min(group) > 0]
    n_degrees = sum(len(group) - 1 for group in logs)
    if not n_degrees:
        return None
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in logs)
    return ProcessSpread(math.sqrt(squares / n_degrees), n_degrees)


def _half_width(logs: Floats, error_share: float, spread: ProcessSpread | None) -> float:
    """Return what the mean of some logarithms may be off by."""
    std, n_degrees = float(logs.std(ddof=1)), len(logs) - 1
    is_few = len(logs) < MIN_PROCESSES
    if spread is not None and is_few and spread.n_degrees > n_degrees:
        std, n_degrees = max(std, spread.std), spread.n_degrees
    return student_quantile(error_share, n_degrees) * std / math.sqrt(len(logs))


@functools.cache
def enclosing_ranks() -> tuple[int, ...]:
    """Return, for each number of processes, which order statistic ends the interval.

    Returns:
        At position n the rank r: the r-th smallest and r-th largest of n figures are the ends; 0
        when n is too small. Over all n together the intervals miss the median with a probability
        of at most 5 %.

    >>> enclosing_ranks()[5:10]
    (0, 1, 1, 1, 1)
    """
    ranks = [0] * MIN_PROCESSES
    tosses = [math.comb(MIN_PROCESSES, k) / 2**MIN_PROCESSES for k in range(MIN_PROCESSES + 1)]
    below: Floats = np.array(tosses)
    first, spent = 2 * 0.5**MIN_PROCESSES, 0.0  # the first is all that [min, max] of six needs
    for n in range(MIN_PROCESSES, MAX_PROCESSES + 1):
        if n > MIN_PROCESSES:
            below = np.convolve(below, [0.5, 0.5])  # one more toss of the coin
        allowed = first + (ERROR_SHARE - first) * (1 - MIN_PROCESSES / n) + 1e-12
        rank = ranks[-1]
        while spent + _tails(below, rank + 1) <= allowed:
            rank += 1
        spent += _tails(below, rank)
        below[:rank] = 0.0  # paths that have missed once are counted once
        below[len(below) - rank :] = 0.0
        ranks.append(rank)
    return tuple(ranks)


def _tails(below: Floats, rank: int) -> float:
    return float(below[:rank].sum() + below[len(below) - rank :].sum())
