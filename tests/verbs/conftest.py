"""A small study, stored by one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.io import DataCatalog
from stored import VERSION, Study, store_study

from rightfit.catalog_entries import read_patterns
from rightfit.verbs.stored import StoredResults, open_results

OpenCatalog = Callable[[Path, str], DataCatalog]


@pytest.fixture(scope="session")
def open_catalog(bootstrapped: Path) -> OpenCatalog:
    """Open the library's catalog on a data folder, to save as a run of a version does."""

    def open_one(root: Path, version: str) -> DataCatalog:
        return DataCatalog.from_config(read_patterns(str(root)), save_version=version)

    return open_one


@pytest.fixture
def study(open_catalog: OpenCatalog, tmp_path: Path) -> Study:
    root = tmp_path / "data"
    return store_study(open_catalog(root, VERSION), root, tmp_path / "made")


@pytest.fixture
def results(study: Study, project_path: Path) -> StoredResults:
    return open_results(project_path, project_path / "conf", env="test", data_root=str(study.root))
