"""Boosted trees that grow leaf by leaf (LightGBM)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rightfit.families.family import Checkpoint, Configuration, Rows, TrainingData
from rightfit.families.libraries.boosters import (
    Booster,
    BoosterFamily,
    describe_trees,
    finish_onnx,
    grow,
    shape_predictions,
)
from rightfit.families.schema import InputSchema

_COUNTS = re.compile(r"^(leaf_count|internal_count|num_leaves)=(.*)$", re.MULTILINE)


class LightgbmFamily(BoosterFamily):
    """Boosted trees; see :class:`rightfit.families.family.Family`."""

    native_imports: tuple[str, ...] = ("lightgbm",)
    weights_file: str = "weights.lightgbm.txt"

    def list_settings(self) -> set[str]:
        """See :class:`BoosterFamily`."""
        return set(self.import_library().LGBMClassifier().get_params())

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
        self, configuration: Configuration, data: TrainingData, lengths: list[int], *, seed: int
    ) -> Iterator[Checkpoint]:
        """See :class:`BoosterFamily`."""
        lightgbm = self.import_library()
        settings = {**configuration, **_objective(data.schema), "seed": seed, "num_threads": 1}
        settings |= {"verbosity": -1, "deterministic": True}
        table = lightgbm.Dataset(data.rows, data.labels, params=settings)
        model = Booster(lightgbm.Booster(settings, table), data.schema.task)
        return grow(model, lambda _: model.trees.update(), lengths)

    def predict(self, model: Booster, rows: Rows) -> Rows:
        """See :class:`rightfit.families.family.Family`."""
        answers = model.trees.predict(rows, num_threads=model.n_threads)
        return shape_predictions(answers, model.task)

    def save_weights(self, model: Booster, path: Path) -> None:
        """Write the model as LightGBM's text."""
        path.write_text(model.trees.model_to_string(), encoding="utf-8")

    def load_weights(
        self,
        path: Path,
        configuration: Configuration,  # noqa: ARG002 -- the text says all
        schema: InputSchema,
    ) -> Booster:
        """See :class:`rightfit.families.family.Family`."""
        lightgbm = self.import_library()
        try:
            trees = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as err:
            raise ValueError(f"{path} holds no model of LightGBM: {err}") from err
        n_outputs = 1 if schema.n_outputs == 2 else schema.n_outputs
        if (trees.num_feature(), trees.num_model_per_iteration()) != (schema.n_features, n_outputs):
            raise ValueError(f"{path} holds a model of other columns or classes.")
        return Booster(trees, schema.task)

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Convert with onnxmltools."""
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        types = [("rows", FloatTensorType([None, schema.n_features]))]
        exported = convert_lightgbm(model.trees, initial_types=types, zipmap=False)
        return finish_onnx(exported, schema)


FAMILY = LightgbmFamily(
    "lightgbm", taken=("class_weight", "importance_type", "n_jobs", "objective", "random_state")
)


def _objective(schema: InputSchema) -> Configuration:
    if schema.task == "regression":
        return {"objective": "regression"}
    if schema.n_classes == 2:
        return {"objective": "binary"}
    return {"objective": "multiclass", "num_class": schema.n_classes}
