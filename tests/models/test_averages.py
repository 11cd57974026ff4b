from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.bundles import train_bundle

from rightfit.models import averages
from rightfit.models.averages import MAX_MEMBERS, choose_weights, join_exports
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.family import TrainingData, TrainingRun
from rightfit.models.registry import get_family
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema

FEATURES = ("a", "b", "c")
TREES = {
    "n_estimators": 5,
    "max_depth": 4,
    "min_samples_leaf": 1,
    "max_features": 1.0,
    "splits": "best",
}
LINE = {
    "n_epochs": 3,
    "alpha": 1e-4,
    "penalty": "l2",
    "learning_rate": "optimal",
    "eta0": 0.01,
    "solver": "lbfgs",
}


def make_member(name: str, configuration: dict[str, object], weight: float) -> dict[str, object]:
    return {
        "name": f"{name}-000",
        "family": f"rightfit.models.{name}",
        "configuration": configuration,
        "weight": weight,
        "checkpoints": [1, 1],
    }


MEMBERS = {"members": [make_member("forest", TREES, 0.75), make_member("linear", LINE, 0.25)]}


@pytest.fixture(params=[("low", "middle", "high"), ()], ids=["classes", "values"])
def data(request: pytest.FixtureRequest) -> TrainingData:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, len(FEATURES))).astype(np.float32)
    values = rows[:, 0] + rng.normal(size=300)
    labels = np.digitize(values, [-0.5, 0.5]).astype(np.int64) if request.param else values
    return TrainingData(rows, labels, InputSchema(FEATURES, request.param, None))


def test_an_average_is_stored_exported_and_answers_the_weighted_mean(
    data: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(train_bundle(tmp_path, data, averages.__name__, MEMBERS), data.rows)

    expected = 0.0
    for member in MEMBERS["members"]:
        family = get_family(str(member["family"]))
        *_, last = family.train(TrainingRun(member["configuration"], data))
        expected = expected + member["weight"] * family.predict(last.model, data.rows)
    assert available_runtimes(bundle)[:2] == ("native", "onnx")
    for runtime in ("native", "onnx"):
        answers = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")(data.rows)
        np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_members_with_exports_are_joined_as_one_graph(data: TrainingData, tmp_path: Path) -> None:
    exports = [
        (add_onnx(train_bundle(tmp_path / name, data, name, configuration), data.rows).path)
        for name, configuration in (("forest", TREES), ("linear", LINE))
    ]
    content = join_exports(
        [(path / "model.onnx").read_bytes() for path in exports], [0.5, 0.5], data.schema
    )

    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    assert [tensor.name for tensor in session.get_inputs()] == ["rows"]
    assert [tensor.name for tensor in session.get_outputs()] == [data.schema.output_name]


def test_an_average_counts_what_its_members_consist_of(data: TrainingData) -> None:
    *_, last = averages.FAMILY.train(TrainingRun(MEMBERS, data))
    counts = averages.FAMILY.describe_structure(last.model)

    parts = [member.family.describe_structure(member.model) for member in last.model]
    assert counts["n_operations"] == sum(part["n_operations"] for part in parts)


def score_by_error(mean: np.ndarray) -> tuple[float, float]:
    return -float(np.abs(mean - 1).sum()), 0.0


def test_one_model_is_no_average_where_others_only_spoil_it() -> None:
    predictions = {"right": np.ones((4, 1)), "wrong": np.full((4, 1), 5.0)}

    assert choose_weights(predictions, score_by_error) == {"right": 1.0}


def test_an_average_has_few_members() -> None:
    rng = np.random.default_rng(0)
    predictions = {str(n): 1 + rng.normal(size=(200, 1)) for n in range(30)}
    weights = choose_weights(predictions, score_by_error)

    assert 1 < len(weights) <= MAX_MEMBERS
    assert sum(weights.values()) == pytest.approx(1)


def test_a_tie_is_broken_by_the_second_score() -> None:
    predictions = {"far": np.full((1, 1), 3.0), "near": np.full((1, 1), 1.5)}

    assert choose_weights(predictions, lambda mean: (0.0, score_by_error(mean)[0])) == {"near": 1.0}
