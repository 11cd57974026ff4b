"""Checks for the tests of a project that brings a model family of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.bundle import read_bundle, write_bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import NATIVE, open_predictor
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

N_ROWS = 600
N_FEATURES = 8
CLASSES = ("a", "b", "c")

_N_CHECKPOINTS = 2  # as few as the shortest training may have
_LEAST_GAIN = 0.1  # over guessing; the groups allow some 0.9 of accuracy where guessing has 0.33
_ROUNDING = 1e-6  # of a probability, or of the values' spread


def check_family(
    family: str, configuration: Configuration, *, task: Task = "classification"
) -> list[str]:
    """Check on a small table that a family does what :class:`rightfit.Family` asks for.

    It trains twice, so it takes seconds. Call it from a test, once for each task that the family
    learns, as scikit-learn's ``check_estimator`` is called for an estimator.

    Args:
        family: What ``family`` of a model's block says: an import path, or a reference such as
            ``sklearn:sklearn.svm.SVC``.
        configuration: Settings of one training.
        task: What is learnt of the table.

    Returns:
        What works at a price: early looks that save nothing, a training that does not repeat, a
        model that is only served natively. Empty for most families.

    Raises:
        AssertionError: Naming what the family does otherwise than the protocol asks for.
        ValueError: If there is no such family, or it refuses the task or the configuration. Other
            errors of the family pass as they are.
    """
    learner, notes = get_family(family), list[str]()
    learner.check_task(task)
    learner.check_configuration(configuration)
    learner.check_values(configuration)
    learner.load_libraries()
    table, unseen = make_small_table(task, seed=1), make_small_table(task, seed=2)
    run = TrainingRun(configuration, table, n_checkpoints=_N_CHECKPOINTS)

    def answer(model: Any, rows: Rows) -> Rows:
        answers = learner.predict(model, rows)
        check_predictions(answers, n_rows=len(rows), schema=table.schema)
        return answers

    model, steps = None, list[int]()
    for checkpoint in learner.train(run):
        model = checkpoint.model
        steps.append(checkpoint.n_steps)
        answers = answer(model, unseen.rows)  # a model part-way must answer too
    _expect(
        len(steps) == _N_CHECKPOINTS,
        f"train made {len(steps)} checkpoints, but run.n_checkpoints is {_N_CHECKPOINTS}",
    )
    _expect(
        steps == sorted(steps) and steps[0] >= 1,
        f"n_steps of checkpoints must start above 0 and never fall, but are {steps}",
    )
    if steps[0] == steps[-1]:
        notes.append(f"all checkpoints hold the same model ({steps} steps): stopping saves nothing")

    _expect(answers.dtype == np.float32, f"answers must be float32, but are {answers.dtype}")
    spread = float(np.std(table.labels)) if task == "regression" else 1.0

    def differ(first: Rows, second: Rows) -> float:
        return float(np.abs(first.astype(np.float64) - second).max()) / spread

    _expect(
        differ(answer(model, unseen.rows[:1]), answers[:1]) <= 100 * _ROUNDING,
        "a row alone is answered otherwise than among others",
    )
    _check_learning(answers, unseen)

    counts = learner.describe_structure(model)
    lacks = sorted({"n_parameters", "n_operations"} - set(counts))
    wrong = {name: count for name, count in counts.items() if not count > 0}
    _expect(
        not lacks and not wrong,
        f"describe_structure must count n_parameters and n_operations, all above 0, but {lacks=}, "
        f"{wrong=}",
    )
    untrained = learner.build_untrained(configuration, table.schema, seed=0)
    if untrained is not None:
        answer(untrained, unseen.rows)
        _expect(
            learner.describe_structure(untrained) == counts,
            "build_untrained must make a model of the trained one's structure, or return None",
        )
    *_, again = learner.train(run)
    difference = differ(answer(again.model, unseen.rows), answers)
    if difference > 0:
        notes.append(f"the same seed makes another model: answers differ by up to {difference:.2g}")

    with tempfile.TemporaryDirectory(prefix="rightfit-") as folder:
        stored = write_bundle(
            Path(folder) / "bundle",
            model,
            model="checked",
            family=family,
            configuration=configuration,
            schema=table.schema,
            data_version="checked",
        )
        bundle = read_bundle(stored.path, family=family, trust=True)
        predict = open_predictor(bundle, runtime=NATIVE, n_threads=1, device="cpu")
        difference = differ(predict(unseen.rows), answers)
        _expect(
            difference <= _ROUNDING,
            f"the model that load_weights reads answers otherwise, by up to {difference:.2g}",
        )
        exported = offer_onnx(bundle, unseen.rows)
        if exported.onnx is None:
            notes.append(f"it is served natively only: {exported.onnx_refused}")
    return notes


def _expect(holds: bool, fault: str) -> None:
    if not holds:
        raise AssertionError(f"{fault}. See rightfit.Family.")


def _check_learning(answers: Rows, unseen: TrainingData) -> None:
    labels = unseen.labels
    if unseen.schema.task == "regression":
        gain = 1.0 - float(np.mean((answers[:, 0] - labels) ** 2) / np.var(labels))
        result = f"explains {gain:.2f} of the variance of unseen values"
    else:
        accuracy = float(np.mean(answers.argmax(axis=1) == labels))
        guessing = float(np.bincount(labels.astype(np.int64)).max() / len(labels))
        gain = accuracy - guessing
        result = f"has accuracy {accuracy:.2f} on unseen rows, {guessing:.2f} by guessing"
    _expect(gain >= _LEAST_GAIN, f"the model learns too little: it {result}")


def make_small_table(task: Task, *, seed: int) -> TrainingData:
    """Draw rows, standardised as encoded rows are: three overlapping groups, or a bent slope.

    Args:
        task: What is learnt: the group, or a value of some hundreds with noise.
        seed: Another seed draws other rows of the same kind.
    """
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (N_ROWS, N_FEATURES))
    features = tuple(f"x{i}" for i in range(N_FEATURES))
    if task == "regression":
        values = 300 + 60 * rows[:, 0] + 40 * np.abs(rows[:, 1]) + rng.normal(0, 10, N_ROWS)
        return TrainingData(rows.astype(np.float32), values, InputSchema(features, (), None))
    labels = np.arange(N_ROWS, dtype=np.int64) % len(CLASSES)
    rows += np.random.default_rng(0).normal(0, 1.5, (len(CLASSES), N_FEATURES))[labels]
    schema = InputSchema(features, CLASSES, None)
    return TrainingData((rows / 1.8).astype(np.float32), labels, schema)
