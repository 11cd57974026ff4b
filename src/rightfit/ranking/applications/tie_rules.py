"""Rules of ranking, the same for every application (``params:ranking``)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rightfit.ranking.applications.applications import QUALITIES, Application
from rightfit.strict_model import Seed, StrictModel

UTILITY = "utility"  # in a tie rule: the utility itself
N_MODELS = "n_models"  # and of how many models a candidate consists: 2 in a cascade
MAX_DRAWS = 1_000_000  # minutes for a thousand profiles


class TieKey(StrictModel):
    """One step of a tie rule: a column of the profiles, ``utility`` or ``n_models``; who wins."""

    by: str
    prefer: Literal["lower", "higher"]


class TieRules(StrictModel):
    """Rules that decide between candidates that the measurements cannot distinguish.

    They decide between a candidate's serving configurations of nearly the same utility, too.

    Keys are compared one after the other; the first difference decides. A value that was not
    measured loses.
    """

    max_utility_loss: float = Field(ge=0, le=1)  # largest loss of utility by the rule
    rule: tuple[TieKey, ...] = Field(min_length=1)
    rule_by_application: dict[str, tuple[TieKey, ...]]  # exceptions

    def for_application(self, name: str, application: Application) -> tuple[TieKey, ...]:
        """Return the rule that holds for an application.

        One whose only objective is quality has said that costs do not count: by the common rule it
        looks at the utility first, and no key gives up quality within its error.
        """
        if name in self.rule_by_application:
            return self.rule_by_application[name]
        if application.weighted().keys() <= set(QUALITIES):
            return tuple(sorted(self.rule, key=lambda key: key.by != UTILITY))
        return self.rule


class RankingRules(StrictModel):
    """Confidence, random draws and the tie rule (``params:ranking``)."""

    confidence_level: float = Field(gt=0.5, le=0.9999)
    n_draws: int = Field(
        ge=1_000, le=MAX_DRAWS
    )  # simulated measurements behind the probability of being best
    n_weight_draws: int = Field(
        ge=9_604, le=MAX_DRAWS
    )  # a share of weight space within 1 point at 95 %
    limit_change_pct: float = Field(gt=0, lt=100)  # how far limits are loosened and tightened
    seed: Seed
    keep_winner: bool = True  # an earlier ranking's winner stands until another is surely better
    ties: TieRules

    @model_validator(mode="after")
    def _check_tie_rules(self) -> Self:
        rules = {"rule": self.ties.rule, **self.ties.rule_by_application}
        repeated = [
            name for name, rule in rules.items() if len({key.by for key in rule}) < len(rule)
        ]
        if repeated:
            raise ValueError(
                f"ranking.ties names a column twice in {repeated}. "
                "Correct conf/base/parameters_ranking.yml."
            )
        return self
