"""The families of LightGBM, XGBoost and CatBoost."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_library
import pytest
from factories.bundles import store_model
from factories.configurations import BOOSTERS

from rightfit.models.bundle import read_bundle, set_temperature
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.onnx_session import open_session
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.libraries import xgboost as xgboost_family
from rightfit_search.families.registry import get_family


@pytest.fixture(params=[2, 3])
def noisy(request: pytest.FixtureRequest) -> TrainingData:
    """Overlapping groups, 300 rows, so that trees have something to learn."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(request.param), 300 // request.param)
    centres = np.eye(request.param, 5) * 2
    rows = (centres[labels] + rng.normal(0, 1, (300, 5))).astype(np.float32)
    schema = InputSchema(tuple("abcde"), ("x", "y", "z")[: request.param], None)
    return TrainingData(rows, labels, schema)


def train(name: str, data: TrainingData, n_trees: int = 12, n_checkpoints: int = 3) -> list[Any]:
    family = get_family(name)
    configuration = {str(family.length_setting): n_trees}
    return list(family.train(TrainingRun(configuration, data, n_checkpoints=n_checkpoints)))


def make_theirs(name: str, n_trees: int) -> Any:
    if name == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=n_trees, n_jobs=1, verbosity=-1, random_state=0)
    if name == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=n_trees, n_jobs=1, random_state=0)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=n_trees, random_seed=0, thread_count=1, verbose=0, allow_writing_files=False
    )


@pytest.mark.parametrize("name", BOOSTERS)
def test_what_is_left_out_keeps_the_librarys_value(name: str, noisy: TrainingData) -> None:
    (*_, last) = train(name, noisy)

    theirs = make_theirs(name, 12).fit(noisy.rows, noisy.labels)
    answers = get_family(name).predict(last.model, noisy.rows)
    np.testing.assert_allclose(answers, theirs.predict_proba(noisy.rows), atol=1e-6)


def test_lightgbm_takes_what_its_classifier_does_not_name(
    noisy: TrainingData, tmp_path: Path
) -> None:
    pytest.importorskip("lightgbm")
    configuration, family = {"n_estimators": 12, "extra_trees": True}, get_family("lightgbm")
    family.check_configuration(configuration)
    *_, last = family.train(TrainingRun(configuration, noisy, n_checkpoints=1))
    bundle = store_model(tmp_path / "m", last.model, "lightgbm", configuration, noisy.schema)

    theirs = make_theirs("lightgbm", 12).set_params(extra_trees=True)
    answers = theirs.fit(noisy.rows, noisy.labels).predict_proba(noisy.rows)
    assert offer_onnx(bundle, noisy.rows).onnx
    np.testing.assert_allclose(family.predict(last.model, noisy.rows), answers, atol=1e-6)


def test_catboost_chooses_its_learning_rate_beside_any_other_setting(noisy: TrainingData) -> None:
    pytest.importorskip("catboost")
    configuration = {"iterations": 12, "l2_leaf_reg": 3.0}  # CatBoost's own value
    *_, last = get_family("catboost").train(TrainingRun(configuration, noisy, n_checkpoints=3))

    theirs = make_theirs("catboost", 12).fit(noisy.rows, noisy.labels)
    answers = get_family("catboost").predict(last.model, noisy.rows)
    np.testing.assert_allclose(answers, theirs.predict_proba(noisy.rows), atol=1e-6)


def test_xgboosts_nodes_and_splits_are_those_of_its_own_table(noisy: TrainingData) -> None:
    pytest.importorskip("xgboost")
    pytest.importorskip("pandas")
    *_, last = train("xgboost", noisy)

    counts = get_family("xgboost").describe_structure(last.model)

    nodes = last.model.trees.trees_to_dataframe()
    inner = nodes[nodes["Feature"] != "Leaf"]
    root_covers = nodes[nodes["Node"] == 0].set_index("Tree")["Cover"]
    passed = inner.groupby("Tree")["Cover"].sum() / root_covers
    assert counts["n_nodes"] == len(nodes)
    assert counts["n_operations"] == pytest.approx(passed.sum(), rel=1e-5)


@pytest.mark.parametrize("name", BOOSTERS)
def test_looks_have_growing_numbers_of_trees(name: str, noisy: TrainingData) -> None:
    family = get_family(name)
    looks = [
        (look.n_steps, family.describe_structure(look.model)["n_trees"])
        for look in family.train(
            TrainingRun({str(family.length_setting): 8}, noisy, n_checkpoints=3)
        )
    ]

    n_classes = noisy.schema.n_classes
    each = 1 if n_classes == 2 or name == "catboost" else n_classes  # its leaves hold all classes
    assert looks == [(2, 2 * each), (4, 4 * each), (8, 8 * each)]


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_prefix_is_the_model_of_fewer_rounds(name: str, noisy: TrainingData) -> None:
    family = get_family(name)
    configuration = {str(family.length_setting): 12, "learning_rate": 0.2}  # the same for each
    *_, whole = family.train(TrainingRun(configuration, noisy))
    *_, short = family.train(TrainingRun(configuration | {str(family.length_setting): 5}, noisy))

    prefix = family.take_prefix(whole.model, 5)

    expected = family.predict(short.model, noisy.rows)
    np.testing.assert_allclose(family.predict(prefix, noisy.rows), expected, atol=1e-6)
    assert family.describe_structure(prefix) == family.describe_structure(short.model)
    assert family.predict(whole.model, noisy.rows) != pytest.approx(expected)


@pytest.mark.parametrize("name", BOOSTERS)
def test_export_parts_neighbouring_numbers_as_the_model_does(name: str) -> None:
    family, steps = get_family(name), np.repeat(np.arange(20), 40)
    rows = (1 + steps[:, None] * np.finfo(np.float32).eps).astype(np.float32)
    schema = InputSchema(("x",), ("even", "odd"), None)
    (*_, last) = train(name, TrainingData(rows, steps % 2, schema))

    session = open_session(family.export_onnx(last.model, schema))

    answers = session.run([schema.output_name], {"rows": rows})[0]
    np.testing.assert_allclose(answers, family.predict(last.model, rows), atol=1e-5)


@pytest.mark.parametrize("name", BOOSTERS)
def test_bundle_answers_alike_in_every_runtime(
    name: str, noisy: TrainingData, tmp_path: Path
) -> None:
    (*_, last) = train(name, noisy)
    written = store_model(tmp_path / "bundle", last.model, name, {}, noisy.schema)

    bundle = read_bundle(offer_onnx(written, noisy.rows).path, trust=True, family=name)
    native, onnx = (
        open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
        for runtime in ("native", "onnx")
    )

    exported = onnx_library.load(bundle.path / "model.onnx")
    assert [o.version >= 13 for o in exported.opset_import if not o.domain] == [
        True
    ]  # to be joined
    answers = get_family(name).predict(last.model, noisy.rows)
    np.testing.assert_allclose(native(noisy.rows), answers, atol=1e-7)
    np.testing.assert_allclose(onnx(noisy.rows), answers, atol=1e-5)
    assert onnx(noisy.rows[:1]).shape == (1, noisy.schema.n_classes)


@pytest.mark.parametrize("exact", [True, False])
def test_a_calibrated_model_that_is_sure_is_exported_as_it_answers_or_not_at_all(
    exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xgboost")
    if not exact:  # one minus a probability of float32 that is nearly 1
        monkeypatch.setattr(xgboost_family, "_SIGMOIDS", ())
    rows = np.repeat(np.arange(4, dtype=np.float32), 50)[:, None]
    data = TrainingData(rows, (rows[:, 0] > 1).astype(int), InputSchema(("a",), ("x", "y"), None))
    sure = {"n_estimators": 40, "min_child_weight": 0, "reg_lambda": 0, "learning_rate": 1}
    *_, last = get_family("xgboost").train(TrainingRun(sure, data))
    written = store_model(tmp_path / "bundle", last.model, "xgboost", sure, data.schema)

    kept = offer_onnx(set_temperature(written, 3.0), rows)

    assert kept.temperature == 3.0
    assert bool(kept.onnx) is exact
    if exact:
        native, onnx = (
            open_predictor(kept, runtime=runtime, n_threads=1, device="cpu")(rows)
            for runtime in ("native", "onnx")
        )
        np.testing.assert_allclose(onnx, native, rtol=1e-3, atol=0)
    else:
        assert "its temperature of 3 the graph does not" in (kept.onnx_refused or "")
        shipped = offer_onnx(kept, rows, again=True, may_uncalibrate=True)  # by a search
        assert (shipped.temperature, shipped.onnx_refused) == (1.0, None)


@pytest.mark.parametrize("name", BOOSTERS)
def test_weights_of_other_columns_or_of_nothing_are_refused(
    name: str, noisy: TrainingData, tmp_path: Path
) -> None:
    family = get_family(name)
    (*_, last) = train(name, noisy, n_trees=2, n_checkpoints=1)
    path = tmp_path / family.weights_file
    family.save_weights(last.model, path)
    wider = InputSchema(tuple("abcdef"), noisy.schema.classes, None)

    with pytest.raises(ValueError, match=r"other columns or classes: .* 6 columns, a, b, c"):
        family.load_weights(path, {}, wider)

    path.write_text("nothing")
    with pytest.raises(ValueError, match=r"holds no model of"):
        family.load_weights(path, {}, noisy.schema)


@pytest.mark.parametrize("name", BOOSTERS)
def test_unknown_setting_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} has no settings \['colour'\]"):
        get_family(name).check_configuration({"colour": "red"})


@pytest.mark.parametrize("name", BOOSTERS)
def test_absent_library_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)

    with pytest.raises(ValueError, match=rf"pip install 'rightfit\[{name}\]'"):
        get_family(name).check_configuration({})
