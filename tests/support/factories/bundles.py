"""Bundles of models trained for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightfit.models.bundle import Bundle, write_bundle
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family


def store_model(
    folder: Path, model: Any, family: str, configuration: Configuration, schema: InputSchema
) -> Bundle:
    """Write a model as a bundle."""
    return write_bundle(
        folder,
        model,
        model=family.partition(":")[0],
        family=family,
        configuration=configuration,
        schema=schema,
        data_version="v1",
    )


def train_bundle(
    folder: Path, data: TrainingData, family: str, configuration: Configuration
) -> Bundle:
    """Train a model to its end and write it as a bundle."""
    *_, last = get_family(family).train(TrainingRun(configuration, data))
    return store_model(folder, last.model, family, configuration, data.schema)
