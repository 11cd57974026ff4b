"""What a run found, in MLflow: winners' metrics, counts, the rankings table and the report.

kedro-mlflow (``pip install 'rightfit[mlflow]'``) opens an MLflow run around every Kedro run and
stores its parameters; this hook adds the results to it. Without an open MLflow run it does nothing,
and it never imports MLflow: whoever opened the run has.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from rightfit.kedro_project.error_messages import load_result
from rightfit.kedro_project.nodes import list_own_outputs
from rightfit.ranking.explanation.decisions import (
    RankedCandidate,
    Recommendations,
    read_recommendations,
)
from rightfit.typed_tables import write_as_text

TRIALS = ".trials"


class MlflowHook:
    """Add a run's results to the MLflow run that is open around it."""

    @hook_impl(tryfirst=True)  # kedro-mlflow closes the run in the same hook
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log what the run is about of winners, profiles, trials, rankings and the report."""
        mlflow = sys.modules.get("mlflow")
        if mlflow is None or mlflow.active_run() is None:
            return
        made = list_own_outputs(pipeline)
        if "recommendations" in made:
            document = load_result(catalog, "recommendations")
            recommendations = read_recommendations(document)
            mlflow.log_metrics(measure_winners(recommendations))
            tags = {  # each winner's name and serving configuration
                f"winner.{place.replace('/', '.')}": (
                    f"{winner.candidate} {winner.serving.runtime} {winner.serving.n_threads} "
                    f"{winner.serving.device}"
                )
                for place, winner in _list_winners(recommendations)
            }
            mlflow.set_tags(tags)
            mlflow.log_dict(document, "recommendations.json")
        if "rankings" in made:
            rankings = write_as_text(load_result(catalog, "rankings"), "violations")
            mlflow.log_text(rankings.write_csv(), "rankings.csv")
        if "resource_profiles" in made:
            profiles = load_result(catalog, "resource_profiles")
            counts = {
                "profiles": profiles.height,
                "disturbed_profiles": profiles["disturbed"].sum(),
                "candidates": profiles.n_unique(["dataset", "model", "candidate"]),
            }
            mlflow.log_metrics({f"counts/{name}": float(n) for name, n in counts.items()})
        trials = sorted(name for name in made if name.endswith(TRIALS) and name.count(".") == 1)
        if trials:
            tables = [load_result(catalog, name) for name in trials]
            states = Counter(state for table in tables for state in table["state"])
            mlflow.log_metrics(
                {f"counts/trials_{state}": float(n) for state, n in sorted(states.items())}
            )
        if "report" in made:
            mlflow.log_text(load_result(catalog, "report"), "report.html")


def measure_winners(recommendations: Recommendations) -> dict[str, float]:
    """Return each winner's utility and metrics as ``application/dataset/metric``, and counts.

    >>> measure_winners({})
    {'counts/winners': 0.0, 'counts/none_qualifies': 0.0}
    """
    metrics = {}
    winners = dict(_list_winners(recommendations))
    for place, winner in winners.items():
        for name, value in [("utility", winner.utility), *winner.metrics.items()]:
            if value is not None:
                metrics[f"{place}/{name}"] = float(value)
    n_decisions = sum(len(one.datasets) for one in recommendations.values())
    return metrics | {
        "counts/winners": float(len(winners)),
        "counts/none_qualifies": float(n_decisions - len(winners)),
    }


def _list_winners(recommendations: Recommendations) -> Iterable[tuple[str, RankedCandidate]]:
    for application, recommendation in recommendations.items():
        for dataset, decision in recommendation.datasets.items():
            if decision.headline is not None:  # with the figures of the model that is shipped
                yield f"{application}/{dataset}", decision.headline
