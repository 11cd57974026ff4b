"""Other ways to save in a search, replayed: fewer trials, Optuna's pruners, fixed promotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.trial import TrialState

from rightfit_search.searching.pausing.pausing_rule import PausingRule
from rightfit_search.searching.stopping_rules import resource_at
from rightfit_study.early_stopping.replay import RecordedSearch

Kind = Literal[
    "none",
    "fewer",
    "median",
    "percentile",
    "halving",
    "hyperband",
    "promotion",
    "pausing",
]
Measuring = Literal["all", "rule"]

# Trials that each application promotes after looks 1, 2 and so on, by the first of them.
PROMOTED = {24: (24, 12, 6, 3, 2), 30: (30, 20, 12, 8, 5)}


@dataclass(frozen=True)
class Policy:
    """A way to search, with one setting that trades what it saves for what it loses.

    Args:
        kind: Which way.
        setting: Trials for ``fewer``, start-up trials for ``median``, the percentile for
            ``percentile``, the reduction factor for ``halving`` and ``hyperband``, the first entry
            of :data:`PROMOTED` for ``promotion``, the least gain for ``pausing``; 0 for ``none``.
        measuring: Whether everything trained is measured, or what the pausing rule would measure.
        n_trials: Configurations; ``None`` for all that were recorded.
    """

    kind: Kind
    setting: float
    measuring: Measuring
    n_trials: int | None = None


def train_peer(search: RecordedSearch, policy: Policy) -> None:
    """Train the trials of a search one after the other, as a peer would."""
    last = resource_at(search.cell.n_checkpoints)
    value = policy.setting
    pruner: optuna.pruners.BasePruner | None = None  # trains everything
    match policy.kind:
        case "median":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=int(value))
        case "percentile":
            pruner = optuna.pruners.PercentilePruner(value)
        case "halving":
            pruner = optuna.pruners.SuccessiveHalvingPruner(1, int(value))
        case "hyperband":
            pruner = optuna.pruners.HyperbandPruner(1, last, int(value))
    study = optuna.create_study(
        study_name=search.cell.name,  # hyperband's brackets follow from it; a drawn one differs
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(),
        pruner=pruner,
    )
    for number in range(len(search.order)):
        running = study.ask()
        for look in range(1, search.cell.n_checkpoints + 1):
            quality = search.train(number).qualities[-1]
            if pruner is None or look == search.cell.n_checkpoints:
                continue
            running.report(quality, resource_at(look))
            if running.should_prune():
                study.tell(running, state=TrialState.PRUNED)
                break
        else:
            running.report(quality, last)
            study.tell(running, quality)


def promote_fixed(search: RecordedSearch, rule: PausingRule, promoted: Sequence[int]) -> None:
    """Train breadth first; after each checkpoint every application promotes a fixed number.

    The simplest rule of this kind, and so the one to beat. A trial that one application promotes
    goes on for all of them.

    Args:
        search: Its trials get a first look each.
        rule: Says how much applications expect of a trial.
        promoted: Trials that each application promotes after looks 1, 2 and so on.
    """
    alive = list(range(len(search.order)))
    for number in alive:
        search.train(number)
    for n_promoted in promoted[: search.cell.n_checkpoints - 1]:
        forecast = rule.forecast(search.pool())
        assert forecast is not None  # noqa: S101 - every trial was looked at
        kept = {
            number
            for name in forecast.utilities
            for number in sorted(alive, key=lambda n: -forecast.appraise(n, name))[:n_promoted]
        }
        alive = sorted(kept)
        for number in alive:
            search.train(number)


def standard_policies(min_gain: float) -> list[Policy]:
    """Return what is compared; the pausing rule as configured comes first."""
    ours = [Policy("pausing", gain, "rule") for gain in (min_gain, min_gain * 3, min_gain / 3)]
    pools = [Policy("pausing", min_gain, "rule", n) for n in (12, 24)]
    settings: dict[Kind, tuple[float, ...]] = {
        "none": (0,),
        "fewer": (2, 3, 4, 6, 8, 12, 16, 24, 32),
        "median": (5, 2),
        "percentile": (25, 10),
        "halving": (4, 3, 2),
        "hyperband": (3, 4, 2),
        "promotion": tuple(PROMOTED),
    }
    measurings: tuple[Measuring, ...] = ("all", "rule")
    peers = [
        Policy(kind, setting, measuring)
        for kind, values in settings.items()
        for setting in values
        for measuring in measurings
    ]
    return [*ours, *pools, *peers]
