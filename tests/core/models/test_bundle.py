from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from factories.bundles import train_bundle
from factories.configurations import QUICK

from rightfit._core.errors import RightfitError
from rightfit.models import bundle_exports
from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.bundle_exports import add_onnx, offer_onnx
from rightfit.models.predictions import compare_predictions
from rightfit.models.runtimes import available_runtimes, open_predictor, runtime_files
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

pytestmark = pytest.mark.whole


def make_bundle(name: str, data: TrainingData, folder: Path) -> Bundle:
    return train_bundle(folder, data, name, QUICK[name])


@pytest.mark.parametrize("name", QUICK)
def test_bundle_answers_alike_in_every_runtime(
    name: str, blobs: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(make_bundle(name, blobs, tmp_path / "bundle"), blobs.rows)

    native, onnx = (
        open_predictor(
            read_bundle(bundle.path, trust=True, family=name),
            runtime=runtime,
            n_threads=1,
            device="cpu",
        )
        for runtime in ("native", "onnx")
    )

    np.testing.assert_allclose(native(blobs.rows), onnx(blobs.rows), atol=1e-4)
    assert onnx(blobs.rows[:1]).shape == (1, 3)  # the export takes any number of rows


def test_convolutional_bundle_answers_alike_in_every_runtime(
    image_blobs: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(make_bundle("net", image_blobs, tmp_path / "bundle"), image_blobs.rows)

    assert bundle.onnx is not None
    assert bundle.onnx["largest_difference"] < 1e-4


def test_bundle_holds_no_pickle(blobs: TrainingData, tmp_path: Path) -> None:
    for name in QUICK:
        bundle = make_bundle(name, blobs, tmp_path / name)
        for path in bundle.path.iterdir():
            assert path.suffix in {".json", ".skops", ".safetensors", ".onnx"}


def test_read_bundle_refuses_changed_weights(blobs: TrainingData, tmp_path: Path) -> None:
    bundle = make_bundle("linear", blobs, tmp_path / "bundle")
    weights = bundle.path / "weights.skops"
    weights.write_bytes(weights.read_bytes() + b"x")

    with pytest.raises(ValueError, match=r"damaged: \['weights.skops'\]"):
        read_bundle(bundle.path)


def test_only_onnx_files_of_a_bundle_from_elsewhere_are_opened(
    blobs: TrainingData, tmp_path: Path
) -> None:
    written = add_onnx(make_bundle("linear", blobs, tmp_path / "bundle"), blobs.rows)

    bundle = read_bundle(written.path, family="linear")

    assert available_runtimes(written) == ("native", "onnx")
    assert available_runtimes(bundle) == ("onnx",)
    with pytest.raises(RightfitError, match=r"weights\.skops of bundle .* trust=True"):
        bundle.load_native()
    with pytest.raises(RightfitError, match="is not opened"):
        open_predictor(bundle, runtime="native", n_threads=1, device="cpu")
    assert read_bundle(written.path, family="linear", trust=True).load_native() is not None


def test_read_bundle_refuses_another_format(blobs: TrainingData, tmp_path: Path) -> None:
    bundle = make_bundle("linear", blobs, tmp_path / "bundle")
    manifest = json.loads((bundle.path / "bundle.json").read_text())
    (bundle.path / "bundle.json").write_text(json.dumps(manifest | {"format_version": 99}))

    with pytest.raises(ValueError, match="format_version 99"):
        read_bundle(bundle.path)


def test_sha256_follows_the_content(blobs: TrainingData, tmp_path: Path) -> None:
    first = make_bundle("linear", blobs, tmp_path / "first")
    same = make_bundle("linear", blobs, tmp_path / "same")

    assert first.sha256 == read_bundle(first.path).sha256
    assert add_onnx(same, blobs.rows).sha256 != first.sha256


def test_disagreeing_export_is_refused(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle("forest", blobs, tmp_path / "bundle")
    family = get_family("forest")
    turned = TrainingData(blobs.rows, blobs.labels[::-1].copy(), blobs.schema)
    *_, other = family.train(TrainingRun(QUICK["forest"], turned))
    export = family.export_onnx
    monkeypatch.setattr(family, "export_onnx", lambda _, schema: export(other.model, schema))

    with pytest.raises(ValueError, match="does not answer as the native model"):
        add_onnx(bundle, blobs.rows)

    assert not (bundle.path / "model.onnx").exists()
    assert read_bundle(bundle.path).onnx is None


def test_compare_predictions_by_hand() -> None:
    native = np.array([[0.9, 0.1], [0.4, 0.6]], dtype=np.float32)
    exported = np.array([[0.8, 0.2], [0.6, 0.4]], dtype=np.float32)

    parity = compare_predictions(native, exported)

    assert parity["n_rows"] == 2
    assert parity["agreement"] == 0.5
    assert parity["largest_difference"] == pytest.approx(0.2)
    assert parity["mean_difference"] == pytest.approx(0.15)


def test_rounding_may_decide_between_equally_likely_classes() -> None:
    native = np.array([[0.5, 0.5]], dtype=np.float32)
    exported = np.array([[0.4999999, 0.5000001]], dtype=np.float32)

    assert compare_predictions(native, exported)["agreement"] == 1.0


def test_open_predictor_names_faults(blobs: TrainingData, tmp_path: Path) -> None:
    bundle = make_bundle("linear", blobs, tmp_path / "bundle")

    with pytest.raises(ValueError, match="no runtime 'tpu'"):
        open_predictor(bundle, runtime="tpu", n_threads=1, device="cpu")
    with pytest.raises(ValueError, match=r"has no model\.onnx"):
        open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")
    with pytest.raises(ValueError, match=r"linear runs on \('cpu',\)"):
        open_predictor(bundle, runtime="native", n_threads=1, device="cuda")


def test_runtime_files_are_those_the_runtime_reads(blobs: TrainingData, tmp_path: Path) -> None:
    bundle = make_bundle("net", blobs, tmp_path / "bundle")

    assert [path.name for path in runtime_files(bundle, "native")] == ["weights.safetensors"]
    assert [path.name for path in runtime_files(bundle, "onnx")] == ["model.onnx"]


def test_net_with_8_bit_weights_is_smaller_and_answers_alike(
    image_blobs: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(make_bundle("net", image_blobs, tmp_path / "bundle"), image_blobs.rows)

    exact, rough = (
        open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")(image_blobs.rows)
        for runtime in ("onnx", "onnx_int8")
    )

    assert available_runtimes(bundle) == ("native", "onnx", "onnx_int8")
    assert np.abs(exact - rough).max() < 0.2
    assert not np.array_equal(exact, rough)


@pytest.mark.parametrize("name", ["linear", "forest"])
def test_other_families_have_no_8_bit_weights(
    name: str, blobs: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(make_bundle(name, blobs, tmp_path / "bundle"), blobs.rows)

    assert available_runtimes(bundle) == ("native", "onnx")
    with pytest.raises(ValueError, match=r"no model\.int8\.onnx"):
        open_predictor(bundle, runtime="onnx_int8", n_threads=1, device="cpu")


def test_bundle_without_an_export_has_its_own_runtime_only(
    blobs: TrainingData, tmp_path: Path
) -> None:
    assert available_runtimes(make_bundle("linear", blobs, tmp_path / "bundle")) == ("native",)


def test_export_of_a_model_that_answers_nan_is_refused(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle("linear", blobs, tmp_path / "bundle")
    nothing = np.full((len(blobs.rows), 3), np.nan, dtype=np.float32)
    monkeypatch.setattr(get_family("linear"), "predict", lambda model, rows: nothing)

    with pytest.raises(ValueError, match="does not answer as the native model"):
        add_onnx(bundle, blobs.rows)


def test_full_disk_refuses_no_export(
    blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meet_full_disk(path: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    bundle = make_bundle("linear", blobs, tmp_path / "bundle")
    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left"):
        full.setattr(bundle_exports, "write_replacing", meet_full_disk)
        offer_onnx(bundle, blobs.rows)

    assert read_bundle(bundle.path).onnx_refused is None
    assert offer_onnx(bundle, blobs.rows).onnx is not None


def test_measuring_process_opens_only_what_was_checked(blobs: TrainingData, tmp_path: Path) -> None:
    bundle = make_bundle("linear", blobs, tmp_path / "bundle")
    manifest = json.loads((bundle.path / "bundle.json").read_text())
    (bundle.path / "bundle.json").write_text(json.dumps(manifest | {"data_version": "v2"}))

    with pytest.raises(ValueError, match="changed after it was checked"):
        read_bundle(bundle.path, checked_sha256=bundle.sha256)
