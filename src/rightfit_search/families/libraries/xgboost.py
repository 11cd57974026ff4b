"""Boosted trees that grow level by level (XGBoost)."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit._core.processes.file_locks import hold
from rightfit._core.processes.leftovers import MARK, sweep_folders
from rightfit.models.booster import Booster
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.libraries.boosters import (
    BoosterFamily,
    describe_trees,
    grow,
    shape_predictions,
)
from rightfit_search.families.stored_rows import StoredRows

_LISTS = re.compile(rb'"(left_children|sum_hessian)":\[([^\]]*)\]')  # of each tree
_LEAF = b"-1"  # its child
_CACHE = "xgboost-"  # begins the names of folders of binned rows
_ROW_BYTES, _VALUE_BYTES = 8, 4  # of binned rows at most; of 8 columns 3.3 a value were measured
_SIGMOIDS = ("binary:logistic", "reg:logistic")  # objectives


class XgboostFamily(BoosterFamily):
    """Boosted trees; see :class:`rightfit.Family`."""

    native_imports: tuple[str, ...] = ("xgboost",)
    weights_file: str = "weights.xgboost.json"
    classifier: str = "XGBClassifier"
    reads_blocks: bool = True
    objectives: tuple[str, str, str] = ("reg:squarederror", "binary:logistic", "multi:softprob")

    def describe_structure(self, model: Booster) -> dict[str, float]:
        """Count trees, their nodes, and the splits that an average training row passes."""
        lists = _LISTS.findall(model.trees.save_raw("json"))  # all else of it is left unread
        children, weights = (
            [values.split(b",") for name, values in lists if name == list_name]
            for list_name in (b"left_children", b"sum_hessian")
        )
        depths = map(_mean_depth, children, weights)
        return describe_trees(len(children), sum(map(len, children)), sum(depths))

    def add_rounds(
        self,
        settings: Configuration,
        run: TrainingRun,
        lengths: list[int],
        stored: StoredRows | None,
    ) -> Iterator[Checkpoint]:
        """See :class:`BoosterFamily`."""
        xgboost = self.import_library()
        parameters = {
            **settings,
            **self.state_objective(run.data.schema),
            "seed": run.seed,
            "nthread": 1,
            "verbosity": 0,
        }
        if stored is None:
            table = xgboost.DMatrix(run.data.rows, run.data.labels, nthread=1)
        else:
            # binned rows stay on disk: with XGBoost's second copy by columns they take as much
            # memory as scores and gradients do
            table = xgboost.ExtMemQuantileDMatrix(
                _make_reader(xgboost, stored), max_bin=settings.get("max_bin"), nthread=1
            )
        model = Booster(xgboost.Booster(parameters, [table]), run.data.schema.task)
        return grow(model, lambda number: model.trees.update(table, number), lengths)

    def train_stored(self, run: TrainingRun, stored: StoredRows) -> Iterator[Checkpoint] | None:
        """See :class:`BoosterFamily`; other methods than histograms need all rows in memory."""
        is_binned = run.configuration.get("tree_method", "auto") in ("auto", "hist")
        return super().train_stored(run, stored) if is_binned else None

    def predict(self, model: Booster, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`.

        Of two classes both probabilities are sigmoids: XGBoost's is of float32, so 1 minus it is 0
        or a multiple of 6e-8, which a temperature makes large.
        """
        if model.objective is None:  # reading it takes as long as some predictions
            learner = json.loads(model.trees.save_config())["learner"]
            model.objective = learner["objective"]["name"]
        if model.task == "regression" or model.objective not in _SIGMOIDS:
            return shape_predictions(model.trees.inplace_predict(rows), model.task)
        scores = model.trees.inplace_predict(rows, predict_type="margin")
        sigmoids = np.exp(-np.logaddexp(np.float32(0), np.stack([scores, -scores], axis=1)))
        return shape_predictions(sigmoids, model.task)

    def set_serving(self, model: Booster, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.Family`."""
        super().set_serving(model, n_threads=n_threads, device=device)
        model.trees.set_param({"nthread": n_threads})

    def save_weights(self, model: Booster, path: Path) -> None:
        """Write the model as XGBoost's JSON."""
        path.write_bytes(model.trees.save_raw("json"))

    def open_file(self, path: Path) -> Any:
        """See :class:`BoosterFamily`."""
        trees = self.import_library().Booster()
        trees.load_model(path)
        best = trees.attr("best_iteration")  # the classifier stops there, a Booster alone does not
        return trees if best is None else trees[: int(best) + 1]

    def export_onnx(self, model: Booster, schema: InputSchema) -> bytes:
        """Convert with onnxmltools, which takes numbered columns alone."""
        model.trees.feature_names = None
        return super().export_onnx(model, schema)

    def read_trees(self, path: Path, schema: InputSchema) -> tuple[Any, bool]:
        """See :class:`BoosterFamily`."""
        trees = self.import_library().Booster()
        trees.load_model(bytearray(path.read_bytes()))
        learner = json.loads(trees.save_config())["learner"]["learner_model_param"]
        n_classes = schema.n_classes if schema.n_classes > 2 else 0
        shape = (trees.num_features(), int(learner["num_class"]))
        return trees, shape == (schema.n_features, n_classes)


FAMILY = XgboostFamily(
    "xgboost",
    taken=(
        "booster", "callbacks", "device", "early_stopping_rounds", "enable_categorical",
        "eval_metric", "feature_types", "importance_type", "max_cat_threshold", "n_jobs",
        "objective", "random_state", "verbosity",
    ),
)  # fmt: skip


def _mean_depth(left_children: Sequence[bytes], weights: Sequence[bytes]) -> float:
    """Return the splits that an average row passes, rows weighted as the tree weighs them."""
    inner = (
        float(w)
        for w, left_child in zip(weights, left_children, strict=True)
        if left_child != _LEAF
    )
    root = float(weights[0])
    return sum(inner) / root if root > 0 else 0.0


def _make_reader(xgboost: Any, stored: StoredRows) -> Any:
    """Return stored rows as XGBoost reads them, a block at a time.

    Raises:
        RightfitError: If the disk has no room for what it keeps there.
    """
    sweep_folders(stored.folder.glob(f"{_CACHE}*"))  # of processes that died over them
    n_bytes = stored.n_rows * (_ROW_BYTES + stored.schema.n_features * _VALUE_BYTES)
    free = shutil.disk_usage(stored.folder).free
    if free < n_bytes:  # a full disk ends the process
        raise RightfitError(
            f"XGBoost's binned rows need {n_bytes / 2**20:,.0f} MiB of {stored.folder}, "
            f"where {free / 2**20:,.0f} MiB are free."
        )
    cache = Path(tempfile.mkdtemp(prefix=_CACHE, dir=stored.folder))

    class Reader(xgboost.DataIter):  # type: ignore[misc]  # the library is imported late
        def __init__(self) -> None:
            super().__init__(cache_prefix=str(cache / "bins"))
            mark = os.open(cache / MARK, os.O_CREAT | os.O_CLOEXEC)
            hold(mark)
            weakref.finalize(self, os.close, mark)
            self._n_read = 0

        def reset(self) -> None:
            self._n_read = 0

        def next(self, input_data: Callable[..., object]) -> bool:
            if self._n_read == len(stored.sizes):
                return False
            rows, labels = stored.read(self._n_read), stored.read_labels(self._n_read)
            input_data(data=rows, label=labels)
            self._n_read += 1
            return True

    return Reader()
