"""Everything a report is made from; what it alone shows is computed from the rankings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from rightfit.data.dataset_card import DatasetCard
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.profile import Profile
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.applications import (
    QUALITIES,
    THREADS,
    Application,
    Applications,
    RankingRules,
)
from rightfit.ranking.explanation.decisions import Recommendations
from rightfit.ranking.explanation.rankings import COLUMNS, place_candidates, tabulate_breakdown
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
    recommendations: Recommendations
    qualities: Mapping[str, QualityMetric]
    data_cards: Mapping[str, DatasetCard]
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

    @cached_property
    def places(self) -> dict[str, pl.DataFrame]:
        """The candidates of each application, best first, with all that was measured of them."""
        return {ranking.assessment.name: place_candidates(ranking) for ranking in self.ranked}

    @cached_property
    def rankings(self) -> pl.DataFrame:
        """One row per application, dataset and candidate, best first."""
        return pl.concat(places.select(COLUMNS) for places in self.places.values())

    @cached_property
    def utility_breakdown(self) -> pl.DataFrame:
        """Contribution of each objective to each utility."""
        return tabulate_breakdown(self.ranked)

    @cached_property
    def limit_effects(self) -> pl.DataFrame:
        """Effects of loosening, tightening or removing each limit."""
        return tabulate_limit_effects(self.ranked)

    def find_profile(self, application: str, dataset: str) -> Profile | None:
        """Return the profile of a decision's winner; ``None`` if it is no longer stored."""
        winner = self.recommendations[application].datasets[dataset].winner
        places = self.list_winners(application).filter(dataset=dataset)
        if winner is None or places.is_empty():
            return None
        profile = Profile.from_row(places.row(0, named=True))
        is_same = (profile.candidate, profile.serving) == (winner.candidate, winner.serving)
        return profile if is_same else None

    def list_winners(self, *applications: str) -> pl.DataFrame:
        """Return the winners' rows of the rankings, with their profiles; of all applications."""
        names = applications or self.places
        return select_winners(pl.concat((self.places[name] for name in names), how="diagonal"))

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
