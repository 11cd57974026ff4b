"""The common base of the families of boosted trees from other libraries."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.formatting import count
from rightfit._core.spelling import name_some
from rightfit.models.booster import Booster
from rightfit.models.onnx_graph import read_opsets, replace_output, set_opsets
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, Rows
from rightfit.models.tree_prefixes import keep_rounds
from rightfit_search.families.family import Checkpoint, Family, Scaling, TrainingRun, split_training
from rightfit_search.families.stored_rows import StoredRows

_OPSET, _IR_VERSION = 15, 8  # that go together


class BoosterFamily(Family):
    """Base of the families: a library's own says how it trains, answers, and reads its files.

    Its settings are any arguments of the library's classifier; what a model's block leaves out
    keeps the library's value. They train on one thread: OpenMP's threads wait for each other by
    spinning, and take many times the CPU seconds where something else uses a core.

    Args:
        library: The module's name, which is also that of the extra.
        taken: Arguments of the library's classifier that the family itself sets.
    """

    length_setting: str = "n_estimators"
    growth: Scaling = "affine"
    default_length: int = 100  # the library's
    classifier: str
    """Name of the library's classifier, whose arguments are the settings."""

    objectives: tuple[str, str, str]
    """The library's names of what is learnt: values, two classes, several classes."""

    reads_blocks: bool = False
    """Whether the library bins rows a block at a time, see :meth:`Family.train_stored`."""

    converter_options: Mapping[str, object] = {}
    """Arguments of onnxmltools' converter of the library."""

    def __init__(self, library: str, *, taken: tuple[str, ...]) -> None:
        self.library = self.extra = library
        self._taken = taken

    def import_library(self) -> Any:
        """Return the library's module.

        Raises:
            RightfitError: If it is not installed, naming the extra.
        """
        self.require_libraries(f"The family {self.library}")
        return importlib.import_module(self.library)

    def list_settings(self) -> set[str]:
        """Return the arguments of the library's classifier."""
        return set(getattr(self.import_library(), self.classifier)().get_params())

    def state_objective(self, schema: InputSchema) -> dict[str, object]:
        """Return the settings that say what is learnt."""
        values, two_classes, classes = self.objectives
        if schema.task == "regression":
            return {"objective": values}
        if schema.n_classes == 2:
            return {"objective": two_classes}
        return {"objective": classes, "num_class": schema.n_classes}

    def check_configuration(self, configuration: Configuration) -> None:
        """Check that the library is there and knows the settings.

        Raises:
            ValueError: If it is not, or a setting is unknown or the family's own.
        """
        self.import_library()
        options = self.list_settings() - set(self._taken)
        unknown = sorted(set(configuration) - options)
        if unknown:
            raise ValueError(f"{self.library} has no settings {unknown}; it has {sorted(options)}.")

    def count_columns(self, configuration: Configuration, n_features: int) -> float:
        """Return what ``colsample_bytree`` leaves of the columns."""
        share = configuration.get("colsample_bytree")
        return n_features * (share if isinstance(share, float) else 1.0)

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Add rounds of boosting; a step is a round."""
        return self._train(run, None)

    def train_stored(self, run: TrainingRun, stored: StoredRows) -> Iterator[Checkpoint] | None:
        """See :class:`rightfit.Family`; binned rows take a byte a value."""
        return self._train(run, stored) if self.reads_blocks else None

    def _train(self, run: TrainingRun, stored: StoredRows | None) -> Iterator[Checkpoint]:
        settings = dict(run.configuration)
        n_rounds = settings.pop(self.length_setting, self.default_length)
        lengths = split_training(n_rounds, run.n_checkpoints)
        return self.add_rounds(settings, run, lengths, stored)

    @abstractmethod
    def add_rounds(
        self,
        settings: Configuration,
        run: TrainingRun,
        lengths: list[int],
        stored: StoredRows | None,
    ) -> Iterator[Checkpoint]:
        """Train up to each of some lengths and yield.

        Args:
            settings: Those of the run but the length.
            run: Rows to learn from, and the seed of everything random.
            lengths: Rounds.
            stored: Rows to learn from instead, of which the run's are a sample; for libraries that
                read blocks.
        """

    def take_prefix(self, model: Booster, n_steps: int) -> Booster:
        """See :class:`rightfit.Family`."""
        prefix = replace(model, trees=keep_rounds(model.trees, n_steps))
        self.set_serving(prefix, n_threads=model.n_threads, device="cpu")
        return prefix

    @abstractmethod
    def open_file(self, path: Path) -> Any:
        """Open a model file as users of the library save one; it raises what it stumbles over."""

    @abstractmethod
    def read_trees(self, path: Path, schema: InputSchema) -> tuple[Any, bool]:
        """Read what ``save_weights`` wrote; the library raises what it stumbles over.

        Returns:
            The library's own model, and whether it is one of the schema's columns and classes.
        """

    def set_serving(self, model: Booster, *, n_threads: int, device: str) -> None:  # noqa: ARG002
        """See :class:`rightfit.Family`."""
        model.n_threads = n_threads

    def load_weights(
        self,
        path: Path,
        configuration: Configuration,  # noqa: ARG002 -- the file says all
        schema: InputSchema,
    ) -> Booster:
        """See :class:`rightfit.Family`."""
        self.import_library()
        try:
            trees, fits = self.read_trees(path, schema)
        except Exception as err:  # each library raises kinds of its own
            raise ValueError(f"{path} holds no model of {self.library}: {err}") from err
        if not fits:
            classes = f" and the classes {name_some(schema.classes)}" if schema.classes else ""
            raise ValueError(
                f"{path.name} holds a model of other columns or classes: asked for are "
                f"{count(schema.n_features, 'column')}, {name_some(schema.features)}{classes}."
            )
        return Booster(trees, schema.task)

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Convert with onnxmltools."""
        from onnxmltools import convert
        from onnxmltools.convert.common.data_types import FloatTensorType

        exported = getattr(convert, f"convert_{self.library}")(
            model.trees,
            initial_types=[("rows", FloatTensorType([None, schema.n_features]))],
            **self.converter_options,
        )
        return finish_onnx(exported, schema)


def grow(
    model: Booster, add_round: Callable[[int], object], lengths: list[int]
) -> Iterator[Checkpoint]:
    """Train a booster round by round; a step is a round.

    Args:
        model: A model without trees, which a round adds to.
        add_round: Adds the round of a number, from 0.
        lengths: Rounds done at each checkpoint.
    """
    n_grown = 0
    for n_steps in lengths:
        for number in range(n_grown, n_steps):
            add_round(number)
        n_grown = n_steps
        yield Checkpoint(model, n_steps=n_steps)


def shape_predictions(answers: Any, task: Task) -> Rows:
    """Return answers as families do, from a library's own.

    Args:
        answers: Values or the second class' probability, shape (n_rows,), or all probabilities.
        task: What is predicted.

    >>> shape_predictions(np.array([0.25]), "classification").tolist()
    [[0.75, 0.25]]
    >>> shape_predictions(np.array([0.25]), "regression").tolist()
    [[0.25]]
    """
    if task == "regression":
        answers = answers.reshape(-1, 1)
    elif answers.ndim == 1:
        answers = np.stack([1 - answers, answers], axis=1)
    shaped: Rows = np.ascontiguousarray(answers, dtype=np.float32)
    return shaped


def finish_onnx(model: Any, schema: InputSchema) -> bytes:
    """Let a library's export answer as the schema says, and be joined with an encoder.

    Args:
        model: Its last output holds the answers; no other is kept. The few operators beside the
            trees mean the same in its version and in the one that it is given, which the
            comparison with the native model holds.
        schema: What it predicts.
    """
    replace_output(model, model.graph.output[-1].name, schema)
    versions = read_opsets(model)
    set_opsets(model, versions | {"": max(versions.get("", 0), _OPSET)})
    model.ir_version = max(model.ir_version, _IR_VERSION)
    return bytes(model.SerializeToString())


def describe_trees(n_trees: float, n_nodes: float, n_operations: float) -> dict[str, float]:
    """Return the counts of a model of trees.

    Args:
        n_trees: Trees.
        n_nodes: Splits and leaves of all of them; a split stores a column and a threshold.
        n_operations: Comparisons of an average row.
    """
    return {
        "n_parameters": max(2.0 * n_nodes, 1.0),
        "n_operations": max(n_operations, 1.0),
        "n_nodes": max(n_nodes, 1.0),
        "n_trees": max(n_trees, 1.0),
    }
