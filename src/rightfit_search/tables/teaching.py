"""A model that somebody has already as a teacher: it answers for rows whose target is missing.

Where rows have labels, the labels count: a teacher's predictions in their place gained nothing
(decision 0049).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit._core.formatting import count, describe_error, end_sentence, format_number
from rightfit._core.frames import ROW, Table
from rightfit._core.progress import report_progress
from rightfit.measuring.given_models import adapt_model, read_rows
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.bundle import Bundle
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.kinds import needs_trust
from rightfit.models.imported.row_table import RowTable, read_row_table
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import available_runtimes
from rightfit.models.served_family import Rows
from rightfit_search.tables.assembling import read_deciding
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.splitting import Parted, assign_parts, select_train_rows
from rightfit_search.tables.tables import take_rows
from rightfit_search.tables.target_means import MAX_COPIES

logger = logging.getLogger(__name__)

TEACHER = "teacher"  # the candidate's name in a search from Python
LABELLING_SHARE = 0.5  # of the budget's seconds
N_TIMED = 16  # rows of the first call, which tells the pace
BATCH_S = 5.0  # of each later call
SURE = 0.99  # a probability of which copies say no more
MAX_COPIED_ROWS = 20_000  # above which rows have fewer copies
SILENT_S = 10.0  # labelling that may take longer is announced as a warning

Positions = npt.NDArray[np.intp]


class Teacher:
    """A model of the user's beside the table that it teaches.

    Args:
        model: As of :func:`rightfit.measure`.
        table: The table as the user gave it; a frame of pandas stays one for the model.
        frame: The same as it is read.
        target: The column that is predicted, which the model does not see; it may be absent.
        folder: For its bundles; no other user may read it.
        max_s: Seconds that labelling may take, by the clock; ``None``: no limit.
        seed: Draws the rows where not all can be labelled.
        charge: Called with the CPU seconds of each answer.

    Attributes:
        model: As given.
        bundle: The model as a candidate, once the dataset's classes are known.
        remarks: What a reader of the results should know of the labels.
        test_rows: Positions of the test rows in the table, once it is split.
        pace_s: Seconds of a row at most, by the clock.

    Raises:
        RightfitError: If it is no model that could be measured.
    """

    def __init__(
        self,
        model: object,
        *,
        table: object,
        frame: Table,
        target: str,
        folder: Path,
        max_s: float | None,
        seed: int,
        charge: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.bundle: Bundle
        self.pace_s = 0.0
        self.remarks: tuple[str, ...] = ()
        self.test_rows: Positions = np.empty(0, dtype=np.intp)
        self.model, self._frame, self._target = model, frame, target
        self._folder, self._max_s, self._seed = folder, max_s, seed
        self._first, self._charge = WorkerFirstRows(shared_pool()), charge
        self._pandas: Any = None
        if is_of(table, "pandas", "DataFrame"):
            frame_of_pandas: Any = table
            is_read = [str(name) != target for name in frame_of_pandas.columns]
            self._pandas = frame_of_pandas.loc[:, is_read]
        self._tried = self.take(np.arange(min(N_TIMED, frame.height)))
        if isinstance(model, str | Path) and needs_trust(Path(model)):
            raise RightfitError(
                f"teacher: opening {Path(model).name} may run whatever code it holds. If you trust "
                "who wrote it, open it and give the model; else export it to ONNX."
            )
        with _naming_teacher():
            self._adapted = adapt_model(model, rows=self._tried, trust=False, first=self._first)

    def take(self, positions: Positions) -> RowTable:
        """Return rows of the table, all columns but the target."""
        is_pandas = self._pandas is not None
        rows = self._pandas.iloc[positions] if is_pandas else self.take_columns(positions)
        return read_row_table(rows)

    def take_columns(self, positions: Positions) -> pl.DataFrame:
        """Return the same in a frame of polars."""
        names = [name for name in self._frame.columns if name != self._target]
        return take_rows(self._frame, names, pl.Series(positions))

    def label_unlabelled(self) -> Table:
        """Return the table, its target answered where no row has a label.

        Raises:
            RightfitError: If the model does not answer the rows.
        """
        frame = self._frame
        if self._target in frame.columns and frame[self._target].null_count() < frame.height:
            return frame
        facts = self._adapted.facts
        classes = facts.classes or (() if facts.task == "regression" else None)
        names = np.asarray(getattr(self.model, "classes_", classes))
        forms = set[tuple[tuple[int, ...], bool]]()

        def check(answers: npt.NDArray[Any], positions: Positions) -> npt.NDArray[Any]:
            if answers.shape[:1] != positions.shape or answers.ndim > 2:
                raise ValueError(f"it answers shape {answers.shape} for {len(positions)} rows")
            forms.add((answers.shape[1:], answers.dtype.kind in "biuf"))
            if len(forms) > 1:
                raise ValueError(f"it answers in different forms: {answers.dtype} and others")
            if answers.dtype.kind == "f" and not np.isfinite(answers).all():
                raise ValueError("it answers NaN or infinity")
            if answers.ndim == 2 and answers.shape[1] > 1:
                chosen: npt.NDArray[Any] = answers.argmax(axis=1)
                answers = names[chosen] if classes else chosen
            return answers.reshape(-1)

        with self._answering("labelling", classes) as (_, predict):
            rows, answers, remark, _ = label_rows(
                lambda positions: check(predict(positions), positions),
                np.arange(frame.height),
                max_s=self._max_s,
                seed=self._seed,
            )
        agreement = "no row has a label: every quality is the agreement with the teacher"
        self.remarks = (remark, agreement)
        labels: list[Any] = [None] * frame.height
        for position, label in zip(rows.tolist(), answers.tolist(), strict=True):
            labels[position] = label
        every_row = pl.Series(np.arange(frame.height))
        whole = take_rows(frame, frame.columns, every_row)
        return whole.with_columns(pl.Series(self._target, labels))

    def assign(self, spec: DatasetSpec, labelled: pl.DataFrame) -> Parted:
        """Split the labelled rows, and put those that the model answers for to the train rows.

        Raises:
            RightfitError: If the model does not answer the rows as the dataset's task asks.
        """
        parted = assign_parts(spec, labelled)
        self.test_rows = parted.rows.filter(part="test")[ROW].to_numpy().astype(np.intp)
        with self._answering("candidate", spec.target.classes) as (self.bundle, predict):
            schema, tried = self.bundle.schema, np.arange(len(self._tried))
            with _naming_teacher():
                predict(tried[:1])  # opens the model, and warms it up
                begun_s = time.perf_counter()
                predict(tried)
            self.pace_s = (time.perf_counter() - begun_s) / len(tried)
            if self.remarks:  # it has labelled all that there was time for
                return parted
            parted, self.remarks = add_taught(
                spec,
                labelled,
                parted,
                lambda rows: check_predictions(predict(rows), n_rows=len(rows), schema=schema),
                main=self._frame,
                max_s=self._max_s,
            )
            return parted

    @contextmanager
    def _answering(
        self, name: str, classes: tuple[str, ...] | None
    ) -> Iterator[tuple[Bundle, Callable[[Positions], npt.NDArray[Any]]]]:
        """Write the model as a bundle; yield it, and what it answers for rows of the table."""
        with _naming_teacher():
            bundle = self._adapted.bundle(  # which tries the first rows
                self._folder / name,
                name=TEACHER,
                rows=read_rows(self._adapted, self._tried),
                classes=classes,
            )
        runtime = available_runtimes(bundle)[0]
        with self._first.answering(bundle, runtime, charge=self._charge) as predict:
            yield (
                bundle,
                lambda positions: predict(
                    make_rows(bundle, runtime, read_rows(self._adapted, self.take(positions)))
                ),
            )


def add_taught(
    spec: DatasetSpec,
    labelled: pl.DataFrame,
    parted: Parted,
    answer: Callable[[Positions], Rows],
    *,
    main: Table,
    max_s: float | None,
) -> tuple[Parted, tuple[str, ...]]:
    """Put rows without a label, answered by a teacher, to the train rows.

    Under ``max_train_rows`` they fill what the labelled rows leave. A split by a column, groups or
    time leaves out those that belong to what it holds out, see :func:`select_train_rows`. Of a
    classification a row comes several times, with labels as :func:`draw_labels` draws them.

    Args:
        spec: The dataset's description.
        labelled: All rows with a label.
        parted: Those that are kept, split.
        answer: Returns the teacher's probabilities, shape (n_rows, n_classes), or values, shape
            (n_rows, 1), of the rows at some positions of the table.
        main: The main table.
        max_s: As of :func:`label_rows`.

    Returns:
        The split with these rows, and remarks on them.

    Raises:
        RightfitError: If the teacher fails.
    """
    unlabelled = read_deciding(spec, main).join(labelled, on=ROW, how="anti")
    if not unlabelled.height:
        return parted, ()
    for_training = select_train_rows(spec, unlabelled, parted.rows)
    missing, n_left = for_training[ROW].to_numpy(), unlabelled.height - for_training.height
    remarks: tuple[str, ...] = ()
    if n_left:
        remarks = (
            f"{count(n_left, 'row')} without {spec.target.column} stay out: by the split they "
            "belong to the rows that are held out",
        )
    n_train = parted.rows.filter(pl.col("part") != "test").height
    if spec.max_train_rows is not None:
        rng = np.random.default_rng(spec.seed)
        missing = rng.permutation(missing)[: max(0, spec.max_train_rows - n_train)]
    if not len(missing):
        return parted, remarks
    rows, answers, remark, spent_s = label_rows(answer, missing, max_s=max_s, seed=spec.seed)
    labels = answers[:, :1]
    if spec.task == "classification":
        is_sure = answers.max(axis=1).min() > SURE  # as of a model that says classes
        room = MAX_COPIED_ROWS if spec.max_train_rows is None else spec.max_train_rows - n_train
        n_copies = 1 if is_sure else max(1, min(MAX_COPIES, room // len(rows)))
        labels = draw_labels(answers, n_copies=n_copies, seed=spec.seed)
    kept = parted.rows.select(ROW, "label", "part")
    columns = {ROW: np.repeat(rows, labels.shape[1]), "label": labels.ravel(), "part": "train"}
    together = pl.concat([kept, pl.DataFrame(columns, schema=kept.schema)]).sort(ROW)
    taught = replace(parted, rows=together, n_taught=len(rows), labelling_s=spent_s)
    return taught, (remark, *remarks)


def draw_labels(answers: Rows, *, n_copies: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw labels of copies of each row, as many of a class as its probability says.

    Systematic sampling: a class of probability p labels ``n_copies * p`` copies, rounded up or down
    at random, so that families which know no soft labels learn the teacher's probabilities.

    Args:
        answers: The teacher's probabilities, shape (n_rows, n_classes).
        n_copies: Copies of each row.
        seed: Of the rounding.

    Returns:
        Class positions, shape (n_rows, n_copies).

    >>> draw_labels(np.array([[0.5, 0.5], [0.0, 1.0]]), n_copies=2, seed=0).tolist()
    [[0, 1], [1, 1]]
    """
    starts = np.random.default_rng(seed).random((len(answers), 1))
    points = (starts + np.arange(n_copies)) / n_copies
    ends = np.cumsum(answers / answers.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    labels: npt.NDArray[np.int64] = (points[:, :, None] >= ends[:, None, :]).sum(axis=2)
    return labels


def label_rows(
    answer: Callable[[Positions], npt.NDArray[Any]],
    positions: Positions,
    *,
    max_s: float | None,
    seed: int,
    clock_s: Callable[[], float] = time.perf_counter,
) -> tuple[Positions, npt.NDArray[Any], str, float]:
    """Have a teacher answer rows in batches, a few first, which tell how long all would take.

    Args:
        answer: Returns the answers for the rows at some positions.
        positions: Of the rows; a random draw of them is answered where there is no time for all.
        max_s: Seconds by the clock, as the teacher has one core; ``None``: no limit.
        seed: Of the draw.
        clock_s: Monotonic clock.

    Returns:
        The positions of the answered rows, the first axis of the answers; a remark on them; and
        the seconds that they took.

    Raises:
        RightfitError: If the teacher fails.
    """
    order = np.random.default_rng(seed).permutation(positions)
    answers: list[npt.NDArray[Any]] = []
    opened_s = clock_s()
    with _naming_teacher():
        answer(order[:1])  # opens the model, and warms it up
    begun_s = clock_s()
    first_s = max(begun_s - opened_s, 1e-9)
    n_done, n_rows, n_next = 0, len(order), max(1, min(N_TIMED, int(BATCH_S / first_s)))
    while n_done < n_rows:
        batch = order[n_done : min(n_done + n_next, n_rows)]
        with _naming_teacher():
            answers.append(answer(batch))
        n_done += len(batch)
        spent_s = clock_s() - begun_s
        pace_s = max(spent_s, 1e-9) / n_done
        n_rows = len(order)
        if max_s is not None:
            n_rows = min(n_rows, max(n_done, int(max_s / pace_s)))
        if len(answers) == 1:
            logger.log(
                logging.WARNING if pace_s * n_rows > SILENT_S else logging.INFO,
                "The teacher takes %s ms a row; it answers for %s of %s without a label, in some "
                "%s seconds",
                format_number(1e3 * pace_s),
                f"{n_rows:,}",
                count(len(order), "row"),
                format_number(pace_s * n_rows),
            )
        n_next = max(1, int(BATCH_S / pace_s))
        report_progress("labelling", TEACHER, n_done, n_rows)
    remark = (
        f"the teacher answered for {n_done:,} of {count(len(order), 'row')} without a label in "
        f"{format_number(spent_s)} s"
    )
    if n_done < len(order):
        remark += "; labelling may take half of the budget's seconds"
    return order[:n_done], np.concatenate(answers), remark, spent_s


@contextmanager
def _naming_teacher() -> Iterator[None]:
    """Name the argument in whatever its model raises."""
    try:
        yield
    except RightfitError as err:
        raise RightfitError(f"teacher: {err}") from err
    except (Exception, SystemExit) as err:  # models raise whatever they stumble over
        raise RightfitError(f"teacher: {end_sentence(describe_error(err))}") from err
