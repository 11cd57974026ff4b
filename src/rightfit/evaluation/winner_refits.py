"""A dataset's winners trained again on more rows, judged and measured again."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from rightfit.cascades import ROLES, answer, check_cascade, join_members
from rightfit.evaluation.candidate_measuring import RawTest, measure_candidates
from rightfit.families.bundle import ONNX_ONLY, Bundle
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.evaluation import EvaluationParams, RefitParams
from rightfit.preparation.data_card import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.metrics import columns_from
from rightfit.profiling.profile import FINAL_COLUMNS
from rightfit.ranking.application_ranking import NO_WINNERS, Winners, rank_applications
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit.ranking.assessment.profile_table import read_profiles
from rightfit.ranking.explanation.shipping import KEYS, Refit, RefitComparison, Refits
from rightfit.tuning import refitting
from rightfit.tuning.parallel.refits import refit_side_by_side
from rightfit.tuning.refitting import (
    TEST,
    TRAINED_ON,
    FinalRows,
    RefitJob,
    compare_models,
)
from rightfit.tuning.search.cell import write_data
from rightfit.tuning.search.setting_up import make_data, make_settings
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)

QUALITIES = {
    *FINAL_COLUMNS,
    *(f"{name}{end}" for name in columns_from("predictions") for end in ("", "_low", "_high")),
}
IMPORTED = "an imported model is not refitted: no search here has trained it"
OLD_CASCADE = (
    "an earlier version of Rightfit stored this cascade and named its members otherwise; make it "
    "anew: kedro run --pipelines perf"
)

_Made = tuple[Bundle, RefitComparison]  # a refitted model, and how it differs from the chosen one


@dataclass(frozen=True)
class WinnerToRefit:
    """A candidate that at least one application chooses.

    Args:
        candidate: Its name.
        model: Its model's name in the configuration.
        servings: Runtime, threads and device that it is chosen in, by application; without repeats.
        quality_raw: Its qualities on the rows that chose, without repeats.
    """

    candidate: str
    model: str
    servings: tuple[tuple[str, int, str], ...]
    quality_raw: tuple[float, ...]


def find_winners(
    profiles: pl.DataFrame,
    applications: Applications,
    rules: RankingRules,
    dataset: str,
    earlier: Winners = NO_WINNERS,
) -> list[WinnerToRefit]:
    """Rank the candidates of a dataset; the winner of most applications comes first.

    Args:
        profiles: What was measured, of other datasets too.
        applications: What is asked for.
        rules: Rules of ranking.
        dataset: Its name.
        earlier: Winners of an earlier ranking, by application.
    """
    if profiles.filter(dataset=dataset).is_empty():
        return []
    wins: Counter[str] = Counter()
    servings: dict[str, dict[tuple[str, int, str], None]] = {}
    for ranked in rank_applications(read_profiles(profiles), applications, rules, earlier):
        table, assessment = ranked.assessment.table, ranked.assessment
        if dataset not in table.datasets:
            continue  # not measured in the application's request path
        places = ranked.order[table.candidate_slices[table.datasets.index(dataset)]]
        if not assessment.feasible[places[0]]:
            continue
        row = table.frame.row(int(assessment.chosen[places[0]]), named=True)
        wins[str(row["candidate"])] += 1
        serving = str(row["runtime"]), int(row["n_threads"]), str(row["device"])
        servings.setdefault(str(row["candidate"]), {})[serving] = None
    own = {name: profiles.filter(dataset=dataset, candidate=name) for name in wins}
    return [
        WinnerToRefit(
            candidate=name,
            model=str(own[name]["model"][0]),
            servings=tuple(servings[name]),
            quality_raw=tuple(own[name]["quality_raw"].drop_nulls().unique().sort()),
        )
        for name, _ in wins.most_common()
    ]


@dataclass(frozen=True)
class RefitInputs:
    """Inputs of every refit of a dataset.

    Args:
        data_card: The dataset's card.
        profiles: Of the dataset, which say how long trainings took.
        train: Encoded rows that the winners were trained on.
        validation: Encoded rows that they learn from besides.
        test: Encoded rows that judge both, unless they are learnt from, too.
        raw: The same rows, not encoded.
        studies: Keeps the refits with the searches.
        measurements: Keeps what is measured.
        refit: On which rows, and how long that may take.
        training: Threads, device and seed of a training.
        evaluation: How a refit of another structure is measured.
        applications: Who chooses.
    """

    data_card: DataCard
    profiles: pl.DataFrame
    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    raw: RawTest
    studies: StudyStore
    measurements: JsonStore
    refit: RefitParams
    training: TrainingParams
    evaluation: EvaluationParams
    applications: ApplicationsParams

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that winners are trained on again."""
        return find_refit_rows(self.refit, self.train, self.validation, self.test)

    @property
    def judging(self) -> FinalRows | None:
        """How the chosen and the refitted model are compared; ``None``: no rows are left for it."""
        if self.refit.learns_from_test:
            return None
        one = self.evaluation
        return FinalRows(one.final_share, one.final_min_rows, one.seed)


def find_refit_rows(
    refit: RefitParams, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows that winners are trained on again.

    Where there are too few rows to keep any aside, ``validation`` is ``train``, and counts once.
    """
    parts = [train] if validation is train else [train, validation]
    return pl.concat([*parts, test] if refit.learns_from_test else parts)


def refit_with_more_rows(
    winners: Sequence[WinnerToRefit],
    families: Mapping[str, str],
    candidates: Mapping[str, Mapping[str, Bundle]],
    inputs: RefitInputs,
) -> tuple[Refits, dict[str, Bundle]]:
    """Train a dataset's winners again.

    The encoder stays the one that was fitted on train rows. A cascade is built anew of its two
    members, trained again. A refit is kept with the searches, so that another ranking with the same
    winner trains nothing.

    Args:
        winners: From :func:`rightfit.evaluation.winner_refits.find_winners`.
        families: Import path of each searched model's family, by the model's name.
        candidates: Bundles by the model's name and the candidate's, those of cascades too.
        inputs: Rows, stores and settings.

    Returns:
        What was found, and the refitted bundles by candidate name.
    """
    schema = inputs.data_card.input_schema
    with temporary_folder("refit") as folder:
        planned, jobs = _plan(winners, families, candidates, inputs, folder)
        due = [job for job in jobs.values() if not job.is_trained]
        if jobs:
            write_data(folder, TEST, make_data(inputs.test, schema))
        if due:
            write_data(folder, TRAINED_ON, make_data(inputs.rows, schema))
            refit_side_by_side(due, n_at_once=inputs.training.share_cores(len(due))[0])
        trained = {name: _train(name, job, again=job not in due) for name, job in jobs.items()}
    found, bundles = [], {}
    for winner, plan in zip(winners, planned, strict=True):
        made: _Made | str
        if isinstance(plan, str):  # why it cannot be refitted
            made = plan
        elif winner.candidate in plan:
            made = trained[winner.candidate]
        else:
            chosen = candidates[winner.model][winner.candidate]
            members = {name: trained[name] for name in plan}
            made = _join(winner.candidate, chosen, members, inputs)
        if isinstance(made, str):
            one = Refit(
                candidate=winner.candidate,
                model=winner.model,
                quality_raw=winner.quality_raw,
                why_not=made,
            )
        else:
            bundle, compared = made
            changed = compared.structure_changed
            one = Refit(
                candidate=winner.candidate,
                model=winner.model,
                quality_raw=winner.quality_raw,
                n_rows_chosen=inputs.train.height,
                n_rows=inputs.rows.height,
                quality=compared.quality,
                learnt_from_test=inputs.refit.learns_from_test,
                structure_changed=changed,
                profiles=_measure(winner, bundle, inputs) if changed else (),
                chosen_sha256=candidates[winner.model][winner.candidate].sha256,
                sha256=bundle.sha256,
            )
            bundles[winner.candidate] = bundle
        found.append(one)
        _tell(inputs.data_card.dataset, one)
    return Refits(found=tuple(found)), bundles


def _plan(
    winners: Sequence[WinnerToRefit],
    families: Mapping[str, str],
    candidates: Mapping[str, Mapping[str, Bundle]],
    inputs: RefitInputs,
    folder: Path,
) -> tuple[list[list[str] | str], dict[str, RefitJob]]:
    """Plan the trainings within the budget; the rows lie in ``folder``.

    Returns:
        Names of the models to train for each winner, itself or the two members of a cascade, or why
        it is left as it is; and each of these trainings by its model's name.
    """
    left_s, n_rows = inputs.refit.budget_s, inputs.rows.height
    jobs: dict[str, RefitJob] = {}
    planned: list[list[str] | str] = []
    for winner in winners:
        if winner.model not in candidates:
            planned.append(IMPORTED)
            continue
        names = [winner.candidate]
        if winner.model not in families:
            configuration = candidates[winner.model][winner.candidate].configuration
            if not configuration.keys() >= set(ROLES):
                planned.append(OLD_CASCADE)
                continue
            names = [str(configuration[role]) for role in ROLES]
        chosen = {
            name: stored[name] for stored in candidates.values() for name in names if name in stored
        }
        if lost := [name for name in names if name not in chosen]:
            planned.append(f"its members {lost} are no longer stored")
            continue
        due = {}
        for name in names:
            if name not in jobs:  # going by its own training, on fewer rows
                fit_time_s = inputs.profiles.filter(candidate=name)["fit_time_s"].max() or 0.0
                due[name] = float(fit_time_s) * n_rows / inputs.train.height  # type: ignore[arg-type]
        expected_s = sum(due.values())
        if expected_s > left_s:
            planned.append(
                f"training it again would take about {expected_s:.0f} s, and {left_s:.0f} s are "
                f"left of refit.budget_s: {inputs.refit.budget_s:g}"
            )
            continue
        left_s -= expected_s
        for name, one_s in due.items():
            one, family = chosen[name], families[chosen[name].model]
            settings = make_settings(inputs.training, family)
            jobs[name] = RefitJob(
                rows=folder,
                n_rows=n_rows,
                chosen=one.path,
                sha256=one.sha256,
                family=family,
                data_card=inputs.data_card,
                judging=inputs.judging,
                store=inputs.studies.cell(f"{inputs.data_card.dataset}.{one.model}"),
                measurements=inputs.measurements.folder,
                n_threads=settings.n_threads,
                device=settings.device,
                seed=settings.seed,
                expected_s=one_s,
            )
        planned.append(names)
    return planned, jobs


def _train(candidate: str, job: RefitJob, *, again: bool) -> _Made | str:
    """Return a candidate trained again, or why it cannot be."""
    try:
        bundle, compared = refitting.refit(job, again=again)
    except (ImportError, OSError):
        raise
    except Exception as err:  # a family may raise anything
        logger.warning("%s cannot be refitted: %s", candidate, err)
        return f"training it again failed, {type(err).__name__}: {err}"
    if compared is None:
        return f"refitted it has no ONNX export: {bundle.onnx_refused}"
    return bundle, compared


def _join(
    candidate: str, chosen: Bundle, trained: Mapping[str, _Made | str], inputs: RefitInputs
) -> _Made | str:
    """Build a cascade anew of its refitted members, with the threshold it was chosen with.

    Returns:
        The cascade, or why it cannot be refitted: a member is not, or they cannot be joined, or do
        not answer joined as they do alone.
    """
    members = {}
    for name, made in trained.items():
        if isinstance(made, str):
            return f"its member {name} is not refitted: {made}"
        members[name], _ = made
    store = inputs.studies.cell(f"{inputs.data_card.dataset}.{chosen.model}")
    parts = [chosen.sha256, *(one.sha256 for one in members.values())]
    folder = store.folder / "refits" / fingerprint({"cascade": parts})
    try:
        with store.locked(f"refit.{folder.name}"):
            shutil.rmtree(folder, ignore_errors=True)
            bundle = join_members(chosen.configuration, members, folder, model=chosen.model)
        answers = {name: answer(one, inputs.test) for name, one in members.items()}
        check_cascade(bundle, answers, inputs.test)
        compared = compare_models(
            replace(chosen, family=ONNX_ONLY),
            bundle,
            data_card=inputs.data_card,
            test=make_data(inputs.test, inputs.data_card.input_schema),
            judging=inputs.judging,
            known=inputs.measurements,
        )
    except ValueError as err:
        logger.warning("%s cannot be refitted: %s", candidate, err)
        return f"its refitted members cannot be joined: {err}"
    return bundle, compared


def _measure(
    winner: WinnerToRefit, bundle: Bundle, inputs: RefitInputs
) -> tuple[dict[str, Any], ...]:
    """Measure a refitted model in the serving configurations that its original was chosen in."""
    asked = zip(
        ("runtimes", "n_threads", "devices"), zip(*winner.servings, strict=True), strict=True
    )
    measured = measure_candidates(
        {winner.candidate: bundle},
        {},
        inputs.test,
        inputs.data_card,
        raw=inputs.raw,
        measurements=inputs.measurements,
        params=inputs.evaluation.model_copy(
            update={name: tuple(dict.fromkeys(values)) for name, values in asked}
        ),
        choosers=inputs.applications,
    ).drop("quality_deviations", strict=False)
    if inputs.refit.learns_from_test:  # of such a model the test rows tell nothing
        key = ["candidate", *KEYS]
        qualities = [name for name in measured.columns if name in QUALITIES]
        known = inputs.profiles.select(*key, *qualities)  # of the chosen model
        measured = measured.drop(qualities).join(known, on=key, how="left")
    return tuple(
        row
        for row in measured.to_dicts()
        if (row["runtime"], row["n_threads"], row["device"]) in winner.servings
    )


def _tell(dataset: str, refit: Refit) -> None:
    if refit.why_not:
        logger.info(
            "%s: %s is shipped as it was chosen: %s", dataset, refit.candidate, refit.why_not
        )
        return
    if refit.quality is None:
        rows, measured = f"{refit.n_rows:,}", "; measured again" if refit.profiles else ""
        logger.info("%s: %s refitted on all %s rows%s", dataset, refit.candidate, rows, measured)
        return
    chosen, refitted = refit.quality.chosen.raw, refit.quality.refitted.raw
    logger.log(
        logging.WARNING if refit.quality.is_worse else logging.INFO,
        "%s: %s refitted on %s rows: %.4f instead of %.4f %s%s%s",
        *(dataset, refit.candidate, f"{refit.n_rows:,}", refitted, chosen, refit.quality.where),
        "; worse by more than its standard error" if refit.quality.is_worse else "",
        "; measured again" if refit.profiles else "",
    )
