"""Have a model answer its first rows in a process of its own, which a time limit ends.

A model from elsewhere may never answer, or crash; and opening a pickle runs whatever code it holds.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import from_plain
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.measuring.rounds.jobs import Job, RowsFile
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.protocol import (
    Described,
    DescribeRequest,
    Failure,
    Predicted,
    PredictRequest,
)
from rightfit.models.bundle import Bundle
from rightfit.models.imported.first_predictions import N_TRIED, FirstPredictions
from rightfit.models.imported.pickles import find_hidden
from rightfit.models.imported.row_table import RowTable

TRY_PICKLE = "rightfit.models.imported.pickles:try_pickle"
FIRST_ANSWER_MAX_S = 60.0  # to import libraries, open the model and answer some rows
FRAMES = ("pandas", "polars")  # in which rows may be given


@dataclass(frozen=True)
class WorkerFirstRows:
    """Processes that answer first rows.

    Args:
        pool: Where they are kept ready for what follows.
    """

    pool: WorkerPool

    def try_pickle(
        self, path: Path, rows: RowTable, *, unnamed: Sequence[str] | None = None
    ) -> FirstPredictions:
        """Open a pickle and have its model answer some rows.

        Args:
            path: The file, which the user says to trust.
            rows: Rows that it can answer, all columns that there are.
            unnamed: Columns of a model that names none; ``None``: all that there are.

        Raises:
            RightfitError: If it cannot be opened, or does not answer them.
        """
        table = pickle.dumps(rows.head(N_TRIED))
        hidden = {*FRAMES, *find_hidden(path.read_bytes()), *find_hidden(table)}
        kind = WorkerKind(tuple(sorted(filter(importlib.util.find_spec, hidden))), n_threads=1)
        with temporary_folder("rows") as folder:
            (folder / "rows.pickle").write_bytes(table)
            request = DescribeRequest(
                factory=TRY_PICKLE,
                arguments={
                    "path": str(path.resolve()),
                    "rows": str(folder / "rows.pickle"),
                    "unnamed": None if unnamed is None else list(unnamed),
                },
                limit_s=FIRST_ANSWER_MAX_S,
            )
            with machine_lock():
                answer = self.pool.get(kind).ask(request, Described)
        self.pool.discard(kind)
        if isinstance(answer, Failure):
            cause = answer.error.removeprefix("RightfitError: ")
            raise RightfitError(
                cause if cause != answer.error else f"it cannot be opened: {answer.error}"
            )
        return from_plain(
            FirstPredictions, answer.found | {"answers": np.asarray(answer.found["answers"])}
        )

    def answer(self, bundle: Bundle, runtime: str, rows: Any) -> npt.NDArray[np.float32]:
        """Return a bundle's answers to some rows, as numbers.

        Args:
            bundle: The bundle.
            runtime: The runtime.
            rows: In the form that it reads there.

        Raises:
            RightfitError: If it does not answer them.
        """
        with temporary_folder("rows") as folder:
            file = RowsFile.write(rows, folder, "rows")
            subject = Job("", bundle.model, bundle, Serving(runtime, 1), rows=file).subject
            request = PredictRequest(
                factory=subject.factory,
                arguments=subject.arguments,
                rows=str(file.path),
                predictions=str(folder / "answers.npy"),
                limit_s=FIRST_ANSWER_MAX_S,
            )
            with machine_lock():
                answer = self.pool.get(subject.kind).ask(request, Predicted)
            if isinstance(answer, Failure):
                raise RightfitError(answer.error)
            answers: npt.NDArray[np.float32] = np.load(request.predictions, allow_pickle=False)
            return answers
