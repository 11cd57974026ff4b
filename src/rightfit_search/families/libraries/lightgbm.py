"""Boosted trees that grow leaf by leaf (LightGBM)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.booster import Booster
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit.models.tree_export import round_thresholds
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.libraries.boosters import (
    BoosterFamily,
    describe_trees,
    grow,
    shape_predictions,
)
from rightfit_search.families.stored_rows import StoredRows

_CORE_SETTINGS = (  # which LGBMClassifier takes without naming them
    *("extra_trees", "feature_fraction_bynode", "max_bin"),
    *("max_delta_step", "min_data_in_bin", "path_smooth"),
)
_COUNTS = re.compile(r"^(leaf_count|internal_count|num_leaves)=(.*)$", re.MULTILINE)
_THRESHOLDS = re.compile(r"^threshold=(.*)$", re.MULTILINE)
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)  # of their texts, which need not be said


class LightgbmFamily(BoosterFamily):
    """Boosted trees; see :class:`rightfit.Family`."""

    native_imports: tuple[str, ...] = ("lightgbm",)
    weights_file: str = "weights.lightgbm.txt"
    classifier: str = "LGBMClassifier"
    objectives: tuple[str, str, str] = ("regression", "binary", "multiclass")
    reads_blocks: bool = True
    converter_options: Mapping[str, object] = {"zipmap": False}

    def list_settings(self) -> set[str]:
        """Return the classifier's arguments, and those of the trees that it does not name."""
        return super().list_settings().union(_CORE_SETTINGS)

    def describe_structure(self, model: Booster) -> dict[str, float]:
        """Count trees, their nodes, and the splits that an average training row passes."""
        text = model.trees.model_to_string()
        n_leaves, n_operations, n_trees = 0, 0.0, 0
        for name, values in _COUNTS.findall(text):
            if name == "num_leaves":
                n_trees += 1
                n_leaves += int(values)
            elif name == "internal_count":
                counts = [int(count) for count in values.split()]
                n_operations += sum(counts) / counts[0] if counts else 0.0
        return describe_trees(n_trees, 2 * n_leaves - n_trees, n_operations)

    def add_rounds(
        self,
        settings: Configuration,
        run: TrainingRun,
        lengths: list[int],
        stored: StoredRows | None,
    ) -> Iterator[Checkpoint]:
        """See :class:`BoosterFamily`."""
        lightgbm = self.import_library()
        parameters = {
            **settings,
            **self.state_objective(run.data.schema),
            "seed": run.seed,
            "num_threads": 1,
            "verbosity": -1,
            "deterministic": True,
        }
        table = lightgbm.Dataset(run.data.rows, run.data.labels, params=parameters)
        if stored is not None:  # binned as the sample is
            blocks = _list_blocks(lightgbm, stored)
            labels = stored.read_all_labels().astype(np.float32)
            table = lightgbm.Dataset(blocks, labels, reference=table, params=parameters)
        model = Booster(lightgbm.Booster(parameters, table), run.data.schema.task)
        return grow(model, lambda _: model.trees.update(), lengths)

    def predict(self, model: Booster, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`."""
        answers = model.trees.predict(rows, num_threads=model.n_threads)
        return shape_predictions(answers, model.task)

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Convert with onnxmltools, with thresholds that ONNX holds; see ``round_thresholds``."""

        def write(match: re.Match[str]) -> str:
            thresholds = round_thresholds(np.array(match[1].split(), dtype=np.float64))
            return f"threshold={' '.join(map(str, thresholds.tolist()))}"

        text = _SIZES.sub("", _THRESHOLDS.sub(write, model.trees.model_to_string()))
        trees = self.import_library().Booster(model_str=text)
        return super().export_onnx(Booster(trees, model.task), schema)

    def save_weights(self, model: Booster, path: Path) -> None:
        """Write the model as LightGBM's text."""
        path.write_text(model.trees.model_to_string(), encoding="utf-8")

    def open_file(self, path: Path) -> Any:
        """See :class:`BoosterFamily`."""
        return self.import_library().Booster(model_str=path.read_text(encoding="utf-8"))

    def read_trees(self, path: Path, schema: InputSchema) -> tuple[Any, bool]:
        """See :class:`BoosterFamily`."""
        trees = self.open_file(path)
        n_outputs = 1 if schema.n_outputs == 2 else schema.n_outputs
        shape = (trees.num_feature(), trees.num_model_per_iteration())
        return trees, shape == (schema.n_features, n_outputs)


FAMILY = LightgbmFamily(
    "lightgbm", taken=("class_weight", "importance_type", "n_jobs", "objective", "random_state")
)


def _list_blocks(lightgbm: Any, stored: StoredRows) -> list[Any]:
    """Return stored rows as LightGBM reads them, a block at a time."""

    class Block(lightgbm.Sequence):  # type: ignore[misc]  # the library is imported late
        def __init__(self, number: int) -> None:
            self._number = number
            self.batch_size = max(stored.sizes[number], 1)

        def __getitem__(self, rows: slice) -> Rows:
            return stored.read(self._number, rows.start, rows.stop)

        def __len__(self) -> int:
            return stored.sizes[self._number]

    return [Block(number) for number, size in enumerate(stored.sizes) if size]
