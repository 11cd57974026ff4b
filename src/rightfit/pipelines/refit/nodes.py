"""The node of the refit stage."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import polars as pl

from rightfit.evaluation.candidate_measuring import RawTest
from rightfit.families.bundle import Bundle
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams, RefitParams
from rightfit.preparation.data_card import DataCard

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.application_ranking import Winners
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.explanation.shipping import Refits
from rightfit.request_path.encoder import Encoder
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

CANDIDATES_OF = "candidates_of_"  # a model's name may be that of another input


def refit_winners(
    resource_profiles: pl.DataFrame,
    applications: ApplicationsParams,
    ranking: RankingRules,
    refit: RefitParams,
    training: TrainingParams,
    evaluation: EvaluationParams,
    data_card: DataCard,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    test: pl.DataFrame,
    rows: pl.DataFrame,
    encoder: Encoder,
    studies: StudyStore,
    measurements: JsonStore,
    earlier_winners: Winners,
    *,
    families: Mapping[str, str],
    **candidates: Mapping[str, Bundle],
) -> tuple[Refits, dict[str, Bundle]]:
    """Train a dataset's winners again, on train and validation rows, or on all.

    ``candidates`` holds each model's as ``candidates_of_{model}``, cascades too.

    Returns:
        What was found, and the refitted bundles by candidate name.
    """
    from rightfit.evaluation.winner_refits import (
        RefitInputs,
        find_winners,
        refit_with_more_rows,
    )

    return refit_with_more_rows(
        find_winners(resource_profiles, applications, ranking, data_card.dataset, earlier_winners),
        families,
        {name.removeprefix(CANDIDATES_OF): found for name, found in candidates.items()},
        RefitInputs(
            data_card=data_card,
            profiles=resource_profiles.filter(dataset=data_card.dataset),
            train=train,
            validation=validation,
            test=test,
            raw=RawTest.take(rows, encoder),
            studies=studies,
            measurements=measurements,
            refit=refit,
            training=training,
            evaluation=evaluation,
            applications=applications,
        ),
    )


def remark_nothing(refit: RefitParams) -> None:
    """Say that no dataset of the grid is one whose winners are refitted."""
    logger.warning(
        "Nothing is refitted: refit.when is %s, and never_for names %s. See parameters_refit.yml.",
        refit.when,
        list(refit.never_for) or "no dataset",
    )
