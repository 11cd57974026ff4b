"""A user's own slow model as the teacher of a search's students."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.data.tables import Table
from rightfit.measuring.given_models import adapt_model
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.measuring.worker.units import NS_PER_S
from rightfit.models.family import Rows
from rightfit.models.imported.feeding import make_rows
from rightfit.models.imported.row_table import Form, RowTable
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema

_FIRST_ROWS = 16  # of the first call; they tell how long the next may be


@dataclass(frozen=True)
class Teacher:
    """A user's model.

    Args:
        model: As of :func:`rightfit.measure`.
        table: The rows of the search, with all columns.
        frame: The kind of frame that the model is given.
    """

    model: object
    table: Table
    frame: Form

    @property
    def name(self) -> str:
        """How it is called."""
        if isinstance(self.model, str | Path):
            return Path(self.model).name
        return str(getattr(self.model, "__name__", type(self.model).__name__))

    def answer(
        self, rows: pl.DataFrame, schema: InputSchema, *, max_s: float
    ) -> tuple[Rows, float]:
        """Answer as many rows, from the first on, as some seconds allow.

        Args:
            rows: Raw rows, without the target.
            schema: What is predicted.
            max_s: Wall seconds; at least the first rows are answered.

        Returns:
            Probabilities or values, shape (n_answered, n_outputs), and the seconds that a row took.

        Raises:
            RightfitError: If the model cannot answer the rows.
        """
        content = rows.to_pandas() if self.frame == "pandas" else rows
        table = RowTable(content, self.frame, self.frame)
        pool = WorkerPool(1)
        try:
            with temporary_folder("teacher") as folder:
                model = adapt_model(
                    self.model, rows=table, trust=False, first=WorkerFirstRows(pool)
                )
                bundle = model.bundle(
                    folder / "bundle", name="teacher", rows=table, classes=schema.classes
                )
                runtime = available_runtimes(bundle)[0]
                predict = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
                answers: list[Rows] = []
                n_answered, n_next, spent_s = 0, _FIRST_ROWS, 0.0
                started_ns = time.perf_counter_ns()
                while n_answered < len(table) and (spent_s < max_s or not answers):
                    batch = replace(table, content=content[n_answered : n_answered + n_next])
                    answers.append(
                        check_predictions(
                            predict(make_rows(bundle, runtime, batch)),
                            n_rows=len(batch),
                            schema=schema,
                        )
                    )
                    n_answered += len(batch)
                    spent_s = (time.perf_counter_ns() - started_ns) / NS_PER_S
                    left = min(max_s / spent_s - 1, 4.0)  # calls grow fourfold at most
                    n_next = max(1, int(n_answered * left))
        except ValueError as err:
            raise RightfitError(f"teacher: {err}") from err
        finally:
            pool.close()
        return np.concatenate(answers).astype(np.float32), spent_s / n_answered


def find_frame(table: object) -> Form:
    """Return the kind of frame that a teacher is given: that of the table."""
    return "pandas" if type(table).__module__.partition(".")[0] == "pandas" else "polars"
