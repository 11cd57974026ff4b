"""Cross-validation: candidates for a small table are judged by train rows as well.

A few hundred test rows hardly tell candidates apart, so that chance chooses. Here the train rows
are parted into folds, and each candidate's configuration is trained again without a fold's rows,
which it then answers. The encoder, too, is fitted without them. The validation rows, by which the
search chose candidates, teach only. So as many rows teach as had taught the candidate, and its
answers to the folds and to the test rows are of a kind: together they judge it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.families.bundle import Bundle
from rightfit.formatting import end_sentence
from rightfit.preparation.encoding import encode_part, fit_encoder
from rightfit.preparation.prepared import PreparedDataset
from rightfit.preparation.spec import RandomShare, StratifiedShare
from rightfit.preparation.splitting import find_strata
from rightfit.profiling.measuring.jobs import FitCosts, LeftOutRows
from rightfit.tuning.parallel.refits import train_side_by_side
from rightfit.tuning.refitting import LEFT_OUT, TRAINED_ON, FoldJob
from rightfit.tuning.search.cell import write_data
from rightfit.tuning.search.setting_up import make_data, make_labelled_rows, make_settings
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import fingerprint_family

logger = logging.getLogger(__name__)

N_FOLDS = 4  # of 64 % of the rows, beside 16 % for validation: 64 % teach again
FEW_ROWS = 500  # that judge


def is_judged_by_few(prepared: PreparedDataset) -> bool:
    """Tell whether chance chooses by the rows that judge, and train rows may judge beside them.

    They may not where the rows were not split at random, as by time or by person.
    """
    judges = prepared.take("test")
    if judges.is_empty():
        judges = prepared.take("validation")
    splits = prepared.spec.split, prepared.spec.validation
    return 0 < judges.height < FEW_ROWS and all(
        isinstance(one, RandomShare | StratifiedShare) for one in splits
    )


def cross_validate(
    candidates: Mapping[str, Bundle],
    families: Mapping[str, str],
    costs: FitCosts,
    prepared: PreparedDataset,
    training: TrainingParams,
    *,
    folder: Path,
    budget_cpu_s: float | None,
    in_parallel: bool,
) -> LeftOutRows | None:
    """Have candidates answer train rows that they were trained without.

    Args:
        candidates: Bundles by name.
        families: Import path of each model's family, by the model's name.
        costs: What training the candidates cost.
        prepared: Their rows.
        training: Threads, device and seed of a training.
        folder: Keeps the answers: what is there is not done again.
        budget_cpu_s: The trainings' expected CPU seconds: fewer folds judge where four cost more.
        in_parallel: Whether other processes train.

    Returns:
        The train rows of the folds; ``None`` where not even one fold is within the budget, or a
        candidate cannot be trained without one, which is logged.
    """
    expected_s = {name: costs[name]["fit_time_s"] or 0.0 for name in candidates}
    cost_s = sum(one_s * (costs[name]["fit_cpu_cores"] or 1) for name, one_s in expected_s.items())
    n_folds = N_FOLDS
    if budget_cpu_s is not None and N_FOLDS * cost_s > budget_cpu_s:
        n_folds = int(budget_cpu_s / cost_s)
    if not n_folds:
        return None
    rows = prepared.rows.filter(pl.col("part") != "test")
    folds = _draw_folds(rows, is_number=prepared.data_card.task == "regression", seed=training.seed)
    n_at_once, n_threads = training.share_cores(len(candidates) * n_folds)
    jobs: dict[str, list[FoldJob]] = {name: [] for name in candidates}
    targets = []
    try:
        for number in range(n_folds):
            part = np.where(folds == number, LEFT_OUT, "train")
            parted = rows.with_columns(part=pl.Series(part))
            encoder = fit_encoder(prepared.spec.features, parted)
            taught, left_out = (encode_part(encoder, parted, one) for one in ("train", LEFT_OUT))
            features = tuple(name for name in taught.columns if name != "label")
            schema = replace(prepared.data_card.input_schema, features=features)
            place = folder / f"fold-{number}"
            place.mkdir(parents=True, exist_ok=True)
            write_data(place, TRAINED_ON, make_data(taught, schema))
            write_data(place, LEFT_OUT, make_labelled_rows(left_out, schema))
            targets.append(schema.cast_labels(left_out["label"].to_numpy()))
            for name, bundle in candidates.items():
                family = families[bundle.model]
                settings = make_settings(training, family)
                of = {"without": bundle.sha256, "seed": settings.seed}
                jobs[name].append(
                    FoldJob(
                        rows=place,
                        schema=schema,
                        family=family,
                        configuration=bundle.configuration,
                        answers=place / f"{fingerprint_family(family, of)}.npy",
                        n_threads=n_threads,
                        device=settings.device,
                        seed=settings.seed,
                        expected_s=expected_s[name],
                    )
                )
        due = [job for job in chain(*jobs.values()) if not job.answers.is_file()]
        if in_parallel and due:
            train_side_by_side(due, n_at_once=n_at_once)
        for job in due:
            if not job.answers.is_file():
                job.carry_out()
        answers = {
            name: np.concatenate([np.load(job.answers, allow_pickle=False) for job in of])
            for name, of in jobs.items()
        }
    except Exception as err:  # a family may raise anything
        logger.warning(
            "Train rows do not judge: a candidate cannot be trained without some of them. %s",
            end_sentence(f"{type(err).__name__}: {err}"),
        )
        return None
    return LeftOutRows(np.concatenate(targets), answers)


def _draw_folds(rows: pl.DataFrame, *, is_number: bool, seed: int) -> npt.NDArray[np.int64]:
    """Part the train rows into folds, alike in their targets.

    Args:
        rows: Of train and validation, with ``part`` and ``label``.
        is_number: Whether the targets are values.
        seed: Of the drawing.

    Returns:
        Number of each row's fold, shape (n_rows,); -1 for a row that always teaches: one for
        validation, or the only one of its class.
    """
    labels = rows["label"]
    is_drawn = rows["part"] == "train"
    if not is_number:
        is_drawn &= ~labels.is_unique()
    drawn = np.flatnonzero(is_drawn.to_numpy())
    strata = find_strata(labels.to_numpy()[drawn], is_number=is_number)
    keys = np.random.PCG64(seed).random_raw(len(drawn))
    folds = np.full(rows.height, -1)
    folds[drawn[np.lexsort((keys, strata))]] = np.arange(len(drawn)) % N_FOLDS
    return folds
