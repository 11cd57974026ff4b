"""What the applications ask of a search."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.judge.judge import Judge
from rightfit.tuning.judge.observed import Pool, Serving
from rightfit.tuning.judge.stopping_rules import RuleParams


@dataclass(frozen=True)
class Demand:
    """What a search that serves applications needs to know of them.

    Args:
        applications: Who will choose.
        rules: By which they let go of a trial.
        servings: Serving configurations they may choose from.
        measuring: How shortly a finished model is measured in them.
        tiers: Hardware ladder, smallest first.
        known_quality: Best quality that other families have reached on the dataset; ``None`` if
            none is known. Limits relative to the best quality count from it.
        audit_share: Share of the stops that are not carried out, to see what they would have lost.
    """

    applications: Applications
    rules: RuleParams
    servings: tuple[Serving, ...]
    measuring: MeasuringSettings
    tiers: tuple[Tier, ...]
    known_quality: float | None
    audit_share: float

    def make_judge(self, pool: Pool) -> Judge:
        """Make a judge that has learnt from a pool of trials."""
        known = self.known_quality
        judge = Judge(
            dict(self.applications.items()),
            self.rules,
            self.servings,
            known_quality=float("-inf") if known is None else known,
        )
        judge.learn(pool)
        return judge
