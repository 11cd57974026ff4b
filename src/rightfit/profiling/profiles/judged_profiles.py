"""The profiles of candidates where quality alone decides: judged in this process, none measured."""

from __future__ import annotations

import polars as pl

from rightfit.families.family import Rows
from rightfit.families.predictions import check_predictions
from rightfit.families.runtimes import NATIVE, runtime_files
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.metrics import METRICS
from rightfit.profiling.profiles.answer_quality import (
    NO_TARGETS,
    AnswerQuality,
    judge_answers,
    set_quality,
)
from rightfit.profiling.profiles.cell import ProfiledCell
from rightfit.profiling.profiles.cell_profiles import set_fit
from rightfit.profiling.profiles.profile import ProfileBuilder, tabulate_profiles
from rightfit.profiling.serving import Serving

NOT_ASKED = "not measured: quality alone was asked for"
SERVING = Serving(NATIVE, 1)
SIZE = "model_size_mib"
BYTES_PER_MIB = 2**20


def judge_candidates(cell: ProfiledCell, rows: Rows) -> pl.DataFrame:
    """Judge the candidates of a cell by their native models' answers.

    Args:
        cell: Candidates and what belongs to them.
        rows: Encoded rows of ``cell.labels``, shape (n_rows, n_features).

    Returns:
        One row per candidate: quality, size and what training cost; the rest is null.
    """
    return tabulate_profiles([_judge(cell, name, rows) for name in cell.candidates])


def _judge(cell: ProfiledCell, name: str, rows: Rows) -> ProfileBuilder:
    bundle = cell.candidates[name]
    job = Job(f"{cell.dataset}.{bundle.model}", name, bundle, SERVING)
    profile = ProfileBuilder(cell.dataset, bundle.model, name, SERVING, cell.environment_id)
    set_quality(profile, _answer(cell, job, rows), cell.quality)
    set_fit(profile, job, cell)
    size_bytes = sum(path.stat().st_size for path in runtime_files(bundle, NATIVE))
    profile.set(SIZE, size_bytes / BYTES_PER_MIB)
    profile.set_encoding(None)
    columns = [metric.column for metric in METRICS]
    profile.miss([column for column in columns if column not in profile.values], NOT_ASKED)
    return profile


def _answer(cell: ProfiledCell, job: Job, rows: Rows) -> AnswerQuality | str:
    if cell.labels is None:
        return NO_TARGETS
    family = job.bundle.load_family()
    try:
        answers = check_predictions(
            family.predict(job.bundle.load_native(), rows),
            n_rows=len(cell.labels),
            schema=job.bundle.schema,
        )
    except (RuntimeError, ValueError) as err:
        return str(err)
    return judge_answers(cell, cell.labels, answers)
