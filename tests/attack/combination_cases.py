"""Values that are right alone and wrong together, or wrong for the family, the data or the machine.

A case is a name and what it changes: values by their dotted path.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

LONG = "x" * 300
QUALITY = "applications.web_api.objectives.quality"
NAMES = ("../x", "a b", "a.b", "[a]", "'a'", LONG, "a/b", "", "a\nb", "-a", "{a}", "a:b")
MEASURING = "evaluation.presets.quick"

CASES: Mapping[str, Mapping[str, Any]] = {
    "roc_auc on six classes": {"datasets.landsat.quality.name": "roc_auc"},
    "tie rule by an unknown column": {"ranking.ties.rule": [{"by": "price", "prefer": "lower"}]},
    "tie rule by a text column": {"ranking.ties.rule": [{"by": "candidate", "prefer": "lower"}]},
    "tie rule twice": {"ranking.ties.rule": [{"by": "utility", "prefer": "lower"}] * 2},
    "tie rule of an unknown application": {
        "ranking.ties.rule_by_application.nobody": [{"by": "utility", "prefer": "higher"}]
    },
    "weights that overflow": {f"{QUALITY}.weight": 1e308},
    "best a hair above worst": {f"{QUALITY}.worst": 0.0, f"{QUALITY}.best": 5e-324},
    "limit of a hair": {"applications.web_api.constraints.peak_memory_mib": {"max": 1e-320}},
    "weights of zero": {
        "applications.accuracy_first.objectives.quality.weight": 0,
    },
    "worst better than best": {f"{QUALITY}.worst": 1.0, f"{QUALITY}.best": 0.0},
    "worst is best": {f"{QUALITY}.worst": 1.0},
    "log of a negative bound": {f"{QUALITY}.scale": "log", f"{QUALITY}.worst": -1.0},
    "unknown metric": {"applications.web_api.objectives.charm": {"weight": 1}},
    "unknown limit": {"applications.web_api.constraints.charm": {"max": 1}},
    "limit below limit": {"applications.web_api.constraints.cpu_cores": {"min": 2, "max": 1}},
    "relative limit of a latency": {
        "applications.web_api.constraints.latency_p95_ms": {"max_degradation": 1}
    },
    "latency below zero": {"applications.web_api.constraints.latency_p95_ms.max": -5},
    "quality above one": {"applications.web_api.constraints.quality": {"min": 2}},
    "limit without a number": {"applications.web_api.constraints.cpu_cores": {}},
    "no objectives": {"applications.web_api.objectives": {}},
    "only CUDA without a GPU": {"evaluation.devices": ["cuda"]},
    "training on CUDA without a GPU": {"training.device": "cuda"},
    "costs on CUDA without a GPU": {"training_costs.device": "cuda"},
    "more threads than cores": {"evaluation.n_threads": [512]},
    "4,096 threads": {"evaluation.n_threads": [4_096]},
    "training with 900 threads": {"training.n_threads": 900},
    "900 workers": {"training.n_jobs": 900},
    "8-bit weights of trees alone": {"evaluation.runtimes": ["onnx_int8"]},
    "half an epoch": {"models.linear.fixed.n_epochs": 2.5},
    "half an epoch of a net": {"models.net.fixed.n_epochs": 2.5},
    "trees from two and a half": {"models.forest.space.n_estimators": {"low": 2.5, "high": 9}},
    "half a tree by default": {"models.forest.default.n_estimators": 2.5},
    "unknown time zone": {"datasets.flights.derived": [
        {"op": "weekday", "name": "weekday", "column": "time_hour", "time_zone": "Mars/Phobos"}]},
    "time zone that leaves its folder": {"datasets.flights.derived": [
        {"op": "weekday", "name": "weekday", "column": "time_hour", "time_zone": "../passwd"}]},
    "unknown time zone of a column": {"datasets.flights.schemas.flights.columns": [
        {"names": ["time_hour"], "dtype": "Datetime(time_unit='ms', time_zone='Mars/Phobos')"}]},
    "unknown unit of times": {"datasets.flights.schemas.flights.columns": [
        {"names": ["time_hour"], "dtype": "Datetime(time_unit='as', time_zone='UTC')"}]},
    "batches of nothing": {"models.net.fixed.batch_size": 0},
    "dropout of two": {"models.net.fixed.dropout": 2},
    "negative weight decay": {"models.net.fixed.weight_decay": -1},
    "text for a batch size": {"models.net.fixed.batch_size": "64"},
    "half a layer": {"models.net.space.n_layers": {"type": "float", "low": 0.5, "high": 1.5,
                                                   "log": False}},
    "no units": {"models.net.space.n_units.low": -5, "models.net.space.n_units.log": False},
    "a million units": {"models.net.space.n_units.high": 10**6},
    "learning rate of zero": {"models.net.space.learning_rate": {"choices": [0.0, 0.1]}},
    "unknown schedule": {"models.linear.fixed.learning_rate": "fastest"},
    "unknown penalty": {"models.linear.space.penalty.choices": ["l2", "l7"]},
    "negative alpha": {"models.linear.space.alpha": {"choices": [-1.0, 0.1]}},
    "unknown max_features": {"models.forest.space.max_features.choices": ["sqrt", "cube"]},
    "share above one": {"models.forest.space.max_features.choices": ["sqrt", 1.5]},
    "leaves of nothing": {"models.forest.space.min_samples_leaf.low": -1,
                          "models.forest.space.min_samples_leaf.log": False},
    "depth of a text": {"models.forest.space.max_depth": {"choices": ["deep", "deeper"]}},
    "unknown setting": {"models.forest.fixed.n_trees": 3},
    "setting twice": {"models.forest.fixed.max_depth": 3},
    "range upside down": {"models.forest.space.max_depth": {"type": "int", "low": 9, "high": 3,
                                                            "log": False}},
    "logarithm of zero": {"models.linear.space.alpha.low": 0.0},
    "default of another kind": {"models.linear.default.alpha": "small"},
    "default of an unknown setting": {"models.linear.default.gamma": 1},
    "unknown family": {"models.linear.family": "rightfit.models.wizard"},
    "family that is no module": {"models.linear.family": "../families/linear"},
    "family without a path": {"models.linear.family": ""},
    "module without a family": {"models.linear.family": "os.path"},
    "more checkpoints than epochs": {"training.n_checkpoints": 50},
    "no epochs": {"models.net.fixed.n_epochs": 0},
    "endless training": {"models.net.fixed.n_epochs": 10**12},
    "endless grid": {"training.sampler": "grid", "training.n_grid_points": 1_000},
    "no limit at all": {f"training.{key}": None
                        for key in ("n_trials", "budget_cpu_s", "budget_wall_s", "patience")},
    "screening above the least": {f"{MEASURING}.screening_processes": 50},
    "least above the most": {f"{MEASURING}.min_processes": 50},
    "latency window upside down": {f"{MEASURING}.latency_min_ms": 5_000},
    "falling batch sizes": {f"{MEASURING}.batch_sizes": [64, 8]},
    "tiers of one name": {"evaluation.tiers": [
        {"name": "a", "n_cores": n, "memory_mib": 64, "device": "cpu", "price_per_hour": 1}
        for n in (1, 2)
    ]},
    "900 workers of a study": {"early_stopping.recording.n_jobs": 900},
    "target that is no column": {"datasets.landsat.target.column": "charm"},
    "classes twice": {"datasets.landsat.target.classes": ["a", "a", "b"]},
    "one class": {"datasets.landsat.target.classes": ["red_soil"]},
    "number reached by a text": {"datasets.landsat.target": {"column": "label", "at_least": 3}},
    "schema of an unknown table": {"datasets.landsat.schemas.charm": {"columns": [
        {"names": ["a"], "dtype": "Int8"}]}},
    "second table without a join": {"datasets.landsat.tables": ["landsat", "shuttle"]},
    "feature that is the target": {"datasets.landsat.features.numeric": ["label"]},
    "unknown feature": {"datasets.landsat.features.numeric": ["charm"]},
    "no features": {"datasets.landsat.features": {"numeric": []}},
    "image of another size": {"datasets.fashion_mnist.features.image.shape": [28, 28, 3]},
    "split by an unknown column": {"datasets.landsat.split.column": "fold"},
    "train is test": {"datasets.landsat.split.test": "train"},
    "validation of everything": {"datasets.landsat.validation": {"method": "stratified",
                                                                 "share": 1.0}},
    "validation by an unknown time": {"datasets.landsat.validation": {
        "method": "by_time", "share": 0.2, "time_columns": ["charm"]}},
    "unknown split method": {"datasets.landsat.split": {"method": "astrology", "share": 0.2}},
    "quality upside down": {"datasets.landsat.quality.worst": 2.0},
    "costs of two of six classes": {"datasets.landsat.quality": {
        "name": "cost", "costs": [[0, 1], [5, 0]]}},
    "costs without a row": {"datasets.landsat.quality": {"name": "cost", "costs": [[0, 1]]}},
    "costs of being right": {"datasets.landsat.quality": {"costs": [[1] * 6] * 6}},
    "costs of nothing": {"datasets.landsat.quality": {"costs": [[0] * 6] * 6}},
    "costs that are NaN": {"datasets.landsat.quality": {"costs": [[0, math.nan], [1, 0]]}},
    "negative costs": {"datasets.landsat.quality": {"costs": [[0, -1], [1, 0]]}},
    "the metric cost without costs": {"datasets.landsat.quality": {"name": "cost"}},
    "costs and a threshold": {"datasets.landsat.quality": {
        "costs": [[0, 1], [1, 0]], "threshold": 0.5}},
    "an application's unknown quality": {"applications.web_api.quality": {"name": "charm"}},
    "an application's quality without bounds": {"applications.web_api.quality": {
        "name": "accuracy", "worst": 1, "best": 1}},
    "an application's costs without a row": {"applications.web_api.quality": {"costs": [[0, 1]]}},
    "segments by a number": {"applications.web_api.per": 5},
    "some rows": {"training.rows": "some"},
    "rows as a number": {"training.rows": 1_000},
    **{
        f"a fleet's machine called {name[:20]!r}": {
            "ranking.environments": {name: {"price_per_hour": 1}}}
        for name in NAMES
    },
    **{
        f"a machine's price of {price!r}": {
            "ranking.environments": {"a": {"price_per_hour": price}}}
        for price in (math.nan, math.inf, -1, "1", [])
    },
    "unknown quality": {"datasets.landsat.quality.name": "charm"},
    "unknown task": {"datasets.landsat.task": "divination"},
    "unknown dtype": {"datasets.landsat.schemas.landsat.columns": [
        {"names": ["a"], "dtype": "Int7"}]},
    "unknown dataset": {"grid.datasets": ["atlantis"]},
    "unknown model": {"grid.models": ["oracle"]},
    "dataset twice": {"grid.datasets": ["landsat", "landsat"]},
    "model twice": {"grid.models": ["net", "net"]},
    "misspelt key of the grid": {"grid.datsets": ["landsat"]},
    "no datasets": {"grid.datasets": []},
    **{
        f"dataset called {name[:20]!r}": {"grid.datasets": [name], f"datasets|{name}": {
            "tables": ["landsat"], "target": {"column": "label"}}}
        for name in NAMES
    },
}  # fmt: skip


def apply(parameters: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the parameters with values changed.

    Args:
        parameters: All parameters.
        changes: Values by path, with dots between the keys, or ``|`` where a key has dots.
    """
    changed = copy.deepcopy(dict(parameters))
    for path, value in changes.items():
        *steps, last = path.split("|" if "|" in path else ".")
        holder: Any = changed
        for step in steps:
            holder = holder.setdefault(step, {})
        holder[last] = value
    return changed
