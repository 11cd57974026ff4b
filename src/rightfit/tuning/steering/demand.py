"""What the applications ask of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.pausing_rule import PausingRule
from rightfit.tuning.pausing.priors import Prior
from rightfit.tuning.pausing.serving_costs import Lines


@dataclass(frozen=True)
class Demand:
    """What a search that serves applications needs to know of them.

    Args:
        applications: Who will choose.
        pausing: How much a step must promise.
        servings: Serving configurations they may choose from.
        measuring: How shortly a finished model is measured in them.
        measuring_share: Of all that is spent, what measuring may take at most.
        breadth_share: Of the budget, what first looks at new configurations may take at most.
        paused_memory_mib: What paused trainings may keep in memory.
        is_timed: Whether steps are charged what they took; if not, what they should take by their
            length, so that the same seed gives the same search.
        tiers: Hardware ladder, smallest first.
        known_quality: Best quality that other families have reached on the dataset; ``None`` if
            none is known. Limits relative to the best quality count from it.
        prior: What earlier searches taught.
        known_lines: What models cost by their structure, where that is known and nothing is to
            be measured; ``None`` to measure.
    """

    applications: Applications
    pausing: PausingParams
    servings: tuple[Serving, ...]
    measuring: MeasuringSettings
    measuring_share: float
    breadth_share: float
    paused_memory_mib: float
    is_timed: bool
    tiers: tuple[Tier, ...]
    known_quality: float | None
    prior: Prior = field(default_factory=Prior)
    known_lines: Lines | None = None

    def make_rule(self) -> PausingRule:
        """Make the rule that decides what goes on."""
        known = -math.inf if self.known_quality is None else self.known_quality
        applications = dict(self.applications.items())
        return PausingRule(applications, self.pausing, self.servings, self.prior, known)
