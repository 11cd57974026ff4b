"""Rules of ranking that hold for every application."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError

from rightfit.profiling.metrics import INTERVAL_COLUMNS, METRICS_BY_COLUMN
from rightfit.ranking.applications.applications import N_MODELS, UTILITY, RankingRules
from rightfit.spelling import suggest

TIE_COLUMNS = (
    UTILITY,
    N_MODELS,
    "n_threads",
    *METRICS_BY_COLUMN,
    *INTERVAL_COLUMNS,
    "best_batch_size",
    "n_latency_samples",
    "disturbed",
)
"""What candidates can be compared by: the columns of the resource profiles that hold numbers."""


class RankingParams(RankingRules):
    """Rules of ranking (``params:ranking``)."""

    model_config = ConfigDict(title="conf/base/parameters_ranking.yml", frozen=True)


def find_tie_faults(raw: Any, applications: Collection[str]) -> Iterator[str]:
    """Describe tie rules by columns, or for applications, that do not exist.

    Yields:
        One line per fault, with the file to correct.
    """
    try:
        ties = RankingParams.model_validate(raw).ties if isinstance(raw, Mapping) else None
    except ValidationError:
        return
    if ties is None:
        return
    rules = {"rule": ties.rule} | {
        f"rule_by_application.{name}": rule for name, rule in ties.rule_by_application.items()
    }
    for place, rule in rules.items():
        for key in rule:
            if key.by not in TIE_COLUMNS:
                yield (
                    f"ranking.ties.{place}: there is no column {key.by!r} to compare by"
                    f"{suggest(key.by, TIE_COLUMNS)}; columns: {', '.join(TIE_COLUMNS)}. Correct "
                    "parameters_ranking.yml."
                )
    for name in sorted(set(ties.rule_by_application) - set(applications)):
        yield (
            f"ranking.ties.rule_by_application: there is no application {name!r}"
            f"{suggest(name, applications)}. Correct parameters_ranking.yml."
        )
