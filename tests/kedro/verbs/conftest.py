"""A small study, stored by one run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from factories.studies import VERSION, Study, store_study
from kedro.io import DataCatalog

from rightfit.cli.verb_group import verbs
from rightfit.data.request_path.encoder import Encoder
from rightfit_kedro.catalog import read_patterns
from rightfit_kedro.stored_results import ProjectLocation, StoredResults
from rightfit_search.tables.encoding import apply_encoder

Ask = Callable[..., Result]
OpenCatalog = Callable[[Path, str], DataCatalog]


@pytest.fixture(scope="session")
def open_catalog(bootstrapped: Path) -> OpenCatalog:
    """Open the library's catalog on a data folder, to save as a run of a version does."""

    def open_one(root: Path, version: str) -> DataCatalog:
        return DataCatalog.from_config(read_patterns(str(root)), save_version=version)

    return open_one


@pytest.fixture(scope="session")
def stored(open_catalog: OpenCatalog, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("stored")
    root = folder / "data"
    return store_study(open_catalog(root, VERSION), root, folder / "made")


@pytest.fixture
def study(stored: Study, tmp_path: Path) -> Study:
    """A copy that a test may change."""
    root = tmp_path / "data"
    shutil.copytree(stored.root, root)
    return replace(stored, root=root)


@pytest.fixture
def results(study: Study, project_path: Path) -> StoredResults:
    return ProjectLocation(str(study.root), "test", folder=project_path).open_results()


def ask_about(study: Study, *arguments: str | Path) -> Result:
    """Run a verb in the working directory, on a study's data."""
    place = ("--data-root", study.root, "--env", "test")
    return CliRunner().invoke(verbs, [str(part) for part in (*arguments, *place)])


@pytest.fixture
def ask(study: Study, project_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a verb in the project, on the study's data."""
    monkeypatch.chdir(project_path)
    return partial(ask_about, study)


@pytest.fixture(scope="session")
def stored_baseline(stored: Study, project_path: Path) -> str:
    """What ``check --write`` writes of the study."""
    path = stored.root.with_name("baseline.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project_path)
        assert ask_about(stored, "check", "--against", path, "--write").exit_code == 0
    return path.read_text()


@pytest.fixture
def ask_with_rows(ask: Ask, study: Study, open_catalog: OpenCatalog) -> Ask:
    """Run a verb in the project, on the study's data with its test rows."""
    catalog = open_catalog(study.root, VERSION)
    encoded = apply_encoder(Encoder.model_validate(study.encoder), study.raw)
    catalog.save("landsat.test", encoded.with_columns(study.raw["label"]))
    catalog.save("landsat.rows", study.raw.with_columns(part=pl.lit("test")))
    return ask
