"""Rules of ranking that hold for every application."""

from __future__ import annotations

from pydantic import ConfigDict

from rightfit.ranking.applications.tie_rules import RankingRules


class RankingParams(RankingRules):
    """Rules of ranking (``params:ranking``)."""

    model_config = ConfigDict(title="conf/base/parameters_ranking.yml", frozen=True)
