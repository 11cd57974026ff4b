"""Boosted symmetric trees (CatBoost)."""

from __future__ import annotations

import inspect
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rightfit.models.booster import Booster
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import Checkpoint, TrainingRun, split_training
from rightfit_search.families.libraries.boosters import (
    BoosterFamily,
    describe_trees,
    finish_onnx,
    shape_predictions,
)
from rightfit_search.families.stored_rows import StoredRows


class CatboostFamily(BoosterFamily):
    """Boosted trees; see :class:`rightfit.Family`."""

    weights_file: str = "weights.catboost.json"
    length_setting: str = "iterations"
    default_length: int = 1000
    classifier: str = "CatBoostClassifier"
    objectives: tuple[str, str, str] = ("RMSE", "Logloss", "MultiClass")
    native_imports: tuple[str, ...] = ("catboost", "pandas")  # which CatBoost cannot do without

    def list_settings(self) -> set[str]:
        """See :class:`BoosterFamily`."""
        classifier = getattr(self.import_library(), self.classifier)
        return set(inspect.signature(classifier).parameters)

    def adapts_to_length(self, configuration: Configuration) -> bool:
        """See :class:`rightfit.Family`: CatBoost chooses a rate for the rounds."""
        return "learning_rate" not in configuration

    def describe_structure(self, model: Booster) -> dict[str, float]:
        """Count trees, their nodes, and the splits that a row passes: one a level."""
        n_leaves = model.trees.get_tree_leaf_counts()
        depths = [math.log2(n) for n in n_leaves]
        n_nodes = float(len(model.trees.get_leaf_values()) + sum(depths))
        return describe_trees(len(n_leaves), n_nodes, sum(depths))

    def foresee_structure(
        self, configuration: Configuration, schema: InputSchema, *, n_checkpoints: int
    ) -> dict[str, float]:
        """See :class:`rightfit.Family`: all trees are of the depth that is asked."""
        n_rounds = configuration.get(self.length_setting, self.default_length)
        n_trees = split_training(n_rounds, n_checkpoints)[0]
        depth = configuration.get("depth") or configuration.get("max_depth") or 6
        n_values = schema.n_classes if schema.n_classes > 2 else 1  # of a leaf
        n_nodes = n_trees * (2**depth * n_values + depth)
        return describe_trees(n_trees, n_nodes, n_trees * depth)

    def add_rounds(
        self,
        settings: Configuration,
        run: TrainingRun,
        lengths: list[int],
        stored: StoredRows | None,  # noqa: ARG002
    ) -> Iterator[Checkpoint]:
        """See :class:`BoosterFamily`."""
        catboost = self.import_library()
        data = run.data
        parameters = {
            **settings,
            "random_seed": run.seed,
            "thread_count": 1,
            "verbose": False,
            "allow_writing_files": False,
            "loss_function": self.state_objective(data.schema)["objective"],
        }
        task = data.schema.task
        table = catboost.Pool(data.rows, data.labels, thread_count=1)
        if "learning_rate" not in parameters:
            # The rate that CatBoost would choose for the whole training. It depends on the rounds,
            # so a part of a training would be given another one. Beside some settings CatBoost
            # chooses none and takes 0.03: these are left out.
            known = {name: value for name, value in parameters.items() if name not in _HIDE_RATE}
            probe = _make(catboost, task, **known, iterations=lengths[-1])
            probe.fit(table, callbacks=[_StopAtOnce()])
            parameters["learning_rate"] = float(probe.get_all_params()["learning_rate"])
        model: Booster | None = None
        n_grown = 0
        for n in lengths:
            if n > n_grown or model is None:
                grown = _make(catboost, task, **parameters, iterations=n - n_grown)
                # with a fixed rate the trees are those of one long training
                grown.fit(table, init_model=model.trees if model else None)
                model = Booster(grown, task)
            n_grown = n
            yield Checkpoint(model, n_steps=n)

    def predict(self, model: Booster, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`."""
        is_regression = model.task == "regression"
        answer = model.trees.predict if is_regression else model.trees.predict_proba
        return shape_predictions(answer(rows, thread_count=model.n_threads), model.task)

    def save_weights(self, model: Booster, path: Path) -> None:
        """Write the model as CatBoost's JSON."""
        model.trees.save_model(str(path), format="json")

    def open_file(self, path: Path) -> Any:
        """See :class:`BoosterFamily`."""
        trees = self.import_library().CatBoostClassifier()
        trees.load_model(str(path), format="cbm")
        if trees.get_cat_feature_indices():
            raise ValueError("it reads categories; models of a grid read numbers")
        return trees

    def read_trees(self, path: Path, schema: InputSchema) -> tuple[Any, bool]:
        """See :class:`BoosterFamily`."""
        trees = _make(self.import_library(), schema.task)
        trees.load_model(str(path), format="json")
        shape = (len(trees.feature_names_), len(trees.classes_))
        return trees, shape == (schema.n_features, schema.n_classes)

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Let CatBoost export itself, and leave out the table of names around its answers."""
        import onnx

        with tempfile.TemporaryDirectory(prefix="rightfit-") as folder:
            path = Path(folder) / "model.onnx"
            model.trees.save_model(str(path), format="onnx")
            exported = onnx.load(path)
        graph = exported.graph
        (trees,) = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
        trees.input[:] = ["rows"]
        describe, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
        answers = describe(trees.output[-1], floats, None)
        rows = describe("rows", floats, [None, schema.n_features])
        del graph.node[:], graph.input[:], graph.output[:]
        graph.node.append(trees)
        graph.input.append(rows)
        graph.output.append(answers)
        return finish_onnx(exported, schema)


_HIDE_RATE = {"l2_leaf_reg", "leaf_estimation_iterations", "leaf_estimation_method"}

FAMILY = CatboostFamily(
    "catboost",
    taken=(
        "allow_writing_files", "cat_features", "classes_count", "devices", "grow_policy",
        "logging_level", "loss_function", "n_estimators", "num_boost_round", "num_trees",
        "objective", "random_seed", "random_state", "save_snapshot", "silent", "task_type",
        "thread_count", "verbose", "verbose_eval",
    ),
)  # fmt: skip


def _make(catboost: Any, task: Task, **settings: Any) -> Any:
    make = catboost.CatBoostRegressor if task == "regression" else catboost.CatBoostClassifier
    return make(**settings)


class _StopAtOnce:
    """Ends a training after its first round."""

    def after_iteration(self, info: Any) -> bool:  # noqa: ARG002 -- CatBoost's signature
        return False
