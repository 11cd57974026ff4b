"""Boosted trees that grow level by level (XGBoost)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class XgboostFamily(BoosterFamily):
    """Boosted trees; see :class:`rightfit.families.family.Family`."""

    native_imports: tuple[str, ...] = ("xgboost",)
    weights_file: str = "weights.xgboost.json"

    def list_settings(self) -> set[str]:
        """See :class:`BoosterFamily`."""
        return set(self.import_library().XGBClassifier().get_params())

    def describe_structure(self, model: Booster) -> dict[str, float]:
        """Count trees, their nodes, and the splits that an average training row passes."""
        document = json.loads(model.trees.save_raw("json"))
        trees = document["learner"]["gradient_booster"]["model"]["trees"]
        n_nodes = sum(len(tree["left_children"]) for tree in trees)
        return describe_trees(len(trees), n_nodes, sum(_mean_depth(tree) for tree in trees))

    def add_rounds(
        self, configuration: Configuration, data: TrainingData, lengths: list[int], *, seed: int
    ) -> Iterator[Checkpoint]:
        """See :class:`BoosterFamily`."""
        xgboost = self.import_library()
        settings = {**configuration, **_objective(data.schema), "seed": seed, "nthread": 1}
        settings["verbosity"] = 0
        table = xgboost.DMatrix(data.rows, data.labels, nthread=1)
        model = Booster(xgboost.Booster(settings, [table]), data.schema.task)
        return grow(model, lambda number: model.trees.update(table, number), lengths)

    def predict(self, model: Booster, rows: Rows) -> Rows:
        """See :class:`rightfit.families.family.Family`."""
        return shape_predictions(model.trees.inplace_predict(rows), model.task)

    def set_serving(self, model: Booster, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.families.family.Family`."""
        super().set_serving(model, n_threads=n_threads, device=device)
        model.trees.set_param({"nthread": n_threads})

    def save_weights(self, model: Booster, path: Path) -> None:
        """Write the model as XGBoost's JSON."""
        path.write_bytes(model.trees.save_raw("json"))

    def load_weights(
        self,
        path: Path,
        configuration: Configuration,  # noqa: ARG002 -- the file says all
        schema: InputSchema,
    ) -> Booster:
        """See :class:`rightfit.families.family.Family`."""
        xgboost = self.import_library()
        trees = xgboost.Booster()
        try:
            trees.load_model(bytearray(path.read_bytes()))
            learner = json.loads(trees.save_config())["learner"]["learner_model_param"]
        except (KeyError, ValueError, xgboost.core.XGBoostError) as err:
            raise ValueError(f"{path} holds no model of XGBoost: {err}") from err
        n_outputs = schema.n_classes if schema.n_classes > 2 else 0
        if (trees.num_features(), int(learner["num_class"])) != (schema.n_features, n_outputs):
            raise ValueError(f"{path} holds a model of other columns or classes.")
        return Booster(trees, schema.task)

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Convert with onnxmltools."""
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        types = [("rows", FloatTensorType([None, schema.n_features]))]
        exported = convert_xgboost(model.trees, initial_types=types)
        return finish_onnx(exported, schema)


FAMILY = XgboostFamily(
    "xgboost",
    taken=(
        "booster", "callbacks", "device", "early_stopping_rounds", "enable_categorical",
        "eval_metric", "feature_types", "importance_type", "max_cat_threshold", "n_jobs",
        "objective", "random_state", "verbosity",
    ),
)  # fmt: skip


def _objective(schema: InputSchema) -> Configuration:
    if schema.task == "regression":
        return {"objective": "reg:squarederror"}
    if schema.n_classes == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": schema.n_classes}


def _mean_depth(tree: Any) -> float:
    """Return the splits that an average row passes, rows weighted as the tree weighs them."""
    weights = tree["sum_hessian"]
    inner = (w for w, left in zip(weights, tree["left_children"], strict=True) if left >= 0)
    return sum(inner) / weights[0] if weights[0] > 0 else 0.0
