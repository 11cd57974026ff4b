"""The node of the refit stage."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rightfit.families.bundle import Bundle, read_bundle, write_bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.bundle_files import MANIFEST
from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.ranking import RankingParams
from rightfit.parameters.refit import RefitParams
from rightfit.pipelines.evaluation.measuring import RawTest, measure_cell, to_json
from rightfit.pipelines.refit.comparing import compare_models
from rightfit.pipelines.refit.winners import WinnerToRefit, find_winners, list_values
from rightfit.preparation.describing import DataCard
from rightfit.preparation.encoding import Encoder

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.metrics import METRICS
from rightfit.ranking.explanation.refits import Refit, RefitCosts, Refits
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

CANDIDATES_OF = "candidates_of_"  # a model's name may be that of another input
NOT_SEARCHED = "cascades and imported models are not refitted: no single training makes them"
COSTS = tuple(m.column for m in METRICS if m.source not in ("answers", "training"))


@dataclass(frozen=True)
class _Work:
    """What every refit of a dataset needs."""

    data_card: DataCard
    data: TrainingData  # train and validation rows
    n_train: int
    test: pl.DataFrame
    raw: RawTest
    studies: StudyStore
    measurements: JsonStore
    training: TrainingParams
    evaluation: EvaluationParams
    applications: ApplicationsParams


def refit_winners(
    resource_profiles: pl.DataFrame,
    applications: ApplicationsParams,
    ranking: RankingParams,
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
    *,
    families: Mapping[str, str],
    **candidates: dict[str, Bundle],
) -> tuple[Refits, dict[str, Bundle]]:
    """Train a dataset's winners again, on train and validation rows.

    The encoder stays the one that was fitted on train rows. A refit is kept with the searches, so
    that another ranking with the same winner trains nothing.

    ``candidates`` holds each model's as ``candidates_of_{model}``.

    Returns:
        What was found, and the refitted bundles by candidate name.
    """
    from rightfit.tuning.search.setting_up import make_data

    work = _Work(
        data_card=data_card,
        data=make_data(pl.concat([train, validation]), data_card.input_schema),
        n_train=train.height,
        test=test,
        raw=RawTest(rows.filter(pl.col("part") == "test"), to_json(encoder)),
        studies=studies,
        measurements=measurements,
        training=training,
        evaluation=evaluation,
        applications=applications,
    )
    left_s, found, bundles = refit.budget_s, [], {}
    for winner in find_winners(resource_profiles, applications, ranking, data_card.dataset):
        expected_s = (winner.fit_time_s or 0.0) * len(work.data.labels) / work.n_train
        if winner.model not in families:
            found.append(_leave(winner, NOT_SEARCHED))
        elif expected_s > left_s:
            found.append(_leave(winner, _describe_budget(expected_s, left_s, refit)))
        else:
            left_s -= expected_s
            family = families[winner.model]
            chosen = candidates[f"{CANDIDATES_OF}{winner.model}"][winner.candidate]
            one, bundle = _refit(winner, replace(chosen, family=family), family, work)
            found.append(one)
            if bundle is not None:
                bundles[winner.candidate] = bundle
        _tell(data_card.dataset, found[-1])
    return Refits(found=tuple(found)), bundles


def remark_nothing(refit: RefitParams) -> None:
    """Say that no dataset of the grid is one whose winners are refitted."""
    logger.warning(
        "Nothing is refitted: refit.when is %s, and no validation rows of this grid's datasets are "
        "the newest ones (validation: {method: by_time}). See parameters_refit.yml.",
        refit.when,
    )


def _refit(
    winner: WinnerToRefit, chosen: Bundle, family: str, work: _Work
) -> tuple[Refit, Bundle | None]:
    try:
        bundle = _train(chosen, family, work)
    except (ImportError, OSError):
        raise
    except Exception as err:  # a family may raise anything
        logger.warning("%s cannot be refitted: %s", winner.candidate, err)
        return _leave(winner, f"training it again failed, {type(err).__name__}: {err}"), None
    if chosen.onnx and not bundle.onnx:
        return _leave(winner, f"refitted it has no ONNX export: {bundle.onnx_refused}"), None
    compared = compare_models(
        chosen,
        bundle,
        data_card=work.data_card,
        test=work.test,
        evaluation=work.evaluation,
        known=work.measurements,
    )
    changed = compared.structure_changed
    return (
        Refit(
            candidate=winner.candidate,
            model=winner.model,
            quality_raw=winner.quality_raw,
            n_rows_chosen=work.n_train,
            n_rows=len(work.data.labels),
            quality=compared.quality,
            structure_changed=changed,
            costs=_measure(winner, bundle, work) if changed else (),
            chosen_sha256=chosen.sha256,
            sha256=bundle.sha256,
        ),
        bundle,
    )


def _train(chosen: Bundle, family: str, work: _Work) -> Bundle:
    """Train a chosen model's configuration to its full length, unless that was done before."""
    from rightfit.tuning.search.setting_up import make_settings
    from rightfit.tuning.studies.study_store import fingerprint

    settings = make_settings(work.training, family)
    key = fingerprint(
        family,
        {"refit_of": chosen.sha256, "n_rows": len(work.data.labels), "seed": settings.seed},
    )
    store = work.studies.cell(f"{work.data_card.dataset}.{chosen.model}")
    folder = store.folder / "refits" / key
    with store.locked(f"refit.{key}"):
        if not (folder / MANIFEST).is_file():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            *_, last = get_family(family).train(
                chosen.configuration,
                work.data,
                n_checkpoints=1,
                seed=settings.seed,
                n_threads=settings.n_threads,
                device=settings.device,
            )
            write_bundle(
                partial,
                last.model,
                model=chosen.model,
                family=family,
                configuration=chosen.configuration,
                schema=chosen.schema,
                data_version=chosen.data_version,
            )
            partial.rename(folder)
        bundle = read_bundle(folder, family=family)
        return offer_onnx(bundle, _take_rows(work.test, bundle), again=True)


def _measure(winner: WinnerToRefit, bundle: Bundle, work: _Work) -> tuple[RefitCosts, ...]:
    """Measure a refitted model in the serving configurations that its original was chosen in."""
    values = list_values(winner.servings)
    profiles = measure_cell(
        {winner.candidate: bundle},
        None,
        work.test,
        work.data_card,
        raw=work.raw,
        measurements=work.measurements,
        params=work.evaluation.model_copy(
            update={
                "runtimes": values["runtime"],
                "n_threads": values["n_threads"],
                "devices": values["device"],
            }
        ),
        choosers=work.applications,
    )
    keys = ("runtime", "n_threads", "device", "request_path")
    return tuple(
        RefitCosts(
            **{key: row[key] for key in keys},
            metrics={name: row[name] for name in COSTS if name in row},
        )
        for row in profiles.to_dicts()
        if (row["runtime"], row["n_threads"], row["device"]) in winner.servings
    )


def _take_rows(
    frame: pl.DataFrame, bundle: Bundle
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.ascontiguousarray(frame.select(bundle.schema.features).to_numpy(), dtype=np.float32)


def _leave(winner: WinnerToRefit, why_not: str) -> Refit:
    return Refit(
        candidate=winner.candidate,
        model=winner.model,
        quality_raw=winner.quality_raw,
        why_not=why_not,
    )


def _describe_budget(expected_s: float, left_s: float, refit: RefitParams) -> str:
    return (
        f"training it again would take about {expected_s:.0f} s, and {left_s:.0f} s are left of "
        f"refit.budget_s: {refit.budget_s:g}"
    )


def _tell(dataset: str, refit: Refit) -> None:
    if refit.quality is None:
        logger.info(
            "%s: %s is shipped as it was chosen: %s", dataset, refit.candidate, refit.why_not
        )
        return
    chosen, refitted = refit.quality.chosen.raw, refit.quality.refitted.raw
    logger.info(
        "%s: %s refitted on %s rows: %.4f instead of %.4f on test rows%s",
        *(dataset, refit.candidate, f"{refit.n_rows:,}", refitted, chosen),
        "; measured again" if refit.costs else "",
    )
