"""Everything a report is made from; what it alone shows is computed from the rankings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from rightfit.data.data_card import DataCard
from rightfit.measuring.hardware.environment import Environment
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.applications import (
    QUALITIES,
    THREADS,
    Application,
    Applications,
    RankingRules,
)
from rightfit.ranking.applications.batch_sizes import serve_batches
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS
from rightfit.ranking.explanation.decisions import Decision, Recommendations
from rightfit.ranking.explanation.rankings import tabulate_breakdown
from rightfit.ranking.records.load_records import LoadCurves
from rightfit.ranking.sensitivity.limit_effects import tabulate_limit_effects
from rightfit.reporting.charts.palette import Mark, marks_of


@dataclass(frozen=True)
class Results:
    """The tables of one run, as the catalog holds them.

    Args:
        applications: Objectives and limits.
        rules: How it was ranked.
        profiles: One row per measured profile, each with its request path.
        rankings: One row per application, dataset and candidate.
        recommendations: Decision per application and dataset.
        qualities: How each dataset's predictions are scored.
        data_cards: Of each dataset that a project has prepared.
        trials: One row per trial of the searches; empty: all models are imported.
        audits: Of each search, one row per dataset, family and application.
        environment: Where it was measured.
        load_curves: What the winners' servers did under load.
        hardware_tiers: On which tier each profile runs.
        ranked: The rankings as arrays, one for each application.
        run: Version of the run that reports; empty: none.
        measured_in: Version of the run that measured; empty: not known.
    """

    applications: Applications
    rules: RankingRules
    profiles: pl.DataFrame
    rankings: pl.DataFrame
    recommendations: Recommendations
    qualities: Mapping[str, QualityMetric]
    data_cards: Mapping[str, DataCard]
    trials: pl.DataFrame
    audits: pl.DataFrame
    environment: Environment
    load_curves: LoadCurves
    hardware_tiers: pl.DataFrame
    ranked: list[ApplicationRanking]
    run: str = ""
    measured_in: str = ""

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets, in the order of the profiles."""
        return self.profiles["dataset"].unique(maintain_order=True).to_list()

    @property
    def marks(self) -> dict[str, Mark]:
        """Colour and symbol of each family."""
        return marks_of(self.profiles["model"])

    def list_profiles(self, application: str) -> pl.DataFrame:
        """Return the profiles with their figures at batch sizes that an application can send."""
        return serve_batches(self.profiles, self.applications[application].batch_sizes)

    @cached_property
    def utility_breakdown(self) -> pl.DataFrame:
        """Contribution of each objective to each utility."""
        return tabulate_breakdown(self.ranked)

    @cached_property
    def limit_effects(self) -> pl.DataFrame:
        """Effects of loosening, tightening or removing each limit."""
        return tabulate_limit_effects(self.ranked)

    def find_profile(self, dataset: str, decision: Decision) -> dict[str, Any] | None:
        """Return the profile of a decision's winner; ``None`` if it is no longer stored."""
        winner = decision.winner
        if winner is None:
            return None
        rows = serve_batches(self.profiles, decision.batch_sizes).filter(
            dataset=dataset,
            model=winner.model,
            candidate=winner.candidate,
            **vars(winner.serving),
        )
        return None if rows.is_empty() else rows.row(0, named=True)

    def list_winners(self, *columns: str) -> pl.DataFrame:
        """Return the winners' rows of the rankings, with some columns of their profiles."""
        winners = select_winners(self.rankings)
        return pl.concat(
            winners.filter(application=name).join(
                self.list_profiles(name).select(*PROFILE_KEYS, *columns),
                on=PROFILE_KEYS,
                how="left",
                maintain_order="left",
            )
            for name in self.rankings["application"].unique(maintain_order=True)
        )

    def quality_title(self, dataset: str) -> str:
        """Return what a dataset's raw quality is called."""
        metric = self.qualities.get(dataset)
        return "quality" if metric is None else metric.title


def select_winners(rankings: pl.DataFrame) -> pl.DataFrame:
    """Return the recommended row of every application and dataset that has one."""
    return rankings.filter(pl.col("rank") == 1, pl.col("feasible"))


def list_costs(application: Application) -> list[str]:
    """Return the metrics that an application pays: limited ones first, then by weight.

    The number of threads is none of them, but part of how a candidate is served.
    """
    weighted = sorted(application.weighted().items(), key=lambda item: -item[1].weight)
    metrics = dict.fromkeys([*application.constraints, *(name for name, _ in weighted)])
    return [name for name in metrics if name not in (*QUALITIES, THREADS)]
