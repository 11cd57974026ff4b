"""Have a model answer rows in a process of its own, which a time limit ends.

A model from elsewhere may never answer, or crash; and opening a pickle runs whatever code it holds.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import from_plain
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.measuring.rounds.jobs import Job, RowsFile
from rightfit.measuring.rounds.worker_pool import Worker, WorkerKind, WorkerPool
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.protocol import (
    Answered,
    AnswerMoreRequest,
    AnswerRequest,
    Described,
    DescribeRequest,
    Failure,
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
    """Processes that answer first rows, and a teacher's.

    Args:
        pool: Where they are kept ready for what follows.
    """

    pool: WorkerPool

    def try_pickle(
        self,
        path: Path,
        rows: RowTable,
        *,
        unnamed: Sequence[str] | None = None,
        imports: Sequence[str] = (),
    ) -> FirstPredictions:
        """Open a pickle and have its model answer some rows.

        Args:
            path: The file, which the user says to trust.
            rows: Rows that it can answer, all columns that there are.
            unnamed: Columns of a model that names none; ``None``: all that there are.
            imports: Modules that it is known to need.

        Raises:
            RightfitError: If it cannot be opened, or does not answer them.
        """
        table = pickle.dumps(rows.head(N_TRIED))
        hidden = {*FRAMES, *imports, *find_hidden(path.read_bytes()), *find_hidden(table)}
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
            answer = self.pool.get(kind).ask(request, Described)
        if not imports:  # else it is what a model of this process is served by, too
            self.pool.discard(kind)
        if isinstance(answer, Failure):
            cause = answer.error.removeprefix("RightfitError: ")
            raise RightfitError(
                cause if cause != answer.error else f"it cannot be opened: {answer.error}"
            )
        return from_plain(
            FirstPredictions, answer.found | {"answers": np.asarray(answer.found["answers"])}
        )

    def answer(self, bundle: Bundle, runtime: str, rows: Any) -> npt.NDArray[Any]:
        """Return a bundle's answers to some rows; see :meth:`answering`."""
        with self.answering(bundle, runtime) as answer:
            return answer(rows)

    @contextmanager
    def answering(
        self, bundle: Bundle, runtime: str, *, charge: Callable[[float], None] = lambda _: None
    ) -> Iterator[Callable[[Any], npt.NDArray[Any]]]:
        """Open a bundle in a process for as long as rows are to be answered.

        Args:
            bundle: The bundle.
            runtime: The runtime.
            charge: Called with the CPU seconds of each answer.

        Yields:
            What answers rows, given in the form that the model reads there: texts or numbers. It
            raises :class:`RightfitError` if the model does not answer them, or not within
            ``FIRST_ANSWER_MAX_S`` seconds.
        """
        child: int | None = None
        charged_s = 0.0
        worker: Worker
        with temporary_folder("rows") as folder:

            def answer(rows: Any) -> npt.NDArray[Any]:
                nonlocal child, worker, charged_s
                file = RowsFile.write(rows, folder, "rows")
                files: dict[str, Any] = {
                    "rows": str(file.path),
                    "answers": str(folder / "answers.npy"),
                    "limit_s": FIRST_ANSWER_MAX_S,
                }
                asked, child = child, None
                if asked is None:
                    subject = Job("", bundle.model, bundle, Serving(runtime, 1), rows=file).subject
                    worker = self.pool.get(subject.kind)
                    request: AnswerRequest | AnswerMoreRequest = AnswerRequest(
                        factory=subject.factory,
                        arguments=subject.arguments,
                        **files,
                    )
                else:
                    request = AnswerMoreRequest(child=asked, **files)
                answered = worker.ask(request, Answered)
                if isinstance(answered, Failure):
                    raise RightfitError(answered.error)
                child = answered.child
                charge(answered.cpu_s - charged_s)
                charged_s = answered.cpu_s
                answers: npt.NDArray[Any] = np.load(files["answers"], allow_pickle=False)
                return answers

            try:
                yield answer
            finally:
                if child is not None:
                    worker.leave(child)
