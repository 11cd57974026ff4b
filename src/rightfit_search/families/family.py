"""The family protocol: what a kind of model must be able to do to take part in a study.

A family learns either task, classification or regression, or refuses one: the schema that it gets
with the rows says which (``InputSchema.task``).

A family is an object of a class that derives from :class:`Family`, named ``FAMILY`` in a module of
its own.
A model's block names the module by its import path, so that it may lie
in any package. Heavy libraries are imported inside the methods, so that naming a family costs
nothing.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, Rows, ServedFamily
from rightfit_search.families.stored_rows import StoredRows
from rightfit_search.families.training_work import TrainingSize, count_passes

Labels = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Scaling = Literal["constant", "affine"]


@dataclass(frozen=True)
class LabelledRows:
    """Rows with their labels. Those that judge a model may lack classes.

    Args:
        rows: Float32 input matrix, shape (n_rows, n_features).
        labels: What is learnt, shape (n_rows,): class positions, int64, or, in regression, values,
            float64.
        schema: Names of the columns and classes, and with them the task.

    Raises:
        RightfitError: If shapes disagree with each other or the schema, or values are not finite.
    """

    rows: Rows
    labels: Labels
    schema: InputSchema

    def __post_init__(self) -> None:
        expected = (len(self.labels), self.schema.n_features)
        if self.rows.shape != expected:
            raise RightfitError(f"rows must have shape {expected}, but got {self.rows.shape}.")
        if self.schema.task == "regression" and not np.isfinite(self.labels).all():
            raise RightfitError("Labels of a regression must be finite numbers.")


@dataclass(frozen=True)
class TrainingData(LabelledRows):
    """Rows to learn from; the arguments are those of :class:`LabelledRows`.

    Raises:
        RightfitError: As :class:`LabelledRows`; or if a class has no row, or values are all the
            same.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schema.task == "regression":
            if not np.ptp(self.labels) > 0:
                raise RightfitError(
                    f"The values to learn are all {self.labels[0]}: nothing can be learnt from "
                    "them. Correct the dataset's target.column.",
                    key="datasets",
                )
            return
        present = set(np.unique(self.labels).tolist())
        absent = [c for i, c in enumerate(self.schema.classes) if i not in present]
        if absent:
            raise RightfitError(
                f"The training rows hold no example of the classes {absent}. "
                "Raise the dataset's max_train_rows.",
                key="datasets",
            )


@dataclass(frozen=True)
class Checkpoint:
    """A usable model part-way through training.

    Args:
        model: The family's own model object. It may be trained further once the next checkpoint
            is asked for, so use it before.
        n_steps: Training steps taken so far: mini-batches of a net, blocks of rows of a linear
            model, trees of a forest.
    """

    model: Any
    n_steps: int


@dataclass(frozen=True)
class TrainingRun:
    """One training: what is learnt, from which rows, and how.

    Args:
        configuration: The settings.
        data: Rows to learn from.
        n_checkpoints: Checkpoints to yield, see :func:`split_training`.
        seed: Of everything random: the same seed makes the same model.
        n_threads: Threads that it may use.
        device: ``cpu`` or ``cuda``.
    """

    configuration: Configuration
    data: TrainingData
    n_checkpoints: int = 1
    seed: int = 0
    n_threads: int = 1
    device: str = "cpu"


class Family(ServedFamily, ABC):
    """A kind of model: what training, serving and storing one needs.

    Abstract methods are what every family must do; the others are abilities that it may have, with
    what holds for a family without them.
    """

    @property
    def length_setting(self) -> str | None:
        """The setting that counts the epochs or trees of a whole training.

        ``None`` where there is none, as in training on growing shares of the rows.
        """
        return None

    @property
    def growth(self) -> Scaling:
        """How the counts of :meth:`describe_structure` grow with the steps taken."""
        return "constant"

    def adapts_to_length(self, configuration: Configuration) -> bool:  # noqa: ARG002
        """Tell whether the length of a training changes its steps, as it does by its rate.

        A shorter training is then better than the beginning of a longer one.
        """
        return False

    def load_libraries(self) -> None:
        """Import all that training and saving need, so that no trial is charged for it.

        Raises:
            RightfitError: If something is not installed that an extra brings.
        """
        self.require_libraries("Training such a model")
        for module in self.native_imports:
            importlib.import_module(module)

    def load_exporter(self) -> None:
        """Import all that :meth:`export_onnx` needs; searches side by side share it."""

    def list_defaults(self) -> Configuration:
        """Return the values that the family's library gives its settings; empty: not known."""
        return {}

    def check_task(self, task: Task) -> None:
        """Raise ValueError if the family cannot learn a task; by default it learns both."""

    @abstractmethod
    def check_configuration(self, configuration: Configuration) -> None:
        """Raise ValueError if a setting is missing or unknown."""

    def check_values(self, configuration: Configuration) -> None:
        """Raise ValueError if a setting has a value that it cannot take, before any training."""
        self.check_configuration(configuration)

    def build_untrained(
        self,
        configuration: Configuration,  # noqa: ARG002
        schema: InputSchema,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
    ) -> Any | None:
        """Return a model of the final structure before any training.

        ``None`` where the structure only emerges from training.
        """
        return None

    @abstractmethod
    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count what makes a model cheap or expensive to serve.

        Returns:
            Always ``n_parameters`` (numbers to be stored) and ``n_operations`` (multiplications or
            comparisons a row); all counts are positive.
        """

    def steps_ratio(
        self, configuration: Configuration, checkpoint: int, n_checkpoints: int
    ) -> float:
        """Return the steps of a whole training for each step taken up to a checkpoint."""
        length = configuration.get(self.length_setting or "")
        if length is None:  # by shares of rows: each checkpoint at twice those of the one before
            return float(2 ** (n_checkpoints - checkpoint))
        n_units = int(length)
        return n_units / split_training(n_units, n_checkpoints)[checkpoint - 1]

    def count_columns(self, configuration: Configuration, n_features: int) -> float:  # noqa: ARG002
        """Return how many columns a split, or a tree, chooses from; by default all."""
        return float(n_features)

    def foresee_structure(
        self,
        configuration: Configuration,  # noqa: ARG002
        schema: InputSchema,  # noqa: ARG002
        *,
        n_checkpoints: int,  # noqa: ARG002
    ) -> dict[str, float] | None:
        """Return :meth:`describe_structure` of the model at the first checkpoint of a training.

        Args:
            configuration: The settings.
            schema: What is learnt from, and what is predicted.
            n_checkpoints: Those of the whole training.

        Returns:
            ``None``, as by default, where it takes the training to know.
        """
        return None

    def count_work(
        self,
        configuration: Configuration,
        size: TrainingSize,
        structure: Mapping[str, float],
        *,
        checkpoint: int,
        n_checkpoints: int,
    ) -> dict[str, float]:
        """Count what a training up to a checkpoint consists of, and its validation.

        A search predicts the CPU seconds from these counts where it knows the family's costs. By
        default a training passes over all rows once for each unit of :attr:`length_setting`, or,
        where there is none, once over a growing share of them.

        Args:
            configuration: The settings.
            size: Of the data.
            structure: Of the model at the checkpoint, as of :meth:`describe_structure`.
            checkpoint: From 1.
            n_checkpoints: Those of a whole training.
        """
        length = configuration.get(self.length_setting or "")
        share = 1 / self.steps_ratio(configuration, checkpoint, n_checkpoints)
        return count_passes(
            size,
            structure,
            n_rows=size.n_rows * (share if length is None else 1.0),
            n_passes=1.0 if length is None else float(length) * share,
            n_columns=self.count_columns(configuration, size.n_features),
        )

    @abstractmethod
    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Train, yielding a usable model at each checkpoint; see :func:`split_training`."""

    def train_stored(
        self,
        run: TrainingRun,  # noqa: ARG002
        stored: StoredRows,  # noqa: ARG002
    ) -> Iterator[Checkpoint] | None:
        """Train on rows that are read from disk a block at a time, so that memory stays bounded.

        Args:
            run: Its data are a sample of the rows, from which scales may be learnt.
            stored: All rows, those of the sample among them.

        Returns:
            Checkpoints as of :meth:`train`; ``None`` for a family, or a configuration, that needs
            all its rows in memory. It is trained on the largest sample that fits.
        """
        return None

    def take_prefix(self, model: Any, n_steps: int) -> Any | None:  # noqa: ARG002
        """Return the model as it was after fewer steps; it shares nothing that training changes.

        ``None`` for a family whose models do not hold their earlier ones, as rounds of boosting do.
        """
        return None

    @abstractmethod
    def predict(self, model: Any, rows: Rows) -> Rows:
        """Return answers, float32: class probabilities, shape (n_rows, n_classes).

        In regression, values, shape (n_rows, 1).
        """

    @abstractmethod
    def save_weights(self, model: Any, path: Path) -> None:
        """Write the trained model in a format that can run no code when loaded."""

    @abstractmethod
    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """Read back what :meth:`save_weights` wrote."""

    @abstractmethod
    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Return an ONNX model: input ``rows`` (any, n_features), output as of :meth:`predict`.

        The output is called ``schema.output_name``.
        """


def split_training(n_units: int, n_checkpoints: int) -> list[int]:
    """Place checkpoints in a training, each at twice the length of the one before.

    The first checkpoint is cheap (a 32nd of the training for six checkpoints), and each decision
    to continue costs about as much again as was spent. Jamieson and Talwalkar (2016),
    arXiv:1502.07943, halve for the same reason.

    Args:
        n_units: Steps, epochs or trees in the whole training.
        n_checkpoints: Number of checkpoints.

    Returns:
        Units done at each checkpoint, never falling; the last is ``n_units``. A training too short
        for so many halvings has several checkpoints after its first unit.

    Raises:
        RightfitError: If there are fewer units than checkpoints.

    >>> split_training(48, 4)
    [6, 12, 24, 48]
    """
    if n_checkpoints > n_units:
        raise RightfitError(
            f"A training of {n_units=} epochs or trees can't have {n_checkpoints=}. "
            "Lower training.n_checkpoints or raise the family's budget.",
            key="models",
        )
    halvings = range(n_checkpoints - 1, -1, -1)
    return [max(1, round(n_units / 2**halving)) for halving in halvings]


def require_settings(configuration: Configuration, allowed: tuple[str, ...]) -> None:
    """Check that a configuration holds exactly the allowed settings.

    Raises:
        RightfitError: Naming every missing and unknown setting.
    """
    missing = sorted(set(allowed) - set(configuration))
    unknown = sorted(set(configuration) - set(allowed))
    if missing or unknown:
        raise RightfitError(
            f"{missing=}, {unknown=}; the settings are {sorted(allowed)}, each "
            "either under fixed or under space.",
            key="models",
        )
