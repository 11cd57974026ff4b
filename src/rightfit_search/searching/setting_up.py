"""Setting up a search from a dataset's tables and the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit.measuring.hardware.environment import usable_cores
from rightfit.measuring.rounds.jobs import plan_servings
from rightfit.measuring.worker.meters.devices import list_devices
from rightfit.models.runtimes import NATIVE, ONNX
from rightfit.models.schema import InputSchema
from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import LabelledRows, TrainingData
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets
from rightfit_search.searching.pausing.priors import read_shipped_prior
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.training_params import TrainingParams
from rightfit_search.tables.data_card import DataCard

_SERVED_ALIKE = (NATIVE, ONNX)  # the answers are the trained model's


class WantedServings(Protocol):
    """Which serving configurations an evaluation will measure."""

    @property
    def runtimes(self) -> Sequence[str]:
        """Serving runtimes."""

    @property
    def n_threads(self) -> Sequence[int | Literal["all"]]:
        """Threads; ``all`` is every core."""

    @property
    def devices(self) -> Sequence[str]:
        """Devices."""


def make_cell(
    name: str,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: DataCard,
    model: ModelBlock,
) -> Cell:
    """Make a cell from its dataset's tables.

    Args:
        name: ``{dataset}.{model}``.
        train: Encoded rows to learn from, with the column ``label``.
        validation: Encoded rows to judge by.
        data_card: The dataset's card.
        model: The family, its settings and space.

    Raises:
        ValueError: If the family cannot learn the dataset's task.
    """
    try:
        get_family(model.family).check_task(data_card.task)
    except ValueError as err:
        raise RightfitError(
            f"{name}: {err}. List the datasets that the model is for in its block, under datasets, "
            "or take it out of grid.models.",
            key="models",
        ) from err
    return Cell(
        name=name,
        family=model.family,
        params=model.params,
        train=make_data(train, data_card.input_schema),
        validation=make_labelled_rows(validation, data_card.input_schema),
        quality=data_card.quality,
        data_version=data_card.data_version,
    )


def make_data(frame: pl.DataFrame, schema: InputSchema) -> TrainingData:
    """Make rows to learn from of encoded rows with the column ``label``."""
    labelled_rows = make_labelled_rows(frame, schema)
    return TrainingData(labelled_rows.rows, labelled_rows.labels, schema)


def make_labelled_rows(frame: pl.DataFrame, schema: InputSchema) -> LabelledRows:
    """Make rows and labels from encoded rows with the column ``label``."""
    rows = np.ascontiguousarray(frame.select(schema.features).to_numpy(), dtype=np.float32)
    return LabelledRows(rows, schema.cast_labels(frame["label"].to_numpy()), schema)


def make_settings(training: TrainingParams, family: str, *, n_searches: int = 1) -> SearchSettings:
    """Return the settings of a search that quality alone steers.

    Args:
        training: The stage's parameters.
        family: Import path of the family that is searched.
        n_searches: Searches that run side by side.
    """
    cell_settings = {
        "n_threads": training.share_cores(n_searches)[1],
        "device": pick_device(training.device, get_family(family).devices),
        "targets": None,
    }
    return SearchSettings.model_validate(dict(training) | cell_settings)


def make_targets(
    training: TrainingParams, applications: Applications, evaluation: WantedServings, family: str
) -> ApplicationTargets:
    """Return what the applications ask of a search.

    Runtimes that answer otherwise than the trained model are left out: their quality is not that
    of the search.

    Args:
        training: Rules.
        applications: Who will choose.
        evaluation: Serving configurations of the evaluation.
        family: Import path of the family that is searched, of which earlier searches taught.
    """
    servings = plan_servings(
        [name for name in evaluation.runtimes if name in _SERVED_ALIKE],
        evaluation.n_threads,
        evaluation.devices,
        n_cores=usable_cores(),
        present=list_devices(),
    )
    return ApplicationTargets(
        applications=applications,
        pausing=training.pausing,
        servings=tuple(servings),
        known_quality=None,
        prior=read_shipped_prior(family),
    )


def pick_device(device: str, usable: tuple[str, ...]) -> Literal["cpu", "cuda"]:
    """Choose the device of a training.

    Args:
        device: ``cpu``, ``cuda`` or ``auto`` (CUDA where the family and the machine have it).
        usable: Devices the family can use.

    Returns:
        ``cpu`` or ``cuda``; families without a GPU path always train on the CPU.

    Raises:
        ValueError: If ``cuda`` is wanted and the machine has none.
    """
    if device == "cpu" or "cuda" not in usable:
        return "cpu"
    if device == "auto" and "cuda" not in list_devices():
        return "cpu"  # importing torch, only to hear the same from it, takes more than a second
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise RightfitError(
            "training.device is cuda, but torch finds no CUDA device here. Set it to auto or cpu.",
            key="training.device",
        )
    return "cpu"
