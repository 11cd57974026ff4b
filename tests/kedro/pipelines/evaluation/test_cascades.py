from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from factories.data_cards import make_data_card
from factories.studies import make_bundle

from rightfit.models.bundle import Bundle
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema
from rightfit_kedro.grid import CascadeBlock
from rightfit_kedro.pipelines.evaluation.nodes import make_cascades
from rightfit_search.families.cascades import (
    Cascade,
    Member,
    check_cascade,
    choose_cascades,
    find_members,
    join_cascade,
    join_members,
    predict_cascades,
)
from rightfit_search.families.family import TrainingData

CLASSES = ("low", "middle", "high")
FEATURES = ("a", "b", "c")


def make_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, len(FEATURES))).astype(np.float32)
    return rows, (np.digitize(rows[:, 0] + rng.normal(size=n), [-0.5, 0.5])).astype(np.int64)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    schema = InputSchema(FEATURES, CLASSES, None)
    return {
        name: make_bundle(folder / name, TrainingData(*make_rows(300, seed), schema))
        for seed, name in enumerate(("cheap", "expensive"))
    }


def answer(bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    return open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")(rows)


@pytest.mark.parametrize("passed_on", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_rows", [1, 500])
def test_unsure_rows_are_answered_by_the_expensive_model(
    passed_on: float, n_rows: int, bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    rows, _ = make_rows(n_rows, 7)
    cheap, expensive = (answer(bundle, rows) for bundle in bundles.values())
    threshold = float(np.quantile(cheap.max(axis=1), passed_on))
    threshold += 1e-6 if passed_on == 1 else 0
    cascade = Cascade("cheap", "expensive", threshold, passed_on, 0.9, 1.0)

    bundle = join_members(asdict(cascade), bundles, tmp_path / "cascade-000", model="cascade")

    unsure = cheap.max(axis=1) < np.float32(threshold)
    np.testing.assert_array_equal(answer(bundle, rows), np.where(unsure[:, None], expensive, cheap))
    assert available_runtimes(bundle) == ("onnx",)
    assert bundle.configuration["expensive"] == "expensive"


def test_the_expensive_model_does_not_run_where_the_cheap_one_is_sure(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    rows, _ = make_rows(1, 7)
    files = [bundle.path / "model.onnx" for bundle in bundles.values()]
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "ran")
    session = onnxruntime.InferenceSession(join_cascade(*files, 0.0), options)

    session.run(None, {"rows": rows})

    ran = Path(session.end_profiling()).read_text()
    assert "cheap/" in ran
    assert "expensive/" not in ran


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 0.0}, "threshold must be above 0 and at most 1"),
        ({"threshold": 1.5}, "threshold must be above 0 and at most 1"),
        ({"threshold": float("nan")}, "threshold must be above 0 and at most 1"),
        ({"expensive": "cheap"}, "two candidates of .*not .*'cheap', 'cheap'"),
        ({"cheap": "absent"}, "two candidates of .*not .*'absent'"),
        ({"expensive": "foreign"}, "cheap and foreign read other columns or have other classes"),
    ],
)
def test_no_cascade_is_made_of_what_is_none(
    change: dict[str, Any], message: str, bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    cascade = asdict(Cascade("cheap", "expensive", 0.5, 0.3, 0.9, 1.0)) | change
    foreign = replace(bundles["cheap"], schema=InputSchema(FEATURES, ("cat", "dog", "horse"), None))

    with pytest.raises(ValueError, match=message):
        join_members(cascade, {**bundles, "foreign": foreign}, tmp_path / "c", model="cascade")

    assert not (tmp_path / "c").exists()


def test_models_of_other_columns_are_not_joined(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    rows, labels = make_rows(300, 1)
    schema = InputSchema(FEATURES[:2], CLASSES, None)
    narrow = make_bundle(
        tmp_path / "narrow", TrainingData(np.ascontiguousarray(rows[:, :2]), labels, schema)
    )

    with pytest.raises(ValueError, match=r"cannot be joined: their inputs are"):
        join_cascade(bundles["cheap"].path / "model.onnx", narrow.path / "model.onnx", 0.5)


def sure_of(labels: np.ndarray, wrong: np.ndarray, sureness: np.ndarray) -> np.ndarray:
    """Answers of two classes: right but for some rows, with a given sureness."""
    said = np.where(wrong, 1 - labels, labels)
    answers = np.empty((len(labels), 2), dtype=np.float32)
    answers[np.arange(len(labels)), said] = sureness
    answers[np.arange(len(labels)), 1 - said] = 1 - sureness
    return answers


@pytest.fixture
def members() -> tuple[list[Member], np.ndarray]:
    labels = np.arange(1_000) % 2
    hard = np.arange(1_000) < 200
    cheap = sure_of(labels, hard, np.where(hard, 0.6, 0.95))
    expensive = sure_of(labels, np.arange(1_000) < 10, np.full(1_000, 0.99))
    return [Member("cheap", cheap, 1e6), Member("expensive", expensive, 1e3)], labels


def test_a_cascade_with_the_quality_of_the_expensive_and_most_of_the_speed_is_chosen(
    members: tuple[list[Member], np.ndarray],
) -> None:
    found, labels = members

    def score(answers: np.ndarray) -> float:
        return float((answers.argmax(axis=1) == labels).mean())

    (first, *_) = choose_cascades(found, score, n_cascades=1)

    assert (first.cheap, first.expensive) == ("cheap", "expensive")
    assert first.passed_on == pytest.approx(0.2, abs=0.01)
    assert first.predicted_quality == pytest.approx(0.99)
    assert first.predicted_rows_per_s == pytest.approx(1 / (1e-6 + first.passed_on * 1e-3))


def test_no_cascade_is_made_where_none_gains(members: tuple[list[Member], np.ndarray]) -> None:
    (cheap, expensive), labels = members

    def score(answers: np.ndarray) -> float:
        return float((answers.argmax(axis=1) == labels).mean())

    slow_and_worse = Member("slow", cheap.answers, 1e2)
    nearly_as_fast = Member("expensive", expensive.answers, 9e5)

    assert list(predict_cascades([expensive, slow_and_worse], score)) == []
    assert choose_cascades([cheap, nearly_as_fast], score, n_cascades=3) == []
    assert choose_cascades([cheap], score, n_cascades=3) == []


def test_a_cascade_that_is_worse_than_its_cheap_model_gains_nothing(
    members: tuple[list[Member], np.ndarray],
) -> None:
    found, _ = members
    qualities = {found[0].answers.tobytes(): 0.7, found[1].answers.tobytes(): 0.8}

    def score(answers: np.ndarray) -> float:
        return qualities.get(answers.tobytes(), 0.6)

    assert {0.6} <= {cascade.predicted_quality for cascade in predict_cascades(found, score)}
    assert choose_cascades(found, score, n_cascades=2) == []


# Thresholds are chosen by what candidates predicted before they learnt the validation rows.


def predict_doubtfully(labels: np.ndarray, n_sure: int) -> np.ndarray:
    """Be sure of the first rows, and right; be wrong in doubt of the others."""
    is_sure = np.arange(len(labels)) < n_sure
    answers = np.full((len(labels), len(CLASSES)), 0.3, dtype=np.float32)
    answers[np.arange(len(labels)), np.where(is_sure, labels, (labels + 1) % 3)] = np.where(
        is_sure, 0.9, 0.4
    )
    return answers


def test_members_predict_as_before_they_learnt_validation_rows(bundles: dict[str, Bundle]) -> None:
    predictions = {name: np.full((4, 3), 1 / 3, dtype=np.float32) for name in bundles}
    native = replace(bundles["expensive"], files={})

    (member,) = find_members(
        bundles | {"expensive": native},
        {"cheap": 1e3, "expensive": 1e2, "other": 1e9},
        pl.DataFrame(predictions),
    )

    assert (member.name, member.rows_per_s) == ("cheap", 1e3)
    np.testing.assert_array_equal(member.answers, predictions["cheap"])


def test_threshold_of_a_cascade_is_chosen_by_those_predictions(bundles: dict[str, Bundle]) -> None:
    rows, labels = make_rows(100, 0)  # which the models have learnt
    validation = pl.DataFrame(rows, schema=list(FEATURES)).with_columns(label=labels)
    predictions = {
        "cheap": predict_doubtfully(labels, 70),
        "expensive": predict_doubtfully(labels, 100),
    }
    quality = {"name": "accuracy", "worst": 0.0, "best": 1.0}
    card = make_data_card("blobs", input_schema=bundles["cheap"].schema.to_dict(), quality=quality)

    cascades = make_cascades(
        validation,
        card,
        CascadeBlock(family="cascade", n_candidates=1),
        cell_name="blobs.cascade",
        models=tuple(bundles),
        **{f"candidates_of_{name}": {f"{name}-000": bundle} for name, bundle in bundles.items()},
        **{
            f"predictions_of_{name}": pl.DataFrame({f"{name}-000": rows_of_classes})
            for name, rows_of_classes in predictions.items()
        },
        **{
            f"trials_of_{name}": pl.DataFrame({"number": [0], "usual_rows_per_s": [rate]})
            for name, rate in (("cheap", 1e6), ("expensive", 1e3))
        },
    )

    (bundle,) = cascades.values()
    assert 0.4 < bundle.configuration["threshold"] <= 0.9
    assert bundle.configuration["passed_on"] == pytest.approx(0.3)
    assert bundle.configuration["predicted_quality"] == 1.0
    sure = answer(bundles["cheap"], rows).max(axis=1) >= bundle.configuration["threshold"]
    np.testing.assert_array_equal(answer(bundle, rows)[sure], answer(bundles["cheap"], rows)[sure])
    check_cascade(bundle, {f"{name}-000": member for name, member in bundles.items()}, validation)


@pytest.mark.parametrize("middle", [2e3, 2e4])
def test_the_same_cascades_have_the_same_order_and_names_whatever_they_cost(middle: float) -> None:
    labels = np.arange(1_000) % 3
    speeds = {"cheap": (700, 1e6), "middle": (900, middle), "best": (1_000, middle / 4)}
    members = [
        Member(name, predict_doubtfully(labels, n_sure), rows_per_s)
        for name, (n_sure, rows_per_s) in speeds.items()
    ]

    chosen = choose_cascades(
        members, lambda answers: float(np.mean(answers.argmax(axis=1) == labels)), n_cascades=2
    )

    pairs = [(cascade.cheap, cascade.expensive) for cascade in chosen]
    assert pairs == [("cheap", "best"), ("cheap", "middle")]
    first, second = chosen
    assert replace(first, predicted_rows_per_s=1.0).number == first.number != second.number


def test_cascade_of_another_threshold_is_refused(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    rows, _ = make_rows(300, 7)
    cascade = Cascade("cheap", "expensive", 0.9, 0.9, 0.9, 1.0)
    bundle = join_members(asdict(cascade), bundles, tmp_path / "cascade-000", model="cascade")
    lower = replace(bundle, configuration=bundle.configuration | {"threshold": 0.4})
    validation = pl.DataFrame(rows, schema=list(FEATURES))

    check_cascade(bundle, bundles, validation)
    with pytest.raises(ValueError, match=r"differ"):
        check_cascade(lower, bundles, validation)
