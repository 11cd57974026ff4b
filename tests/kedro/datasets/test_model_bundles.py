from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.bundles import train_bundle
from fsspec.implementations.memory import MemoryFileSystem
from kedro.io import DatasetError, Version

from rightfit._core.processes import file_locks, leftovers
from rightfit.models.bundle import Bundle
from rightfit_kedro.datasets.model_bundles import ModelBundlesDataset
from rightfit_search.families.family import TrainingData
from rightfit_search.families.registry import get_family

LINEAR = {
    "n_epochs": 2,
    "alpha": 1e-4,
    "penalty": "l2",
    "learning_rate": "optimal",
    "eta0": 0.01,
}


@pytest.fixture
def bundle(blobs: TrainingData, tmp_path: Path) -> Bundle:
    return train_bundle(tmp_path / "trial", blobs, "linear", LINEAR)


def make_dataset(filepath: str, version: str) -> ModelBundlesDataset:
    return ModelBundlesDataset(filepath=filepath, version=Version(None, version))


def test_bundles_come_back_by_name_and_answer_alike(
    bundle: Bundle, blobs: TrainingData, tmp_path: Path
) -> None:
    dataset = make_dataset(str(tmp_path / "candidates"), "v1")

    dataset.save({"linear-003": bundle, "linear-001": bundle})
    loaded = dataset.load()

    linear = get_family("linear")
    assert sorted(loaded) == ["linear-001", "linear-003"]
    assert loaded["linear-001"].sha256 == bundle.sha256
    again = replace(loaded["linear-001"], family="linear", is_trusted=True).load_native()
    np.testing.assert_array_equal(
        linear.predict(again, blobs.rows),
        linear.predict(bundle.load_native(), blobs.rows),
    )


def test_bundles_that_no_run_has_written_are_none_where_they_may_be_missing(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"filepath": str(tmp_path), "version": Version(None, "v1")}

    assert not ModelBundlesDataset(**arguments, may_be_missing=True).load()
    with pytest.raises(DatasetError, match="Did not find any versions"):
        ModelBundlesDataset(**arguments).load()


def test_newest_version_is_loaded(bundle: Bundle, tmp_path: Path) -> None:
    folder = str(tmp_path / "candidates")
    make_dataset(folder, "2026-01-01").save({"old": bundle})
    make_dataset(folder, "2026-01-02").save({"new": bundle})

    loaded = ModelBundlesDataset(filepath=folder, version=Version(None, None)).load()

    assert list(loaded) == ["new"]


def test_bundles_travel_through_another_file_system(bundle: Bundle) -> None:
    dataset = make_dataset("memory:///bundles/candidates", "v1")

    dataset.save({"linear-001": bundle})
    loaded = dataset.load()["linear-001"]

    assert loaded.sha256 == bundle.sha256
    assert loaded.path.is_dir()
    dataset.release()
    assert not loaded.path.exists()


def test_changed_file_is_refused_when_its_candidate_is_asked_for(
    bundle: Bundle, tmp_path: Path
) -> None:
    dataset = make_dataset(str(tmp_path / "candidates"), "v1")
    dataset.save({"linear-001": bundle, "linear-002": bundle})
    weights = tmp_path / "candidates" / "v1" / "candidates" / "linear-001" / "weights.skops"
    weights.write_bytes(b"something else")

    loaded = dataset.load()

    assert loaded["linear-002"].model == "linear"
    with pytest.raises(DatasetError, match=r"damaged: \['weights.skops'\]"):
        loaded["linear-001"]


def test_only_listed_files_are_saved(bundle: Bundle, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    (bundle.path / "notes.txt").symlink_to(secret)
    dataset = make_dataset(str(tmp_path / "candidates"), "v1")

    dataset.save({"linear-001": bundle})

    saved = dataset.load()["linear-001"].path
    assert sorted(path.name for path in saved.iterdir()) == ["bundle.json", "weights.skops"]


def test_candidate_is_checked_when_it_is_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    dataset = make_dataset(str(tmp_path / "candidates"), "v1")
    dataset.save({"linear-001": bundle, "linear-002": bundle})
    weights = tmp_path / "candidates" / "v1" / "candidates" / "linear-002" / "weights.skops"
    weights.write_bytes(b"other")

    found = dataset.load()

    assert list(found) == ["linear-001", "linear-002"]
    assert "linear-002" in found
    assert "linear-003" not in found
    assert found["linear-001"].files == bundle.files
    with pytest.raises(DatasetError, match="linear-002 is damaged"):
        found["linear-002"]


def test_bucket_that_lists_files_elsewhere_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    dataset = make_dataset("memory:///hostile/candidates", "v1")
    dataset.save({"linear-001": bundle})
    manifest = "/hostile/candidates/v1/candidates/linear-001/bundle.json"
    content = json.loads(dataset._fs.cat_file(manifest))
    content["files"]["../../outside"] = "0" * 64
    dataset._fs.pipe_file(manifest, json.dumps(content).encode())

    with pytest.raises(DatasetError, match="plain file names only"):
        dataset.load()


@pytest.mark.parametrize("missing", ["candidates.json", "linear-002/bundle.json"])
def test_version_that_lacks_a_part_does_not_exist(
    missing: str, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "candidates"
    make_dataset(str(folder), "2026-01-01").save({"linear-001": bundle})
    make_dataset(str(folder), "2026-01-02").save({"linear-001": bundle, "linear-002": bundle})
    (folder / "2026-01-02" / "candidates" / missing).unlink()

    newest = ModelBundlesDataset(filepath=str(folder), version=Version(None, None))
    told = ModelBundlesDataset(filepath=str(folder), version=Version("2026-01-02", None))

    assert newest.list_versions(full_path=False) == ["2026-01-01"]
    assert list(newest.load()) == ["linear-001"]
    assert not told.exists()
    with pytest.raises(DatasetError, match="no complete set of candidates: the run that wrote it"):
        told.load()


def test_list_with_names_elsewhere_is_no_version(bundle: Bundle, tmp_path: Path) -> None:
    dataset = make_dataset(str(tmp_path / "candidates"), "v1")
    dataset.save({"linear-001": bundle})
    names = tmp_path / "candidates" / "v1" / "candidates" / "candidates.json"
    names.write_text('["../candidates/linear-001"]')

    assert not dataset.exists()


def test_version_that_a_killed_run_left_is_swept_by_the_next_save(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 0.0)
    folder = tmp_path / "candidates"
    half = folder / "2026-01-01" / "candidates" / "linear-001"
    half.mkdir(parents=True)
    (folder / "2026-01-01" / leftovers.MARK).touch()

    make_dataset(str(folder), "2026-01-02").save({"linear-001": bundle})

    assert [path.name for path in folder.iterdir()] == ["2026-01-02"]
    assert [path.name for path in (folder / "2026-01-02").iterdir()] == ["candidates"]


def test_version_that_a_full_store_cut_off_does_not_exist(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = f"memory:///{tmp_path.name}/candidates"
    make_dataset(root, "v1").save({"first": bundle})
    n_files = 2 * (len(bundle.files) + 1) + 1  # with each manifest, and the list
    room = 0

    def limited(upload: Callable[..., None]) -> Callable[..., None]:
        def put(*args: Any, **kwargs: Any) -> None:
            nonlocal room
            room -= 1
            if room < 0:
                raise OSError(errno.EIO, "QuotaExceeded")
            upload(*args, **kwargs)

        return put

    for name in ("put_file", "pipe_file"):
        monkeypatch.setattr(MemoryFileSystem, name, limited(getattr(MemoryFileSystem, name)))

    for n_fitting in range(n_files):
        room = n_fitting
        version = f"v2-{n_fitting:02d}"
        cut_off = ModelBundlesDataset(filepath=root, version=Version(version, version))
        with pytest.raises(DatasetError, match="QuotaExceeded"):
            cut_off.save({"a": bundle, "b": bundle})

        assert not cut_off.exists()
        newest = ModelBundlesDataset(filepath=root, version=Version(None, None))
        assert list(newest.load()) == ["first"]
        newest.release()
    room = n_files
    make_dataset(root, "v3").save({"a": bundle, "b": bundle})
    newest = ModelBundlesDataset(filepath=root, version=Version(None, None))
    assert sorted(newest.load()) == ["a", "b"]
    newest.release()
