"""The family protocol: what a kind of model must be able to do to take part in a study.

A family learns either task, classification or regression, or refuses one: the schema that it gets
with the rows says which (``InputSchema.task``).

A family is an object with these methods and attributes, named ``FAMILY`` in a module of its own.
A model's block in ``parameters_models.yml`` names the module by its import path, so that it may lie
in any package. Heavy libraries are imported inside the methods, so that naming a family costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from rightfit.families.schema import InputSchema, Task

Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Configuration = Mapping[str, Any]
Scaling = Literal["constant", "affine"]


@dataclass(frozen=True)
class TrainingData:
    """Rows to learn from.

    Args:
        rows: Float32 input matrix, shape (n_rows, n_features).
        labels: What is learnt, shape (n_rows,): class positions, int64, or, in regression, values,
            float64.
        schema: Names of the columns and classes, and with them the task.

    Raises:
        ValueError: If shapes disagree with each other or the schema, a class has no row, or values
            are all the same.
    """

    rows: Rows
    labels: Labels
    schema: InputSchema

    def __post_init__(self) -> None:
        expected = (len(self.labels), self.schema.n_features)
        if self.rows.shape != expected:
            raise ValueError(f"rows must have shape {expected}, but got {self.rows.shape=}.")
        if self.schema.task == "regression":
            self._check_values()
            return
        present = set(np.unique(self.labels).tolist())
        absent = [c for i, c in enumerate(self.schema.classes) if i not in present]
        if absent:
            raise ValueError(
                f"The training rows hold no example of the classes {absent}. "
                "Raise max_train_rows of the dataset in parameters_datasets.yml."
            )

    def _check_values(self) -> None:
        if not np.isfinite(self.labels).all():
            raise ValueError("The values to learn must be finite numbers.")
        if not np.ptp(self.labels) > 0:
            raise ValueError(
                f"The values to learn are all {self.labels[0]}: nothing can be learnt from them. "
                "Correct target.column of the dataset in parameters_datasets.yml."
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


class Family(Protocol):
    """What every family provides."""

    devices: tuple[str, ...]
    """Devices it can train and serve on: ``cpu``, ``cuda``."""

    weights_file: str
    """Name of the weights' file in a bundle."""

    native_imports: tuple[str, ...]
    """Modules that serving the native model needs."""

    @property
    def length_setting(self) -> str | None:
        """The setting that counts the epochs or trees of a whole training.

        ``None`` where there is none, as in training on growing shares of the rows.
        """

    has_int8: bool
    """Whether 8-bit weights make sense: for matrix products they do, for trees they do not."""

    @property
    def scaling(self) -> Mapping[str, Scaling]:
        """How resource metrics grow with training; a metric not named is constant."""

    @property
    def growth(self) -> Scaling:
        """How the counts of :meth:`describe_structure` grow with the steps taken."""

    def load_libraries(self) -> None:
        """Import all that training and saving need, so that no trial is charged for it."""

    def check_configuration(self, configuration: Configuration) -> None:
        """Raise ValueError if a setting is missing or unknown."""

    # A family may also have ``load_exporter()``, which imports all that ``export_onnx`` needs, so
    # that searches side by side need not each.

    # A family may also have ``check_task(task)``, which raises ValueError if it cannot learn the
    # task; without it a family learns both.

    # A family may also have ``check_values(configuration)``, which raises ValueError if a setting
    # has a value that it cannot take. It is asked before the first training.

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> Any | None:
        """Return a model of the final structure before any training.

        ``None`` where the structure only emerges from training.
        """

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count what makes a model cheap or expensive to serve.

        Returns:
            Always ``n_parameters`` (numbers to be stored) and ``n_operations`` (multiplications or
            comparisons a row); all counts are positive.
        """

    def train(
        self,
        configuration: Configuration,
        data: TrainingData,
        *,
        n_checkpoints: int,
        seed: int,
        n_threads: int,
        device: str,
    ) -> Iterator[Checkpoint]:
        """Train, yielding a usable model at each checkpoint; see :func:`split_training`."""

    def predict(self, model: Any, rows: Rows) -> Rows:
        """Return answers, float32: class probabilities, shape (n_rows, n_classes).

        In regression, values, shape (n_rows, 1).
        """

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:
        """Prepare a loaded model to answer with so many threads on a device."""

    def save_weights(self, model: Any, path: Path) -> None:
        """Write the trained model in a format that can run no code when loaded."""

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """Read back what :meth:`save_weights` wrote."""

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Return an ONNX model: input ``rows`` (any, n_features), output as of :meth:`predict`.

        The output is called ``schema.output_name``.
        """


def split_training(n_units: int, n_checkpoints: int) -> list[int]:
    """Place checkpoints in a training, each at twice the length of the one before.

    So the first look at a trial is cheap (a 32nd of the training for six checkpoints), and going
    on is always a decision about as much again as was spent. Jamieson and Talwalkar (2016),
    arXiv:1502.07943, halve for the same reason.

    Args:
        n_units: Steps, epochs or trees in the whole training.
        n_checkpoints: Number of checkpoints.

    Returns:
        Units done at each checkpoint, never falling; the last is ``n_units``. A training too short
        for so many halvings looks at its first unit several times.

    Raises:
        ValueError: If there are fewer units than checkpoints.

    >>> split_training(48, 4)
    [6, 12, 24, 48]
    """
    if n_checkpoints > n_units:
        raise ValueError(
            f"A training of {n_units=} epochs or trees can't have {n_checkpoints=}. "
            "Lower training.n_checkpoints or raise the family's budget in parameters_models.yml."
        )
    halvings = range(n_checkpoints - 1, -1, -1)
    return [max(1, round(n_units / 2**halving)) for halving in halvings]


def check_task(family: Family, task: Task) -> None:
    """Check that a family can learn a task.

    Raises:
        ValueError: If it says that it cannot; one without a check of its own learns both.
    """
    check: Callable[[Task], None] | None = getattr(family, "check_task", None)
    if check is not None:
        check(task)


def require_settings(configuration: Configuration, allowed: tuple[str, ...]) -> None:
    """Check that a configuration holds exactly the allowed settings.

    Raises:
        ValueError: Naming every missing and unknown setting.
    """
    missing = sorted(set(allowed) - set(configuration))
    unknown = sorted(set(configuration) - set(allowed))
    if missing or unknown:
        raise ValueError(
            f"{missing=}, {unknown=}; the settings are {sorted(allowed)}, each "
            "either under fixed or under space. Correct parameters_models.yml."
        )
