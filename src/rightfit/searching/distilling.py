"""Students: cheap models that learn labelled rows, and as many in between that a teacher answers.

A student has the settings of a candidate that was trained on the labels alone. It becomes a
candidate itself only if it predicts the validation rows better than that one by more than chance
explains. Learning from a model's answers is after Bucilă, Caruana and Niculescu-Mizil, *Model
compression* (KDD 2006), and Hinton, Vinyals and Dean, arXiv:1503.02531.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.formatting import format_number
from rightfit.measuring.worker.units import NS_PER_S
from rightfit.models.bundle import Bundle
from rightfit.models.family import Configuration, LabelledRows, Rows, TrainingData
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.standard_errors import resample
from rightfit.searching.parallel.planned_search import PlannedSearch
from rightfit.searching.space import ModelParams

SUFFIX = "_student"  # of a model's name
MAX_POOL = 10_000  # rows of which others are in between
N_NEAR = 5  # neighbours, one of which is drawn
EXCHANGED = 0.5  # share of the columns
N_ERRORS = 1.645  # standard errors by which a student must be better: 5 % of equal ones would be
_N_DRAWS, _SEED = 200, 0


@dataclass(frozen=True)
class Distillation:
    """What came of one student.

    Args:
        teacher: What taught it.
        student: The student, as a candidate.
        taught_alone: The candidate of the same settings that learnt from the labels alone.
        teacher_quality: Raw quality on validation rows: too good where it was fitted to them.
        quality: The student's.
        quality_alone: That of the other candidate.
        is_admitted: Whether the student became a candidate.
        n_times_cheaper: The teacher's time for a row over the student's, both in batches, in this
            process.
    """

    teacher: str
    student: str
    taught_alone: str
    teacher_quality: float
    quality: float
    quality_alone: float
    is_admitted: bool
    n_times_cheaper: float

    def __str__(self) -> str:
        outcome = "" if self.is_admitted else "; not better by more than chance, so left out"
        return (
            f"{self.student} {self.quality:.4f}, {self.taught_alone} {self.quality_alone:.4f}, "
            f"{self.teacher} {self.teacher_quality:.4f} on validation rows; the teacher takes "
            f"{format_number(self.n_times_cheaper)} times as long for a row{outcome}"
        )


@dataclass(frozen=True)
class Lesson:
    """What students learn.

    Args:
        teacher: Who taught it.
        taught: What a student learns, see :func:`add_answers`.
        quality: The teacher's raw quality on validation rows.
        row_s: Seconds that the teacher takes for a row.
    """

    teacher: str
    taught: TrainingData
    quality: float
    row_s: float


@dataclass(frozen=True)
class Between:
    """Rows in between, as pairs of rows.

    Args:
        first: Places of rows, shape (n_rows,).
        second: Those of near neighbours.
        rng: Draws which columns are whose.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    rng: np.random.Generator

    def fill(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows, of the columns of a table."""
        return pl.DataFrame(
            column[np.where(self.rng.random(len(self.first)) < EXCHANGED, self.second, self.first)]
            for column in table
        )


def draw_between(rows: Rows, n_rows: int, *, seed: int) -> Between:
    """Draw rows in between: each has some columns of a row, the others of a near neighbour's.

    After the MUNGE of Bucilă et al., where a column is exchanged with probability one half. Rows
    are near by the squared differences of their columns, each divided by its standard deviation.

    Args:
        rows: Encoded rows, shape (n, n_features).
        n_rows: How many to draw.
        seed: Of the draw.
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(seed)
    pool = rng.permutation(len(rows))[:MAX_POOL]
    spread = rows[pool].std(axis=0)
    scaled = rows[pool] / np.where(spread > 0, spread, 1)
    n_near = min(N_NEAR + 1, len(pool))
    near = NearestNeighbors(n_neighbors=n_near).fit(scaled).kneighbors(return_distance=False)
    first = rng.integers(len(pool), size=n_rows)
    second = near[first, rng.integers(near.shape[1], size=n_rows)]
    return Between(pool[first], pool[second], rng)


def add_answers(data: TrainingData, rows: Rows, answers: Rows) -> TrainingData:
    """Add rows that a teacher has answered to labelled rows.

    Args:
        data: Rows with their labels.
        rows: Encoded rows, shape (n_answered, n_features).
        answers: Probabilities or values, shape (n_answered, n_outputs). A family that reads no
            probabilities learns the likeliest class.
    """
    is_regression = data.schema.task == "regression"
    labels = answers[:, 0] if is_regression else answers.argmax(axis=1)
    targets = None
    if not is_regression:
        sure = data.labels[:, None] == np.arange(data.schema.n_classes)
        targets = np.concatenate([sure, answers]).astype(np.float32)
    return TrainingData(
        np.concatenate([data.rows, rows]),
        np.concatenate([data.labels, labels.astype(data.labels.dtype)]),
        data.schema,
        targets,
    )


def plan_student(
    search: PlannedSearch, configuration: Configuration, taught: TrainingData
) -> PlannedSearch:
    """Plan the training of a student: a search of one trial.

    Args:
        search: The search of its family.
        configuration: All settings.
        taught: What it learns, see :func:`add_answers`.
    """
    cell = replace(
        search.cell,
        name=f"{search.cell.name}{SUFFIX}",
        data_version=f"{search.cell.data_version}+{_hash(taught)}",
        params=ModelParams.model_validate({"fixed": configuration}),
        train=taught,
    )
    alone = {"n_trials": 1, "targets": None, "early_stopping": "none", "budget_cpu_s": None}
    settings = search.settings.model_copy(update=alone)
    return replace(search, cell=cell, settings=settings, siblings={}, first_look=None, rule=None)


def _hash(taught: TrainingData) -> str:
    """Return the first digits of a SHA-256 of what is learnt, so that another study keeps it."""
    learnt = taught.labels if taught.targets is None else taught.targets
    return hashlib.sha256(np.ascontiguousarray(learnt).tobytes()).hexdigest()[:8]


def is_better(metric: QualityMetric, validation: LabelledRows, student: Rows, alone: Rows) -> bool:
    """Tell whether a student's predictions are better than those of the model taught by labels.

    Both predict the same resampled rows (a paired bootstrap), so what both get wrong cancels out.

    Args:
        metric: The dataset's metric.
        validation: The rows and their labels.
        student: Its predictions, shape (n_rows, n_outputs).
        alone: Those of the other.
    """
    labels = validation.labels
    student_draws, alone_draws = (
        resample(metric, labels, answers, n_draws=_N_DRAWS, n_rows=len(labels), seed=_SEED)
        for answers in (student, alone)
    )
    gain = metric.score(labels, student) - metric.score(labels, alone)
    return bool(gain > N_ERRORS * (student_draws - alone_draws).std(ddof=1))


def time_row_s(bundle: Bundle, rows: Rows) -> float:
    """Return the seconds that a bundle's native model takes for one of these encoded rows.

    All are answered in a call of this process, which comes after a first one.
    """
    family, model = bundle.load_family(), bundle.load_native()
    family.predict(model, rows.copy())  # it may write to its rows
    started_ns = time.perf_counter_ns()
    family.predict(model, rows.copy())
    return (time.perf_counter_ns() - started_ns) / NS_PER_S / len(rows)
