"""A dataset's winners trained again on train and validation rows, judged and measured again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from rightfit.evaluation.measuring import RawTest, measure_cell
from rightfit.evaluation.winners import WinnerToRefit, list_values
from rightfit.families.bundle import Bundle
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.refit import RefitParams
from rightfit.preparation.describing import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.metrics import METRICS
from rightfit.ranking.explanation.refits import Refit, RefitCosts, Refits
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

if TYPE_CHECKING:
    from rightfit.tuning.refitting.refitting import RefitJob

logger = logging.getLogger(__name__)

NOT_SEARCHED = "cascades and imported models are not refitted: no single training makes them"
COSTS = tuple(m.column for m in METRICS if m.source not in ("answers", "training"))


@dataclass(frozen=True)
class RefitInputs:
    """What every refit of a dataset needs.

    Args:
        data_card: The dataset's card.
        train: Encoded rows that the winners were trained on.
        validation: Encoded rows that they learn from besides.
        test: Encoded rows that judge both.
        raw: The same rows, not encoded.
        studies: Keeps the refits with the searches.
        measurements: Keeps what is measured.
        training: Threads, device and seed of a training.
        evaluation: How a refit of another structure is measured.
        applications: Who chooses.
    """

    data_card: DataCard
    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    raw: RawTest
    studies: StudyStore
    measurements: JsonStore
    training: TrainingParams
    evaluation: EvaluationParams
    applications: ApplicationsParams

    @property
    def n_rows(self) -> int:
        """Rows that a refit is trained on."""
        return self.train.height + self.validation.height


def refit_with_validation_rows(
    winners: Sequence[WinnerToRefit],
    refit: RefitParams,
    families: Mapping[str, str],
    candidates: Mapping[str, Mapping[str, Bundle]],
    inputs: RefitInputs,
) -> tuple[Refits, dict[str, Bundle]]:
    """Train a dataset's winners again, on train and validation rows.

    The encoder stays the one that was fitted on train rows. A refit is kept with the searches, so
    that another ranking with the same winner trains nothing.

    Args:
        winners: From :func:`rightfit.evaluation.winners.find_winners`.
        refit: How long that may take.
        families: Import path of each searched model's family, by the model's name.
        candidates: Bundles by the model's name and the candidate's.
        inputs: Rows, stores and settings.

    Returns:
        What was found, and the refitted bundles by candidate name.
    """
    from rightfit.tuning.refitting.refitting import TEST, TRAINED_ON

    with temporary_folder("refit") as folder:
        planned = _plan(winners, refit, families, candidates, inputs, folder)
        jobs = [job for job in planned if not isinstance(job, str)]
        due = [job for job in jobs if not job.is_trained]
        if jobs:
            _write_rows(folder, TEST, inputs.test, inputs)
        if due:
            from rightfit.tuning.refitting.side_by_side import refit_side_by_side

            rows = pl.concat([inputs.train, inputs.validation])
            _write_rows(folder, TRAINED_ON, rows, inputs)
            refit_side_by_side(due, n_at_once=inputs.training.share_cores(len(due))[0])
        found, bundles = [], {}
        for winner, job in zip(winners, planned, strict=True):
            one, bundle = _refit(winner, job, inputs, again=job not in due)
            found.append(one)
            if bundle is not None:
                bundles[winner.candidate] = bundle
            _tell(inputs.data_card.dataset, one)
    return Refits(found=tuple(found)), bundles


def _plan(
    winners: Sequence[WinnerToRefit],
    refit: RefitParams,
    families: Mapping[str, str],
    candidates: Mapping[str, Mapping[str, Bundle]],
    inputs: RefitInputs,
    folder: Path,
) -> list[RefitJob | str]:
    """Return what to train for each winner, or why it is left as it is."""
    left_s = refit.budget_s
    planned: list[RefitJob | str] = []
    for winner in winners:
        expected_s = (winner.fit_time_s or 0.0) * inputs.n_rows / inputs.train.height
        if winner.model not in families:
            planned.append(NOT_SEARCHED)
        elif expected_s > left_s:
            planned.append(_describe_budget(expected_s, left_s, refit))
        else:
            left_s -= expected_s
            chosen = candidates[winner.model][winner.candidate]
            planned.append(_make_job(chosen, families[winner.model], expected_s, inputs, folder))
    return planned


def _make_job(
    chosen: Bundle, family: str, expected_s: float, inputs: RefitInputs, folder: Path
) -> RefitJob:
    from rightfit.tuning.refitting.comparing import Judging
    from rightfit.tuning.refitting.refitting import RefitJob
    from rightfit.tuning.search.setting_up import make_settings

    settings, evaluation = make_settings(inputs.training, family), inputs.evaluation
    return RefitJob(
        rows=folder,
        n_rows=inputs.n_rows,
        chosen=chosen.path,
        sha256=chosen.sha256,
        family=family,
        data_card=inputs.data_card,
        judging=Judging(evaluation.final_share, evaluation.final_min_rows, evaluation.seed),
        store=inputs.studies.cell(f"{inputs.data_card.dataset}.{chosen.model}"),
        measurements=inputs.measurements.folder,
        n_threads=settings.n_threads,
        device=settings.device,
        seed=settings.seed,
        expected_s=expected_s,
    )


def _write_rows(folder: Path, name: str, frame: pl.DataFrame, inputs: RefitInputs) -> None:
    """Write rows once, for all processes."""
    from rightfit.tuning.search.search_job import write_data
    from rightfit.tuning.search.setting_up import make_data

    write_data(folder, name, make_data(frame, inputs.data_card.input_schema))


def _refit(
    winner: WinnerToRefit, job: RefitJob | str, inputs: RefitInputs, *, again: bool
) -> tuple[Refit, Bundle | None]:
    from rightfit.tuning.refitting.refitting import refit

    if isinstance(job, str):
        return _leave(winner, job), None
    try:
        bundle, compared = refit(job, again=again)
    except (ImportError, OSError):
        raise
    except Exception as err:  # a family may raise anything
        logger.warning("%s cannot be refitted: %s", winner.candidate, err)
        return _leave(winner, f"training it again failed, {type(err).__name__}: {err}"), None
    if compared is None:
        return _leave(winner, f"refitted it has no ONNX export: {bundle.onnx_refused}"), None
    changed = compared.structure_changed
    return (
        Refit(
            candidate=winner.candidate,
            model=winner.model,
            quality_raw=winner.quality_raw,
            n_rows_chosen=inputs.train.height,
            n_rows=inputs.n_rows,
            quality=compared.quality,
            structure_changed=changed,
            costs=_measure(winner, bundle, inputs) if changed else (),
            chosen_sha256=job.sha256,
            sha256=bundle.sha256,
        ),
        bundle,
    )


def _measure(winner: WinnerToRefit, bundle: Bundle, inputs: RefitInputs) -> tuple[RefitCosts, ...]:
    """Measure a refitted model in the serving configurations that its original was chosen in."""
    values = list_values(winner.servings)
    profiles = measure_cell(
        {winner.candidate: bundle},
        None,
        inputs.test,
        inputs.data_card,
        raw=inputs.raw,
        measurements=inputs.measurements,
        params=inputs.evaluation.model_copy(
            update={
                "runtimes": values["runtime"],
                "n_threads": values["n_threads"],
                "devices": values["device"],
            }
        ),
        choosers=inputs.applications,
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
