"""What the applications ask of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.pausing_rule import PausingRule
from rightfit.tuning.pausing.priors import Prior


@dataclass(frozen=True)
class Demand:
    """What a search that serves applications needs to know of them.

    Args:
        applications: Who will choose.
        pausing: How much a step must promise.
        servings: Serving configurations they may choose from.
        known_quality: Best quality that other families have reached on the dataset; ``None`` if
            none is known. Limits relative to the best quality count from it.
        prior: What earlier searches taught.
    """

    applications: Applications
    pausing: PausingParams
    servings: tuple[Serving, ...]
    known_quality: float | None
    prior: Prior = field(default_factory=Prior)

    def make_rule(self) -> PausingRule:
        """Make the rule that decides what goes on."""
        known = -math.inf if self.known_quality is None else self.known_quality
        applications = dict(self.applications.items())
        return PausingRule(
            applications, self.pausing, self.servings, self.prior, known, measures=False
        )
