"""A worker of a search: it carries out the tasks of the search's scheduler, and decides nothing.

Between two steps of a trial its training waits in this worker's memory. A worker that is given the
trial of another one trains it anew; the seed makes it the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from threadpoolctl import threadpool_limits

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import describe_error
from rightfit.measuring.worker.meters.memory import return_free_memory
from rightfit.measuring.worker.units import BYTES_PER_MIB, NS_PER_S
from rightfit.models.bundle import Bundle, read_bundle, set_temperature, write_bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.calibration import learn_temperature, scale_probabilities
from rightfit.models.predictions import require_alone
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.families.sklearn_training import with_one_openmp_thread
from rightfit_search.families.stored_rows import open_rows, rows_in_memory
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.learning_curve import (
    Look,
    PausedTrainings,
    follow_training,
    forecast_first_look,
)
from rightfit_search.searching.row_curve import measure_row_curve
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.tasks import Task, TaskResult

logger = logging.getLogger(__name__)

JUDGED_ROWS, PREDICTIONS = "rows.npy", "predictions.npy"  # of a task that predicts

# What ends a search and no single trial: it may be mended, and then the trials are as good as new.
SEARCH_FAULTS = (ImportError, OSError, optuna.exceptions.OptunaError)


class TaskWorker:
    """Carries out tasks of one search in this process.

    Args:
        cell: What is searched.
        settings: By which rules.
        store: Where the trials' bundles are kept.
        study_name: The search.
    """

    def __init__(
        self, cell: Cell, settings: SearchSettings, store: StudyStore, study_name: str
    ) -> None:
        self._cell, self._settings = cell, settings
        self._store, self._study_name = store, study_name
        self._trainings = PausedTrainings(settings.paused_memory_mib)

    def carry_out(self, task: Task) -> TaskResult:
        """Carry out a task; whatever a family raises is the trial's fault.

        Raises:
            Exception: One of ``SEARCH_FAULTS``.
        """
        get_family(self._cell.family).load_libraries()  # which no trial is charged for
        started_s, started_ns = time.time(), time.process_time_ns()
        result: dict[str, Any] = {}
        try:
            match task.kind:
                case "train":
                    self._train(task, result)
                case "keep":
                    look = self._trainings.look_at(task.number, task.n_checkpoints)
                    if look is None:
                        look = self._repeat(task)
                    result["model_size_mib"] = _measure_size_mib(self._write_trial(task, look))
                case "finish":
                    self.finish(task)
                    return_free_memory()  # of a training that the next one or measuring may need
                case "forecast":
                    run = _make_run(self._cell, self._settings, task.configuration)
                    result["point"] = forecast_first_look(self._cell, run)
                case "row_curve":
                    model = self.read_model(task).load_native()
                    run = self._plan_final(task, self._cell.train)
                    result["point"] = measure_row_curve(self._cell, run, model, task.n_checkpoints)
                case "predict":
                    self._predict(task)
        except SEARCH_FAULTS:
            raise
        except Exception as err:  # a family may raise anything
            logger.debug("The failed trial's traceback:", exc_info=True)
            result["fault"] = describe_error(err)
        ended_ns = time.process_time_ns()
        cpu_s, process_cpu_s = (ended_ns - started_ns) / NS_PER_S, ended_ns / NS_PER_S
        return TaskResult(started_s, time.time(), cpu_s, process_cpu_s=process_cpu_s, **result)

    def _train(self, task: Task, result: dict[str, Any]) -> None:
        """Train a trial to its next checkpoint, anew where its training is not in memory."""
        n_passed = task.n_checkpoints
        training = self._trainings.take(task.number, n_passed)
        n_missing = 1 if training is not None else n_passed + 1
        if training is None:
            training = _follow(self._cell, self._settings, task.configuration)
        for _ in range(n_missing):
            look = next(training)
        if n_passed + 1 == self._settings.n_checkpoints:
            result["model_size_mib"] = _measure_size_mib(self._write_trial(task, look))
        else:
            self._trainings.keep(task.number, n_passed + 1, training, look)
        result["point"] = look.point

    def read_model(self, task: Task) -> Bundle:
        """Read a complete trial's bundle; a damaged one is made anew, repeating the training."""
        try:
            return self._read(task)
        except (FileNotFoundError, NotADirectoryError, ValueError) as err:
            logger.warning("%s: trial %d is trained again: %s", self._cell.name, task.number, err)
        return self._write_trial(task, self._repeat(task))

    def _predict(self, task: Task) -> None:
        """Write what a candidate predicts for stored rows into their folder."""
        folder, bundle = Path(task.stored_rows), self._open(Path(task.bundle))
        family, model = get_family(self._cell.family), bundle.load_native()
        rows = np.load(folder / JUDGED_ROWS, mmap_mode="c", allow_pickle=False)

        def predict(start: int, stop: int) -> Rows:
            predictions = family.predict(model, rows[start:stop].copy())  # it may write to its rows
            return scale_probabilities(predictions, bundle.temperature)

        with threadpool_limits(self._settings.n_threads), with_one_openmp_thread():
            predictions = predict(0, len(rows))
            require_alone(predict, predictions, n_rows=len(rows))
        np.save(folder / PREDICTIONS, predictions, allow_pickle=False)

    def _read(self, task: Task, variant: str = "") -> Bundle:
        return self._open(self._store.bundle_folder(self._study_name, task.number, variant))

    def _open(self, folder: Path) -> Bundle:
        bundle = self._store.trust_recorded(read_bundle(folder, family=self._cell.family))
        if not bundle.is_trusted:
            raise ValueError(f"no search of this data root has written {bundle.weights_file}")
        return bundle

    def finish(self, task: Task) -> Bundle:
        """Return a complete trial's candidate: trained on all rows, calibrated and exported.

        A candidate whose last training fails is the trial's own model, which is logged.
        """
        try:
            is_final = task.learns_validation or task.n_rows
            bundle = self._read_final(task) if is_final else self.read_model(task)
        except SEARCH_FAULTS:
            raise
        except Exception as err:  # a family may raise anything
            logger.warning(
                "%s: candidate %d stays as its trial trained it, on more rows that failed: %s: %s",
                self._cell.name,
                task.number,
                type(err).__name__,
                err,
            )
            bundle = self.read_model(task)
        if bundle.temperature is None and not bundle.onnx:
            bundle = self._calibrate(task, bundle)
        if task.exports:
            rows = self._cell.validation.rows
            bundle = offer_onnx(bundle, rows, again=True, may_uncalibrate=True)
        return bundle

    def _calibrate(self, task: Task, bundle: Bundle) -> Bundle:
        """Learn a candidate's temperature by what its trial's own model says of validation rows."""
        train, validation = self._cell.train, self._cell.validation
        is_learnt = np.array_equal(train.labels, validation.labels) and np.array_equal(
            train.rows, validation.rows
        )
        if not train.schema.classes or is_learnt:
            return bundle
        model = self.read_model(task).load_native()
        probabilities = get_family(self._cell.family).predict(model, validation.rows.copy())
        return set_temperature(bundle, learn_temperature(probabilities, validation.labels))

    def read_candidate(self, task: Task) -> Bundle:
        """Return a complete trial's candidate; its own model where it was not trained finally."""
        try:
            return self._read(task, self._name_final(task))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return self.read_model(task)

    def _name_final(self, task: Task) -> str:
        n_rows = task.n_rows or len(self._cell.train.labels) + len(self._cell.validation.labels)
        return f"{n_rows}-rows-{task.n_checkpoints}"

    def _read_final(self, task: Task) -> Bundle:
        """Read a candidate that has learnt from all rows; train it where it is not."""
        variant = self._name_final(task)
        try:
            return self._read(task, variant)
        except (FileNotFoundError, NotADirectoryError, ValueError) as err:
            logger.debug("%s: trial %d is trained finally: %s", self._cell.name, task.number, err)
        rows = self._cell.final_rows() if task.learns_validation else self._cell.train
        run = self._plan_final(task, rows)
        family = get_family(self._cell.family)
        family.load_libraries()  # whose threads are limited
        with threadpool_limits(self._settings.n_threads):
            if task.n_rows:
                checkpoints, n_rows = self._train_stored(run, Path(task.stored_rows))
            else:
                checkpoints, n_rows = family.train(run), len(rows.labels)
            *_, last = islice(checkpoints, task.n_checkpoints)
        return self._write(task, last.model, n_rows=n_rows, variant=variant)

    def _plan_final(self, task: Task, rows: TrainingData) -> TrainingRun:
        """Plan a training to the checkpoint at which a trial's model was best."""
        n_checkpoints = self._settings.n_checkpoints
        return TrainingRun(
            task.configuration,
            rows,
            n_checkpoints=1 if task.n_checkpoints == n_checkpoints else n_checkpoints,
            seed=self._settings.seed,
            n_threads=self._settings.n_threads,
            device=self._settings.device,
        )

    def _train_stored(self, run: TrainingRun, folder: Path) -> tuple[Iterator[Checkpoint], int]:
        """Train on stored rows, or on a sample of them in a family that does not read blocks.

        Returns:
            The checkpoints, and how many rows they learn from.
        """
        family, stored = get_family(self._cell.family), open_rows(folder, run.data.schema)
        checkpoints = family.train_stored(run, stored)
        if checkpoints is not None:
            return checkpoints, stored.n_rows
        n_fitting = rows_in_memory(self._settings.rows_memory_mib, run.data.schema)
        if n_fitting <= len(run.data.labels):
            raise RightfitError(
                f"it needs its rows in memory, and training.rows_memory_mib of "
                f"{self._settings.rows_memory_mib:g} holds no more than the sample"
            )
        data = TrainingData(*stored.take(n_fitting), run.data.schema)
        logger.info(
            "%s needs its rows in memory: trained on %d of %d, which fit training.rows_memory_mib "
            "of %g",
            self._cell.name,
            len(data.labels),
            stored.n_rows,
            self._settings.rows_memory_mib,
        )
        return family.train(replace(run, data=data)), len(data.labels)

    def _repeat(self, task: Task) -> Look:
        """Train a configuration again up to a look; the seed makes it the same model."""
        looks = _follow(self._cell, self._settings, task.configuration)
        *_, last = islice(looks, task.n_checkpoints)
        return last

    def _write_trial(self, task: Task, look: Look) -> Bundle:
        return self._write(task, look.model, n_rows=len(self._cell.train.labels))

    def _write(self, task: Task, model: Any, *, n_rows: int, variant: str = "") -> Bundle:
        """Write the bundle of a trial, or of the candidate that it has become."""
        with self._store.new_bundle(self._study_name, task.number, variant) as folder:
            bundle = write_bundle(
                folder,
                model,
                model=self._cell.model,
                family=self._cell.family,
                configuration=task.configuration,
                schema=self._cell.train.schema,
                data_version=self._cell.data_version,
                n_training_rows=n_rows,
            )
        self._store.record_weights(bundle)
        path = self._store.bundle_folder(self._study_name, task.number, variant)
        return replace(bundle, path=path)


def _measure_size_mib(bundle: Bundle) -> float:
    return sum((bundle.path / file).stat().st_size for file in bundle.files) / BYTES_PER_MIB


def _follow(cell: Cell, settings: SearchSettings, configuration: Configuration) -> Iterator[Look]:
    return follow_training(cell, _make_run(cell, settings, configuration))


def _make_run(cell: Cell, settings: SearchSettings, configuration: Configuration) -> TrainingRun:
    return TrainingRun(
        configuration,
        cell.train,
        n_checkpoints=settings.n_checkpoints,
        seed=settings.seed,
        n_threads=settings.n_threads,
        device=settings.device,
    )
