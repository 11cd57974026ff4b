"""The environment ``airflow``: where its data lies and where its secrets come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroServiceSession
from kedro.io import AbstractVersionedDataset
from omegaconf.errors import InterpolationResolutionError

pytestmark = [pytest.mark.whole, pytest.mark.long]

URL = "postgresql+psycopg://host/studies"


@pytest.fixture
def context(bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KedroContext:
    for place in ("DATA_ROOT", "SHARED_ROOT"):
        monkeypatch.setenv(f"RIGHTFIT_{place}", str(tmp_path / place))
    monkeypatch.setenv("RIGHTFIT_STUDIES_URL", URL)
    session = KedroServiceSession.create(project_path=bootstrapped, env="airflow")
    return session.load_context()


def test_all_that_tasks_hand_on_is_versioned_below_the_data_root(
    context: KedroContext, tmp_path: Path
) -> None:
    outputs = sorted(pipelines["perf"].all_outputs())
    catalog = context.catalog  # each reading of it makes another one

    assert len(outputs) > 60
    for name in outputs:
        dataset = catalog.get(name)
        assert isinstance(dataset, AbstractVersionedDataset), name
        assert dataset._version is not None, name
        assert dataset._filepath.is_relative_to(tmp_path / "DATA_ROOT"), name


def test_what_needs_locks_lies_below_the_shared_root(context: KedroContext, tmp_path: Path) -> None:
    catalog = context.catalog

    studies = catalog.load("studies")
    measurements = catalog.get("measurements")

    assert studies.folder == tmp_path / "SHARED_ROOT" / "06_models" / "studies"
    assert studies.storage == URL
    assert str(tmp_path / "SHARED_ROOT" / "07_model_output") in str(measurements)


def test_shared_root_is_the_data_root_unless_given(
    bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHTFIT_DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("RIGHTFIT_SHARED_ROOT", raising=False)
    monkeypatch.setenv("RIGHTFIT_STUDIES_URL", URL)
    session = KedroServiceSession.create(project_path=bootstrapped, env="airflow")

    studies = session.load_context().catalog.load("studies")

    assert studies.folder == tmp_path / "06_models" / "studies"


def test_missing_database_is_named(bootstrapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIGHTFIT_STUDIES_URL", raising=False)
    session = KedroServiceSession.create(project_path=bootstrapped, env="airflow")

    with pytest.raises(InterpolationResolutionError, match="RIGHTFIT_STUDIES_URL"):
        _ = session.load_context().catalog
