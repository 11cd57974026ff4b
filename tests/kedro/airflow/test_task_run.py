"""Running a scheduler's task: one version per run, whatever lies beside it or was left behind."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroServiceSession

from rightfit_kedro.airflow.generate_dag import find_stages, plan_tasks
from rightfit_kedro.airflow.task_run import Plan, run_task, version_of

pytestmark = [pytest.mark.whole, pytest.mark.long]

FIRST, SECOND, LATER = (f"2026-03-0{day}T00.00.00.000Z-00000000" for day in (1, 2, 3))


@pytest.fixture(scope="module")
def plan(bootstrapped: Path) -> Plan:
    with KedroServiceSession.create(project_path=bootstrapped, env="test") as session:
        session.load_context()
        registered = {name: pipelines[name] for name in pipelines if name != "__default__"}
    tasks = plan_tasks(registered["perf"], find_stages("perf", registered), alone=[])
    return {task.name: {"nodes": task.nodes} for task in tasks}


def point_to(home: Path, project: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("RIGHTFIT_HOME", str(home))
    patch.setenv("RIGHTFIT_CONF_SOURCE", str(project / "conf"))


@pytest.fixture(scope="module")
def trained(bootstrapped: Path, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a first run has prepared and searched."""
    home = tmp_path_factory.mktemp("trained")
    (home / "data").mkdir()
    (home / "data" / "01_raw").symlink_to(bootstrapped / "data" / "01_raw")
    with pytest.MonkeyPatch.context() as patch:
        point_to(home, bootstrapped, patch)
        run("data_engineering.landsat", plan, FIRST)
        run("training.landsat.linear", plan, FIRST)
    return home


@pytest.fixture
def home(
    trained: Path, bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of its own of that home."""
    copy = tmp_path / "home"
    shutil.copytree(trained, copy, symlinks=True)
    point_to(copy, bootstrapped, monkeypatch)
    return copy


def run(name: str, plan: Plan, version: str) -> None:
    run_task(name, plan, package="rightfit_project", pipeline="perf", env="test", version=version)


def versions(home: Path) -> dict[str, set[str]]:
    """Versions by the versioned file or folder they are of."""
    found: dict[str, set[str]] = {}
    for path in (home / "data").rglob("*Z-00000000"):
        found.setdefault(path.parent.name, set()).add(path.name)
    return found


def test_all_outputs_of_a_run_carry_its_version(trained: Path) -> None:
    assert versions(trained) == {
        name: {FIRST}
        for name in (
            "spec.json",
            "raw_check.json",
            "rows.parquet",
            "row_counts.json",
            "encoder.json",
            "train.parquet",
            "validation.parquet",
            "test.parquet",
            "data_card.json",
            "trials.parquet",
            "learning_curves.parquet",
            "search_audit.parquet",
            "candidates",
        )
    }


def test_run_reads_its_own_version_and_not_the_latest(home: Path, plan: Plan) -> None:
    cards = home / "data" / "05_model_input" / "landsat" / "data_card.json"
    card = json.loads((cards / FIRST / "data_card.json").read_text())
    for part in ("train", "validation", "test", "data_card"):
        folder = next((home / "data" / "05_model_input" / "landsat").glob(f"{part}.*"))
        shutil.copytree(folder / FIRST, folder / LATER)
    (cards / LATER / "data_card.json").write_text(json.dumps(card | {"data_version": "other"}))

    candidates = home / "data" / "06_models" / "landsat" / "linear" / "candidates"
    shutil.rmtree(candidates)

    run("training.landsat.linear", plan, FIRST)

    bundles = list((candidates / FIRST).rglob("bundle.json"))
    assert bundles
    assert {json.loads(path.read_text())["data_version"] for path in bundles} == {
        card["data_version"]
    }


def test_task_killed_while_writing_is_made_whole_by_its_next_try(home: Path, plan: Plan) -> None:
    run("data_engineering.landsat", plan, SECOND)
    inputs = home / "data" / "05_model_input" / "landsat"
    whole = pl.read_parquet(inputs / "train.parquet" / FIRST / "train.parquet")
    (inputs / "train.parquet" / FIRST / "train.parquet").write_bytes(b"PAR1")
    shutil.rmtree(inputs / "data_card.json" / FIRST)
    other = inputs / "train.parquet" / SECOND / "train.parquet"
    untouched = other.stat().st_mtime_ns

    run("data_engineering.landsat", plan, FIRST)

    again = pl.read_parquet(inputs / "train.parquet" / FIRST / "train.parquet")
    assert again.equals(whole)
    assert (inputs / "data_card.json" / FIRST / "data_card.json").exists()
    assert other.stat().st_mtime_ns == untouched


def test_retried_search_repeats_no_trial(home: Path, plan: Plan) -> None:
    studies = home / "data" / "06_models" / "studies"
    bundles = {path: path.stat().st_mtime_ns for path in studies.rglob("bundle.json")}
    assert bundles

    run("training.landsat.linear", plan, FIRST)

    assert {path: path.stat().st_mtime_ns for path in studies.rglob("bundle.json")} == bundles


def test_plan_of_another_grid_is_refused_before_anything_is_deleted(home: Path, plan: Plan) -> None:
    smaller = {name: task for name, task in plan.items() if name != "reporting"}
    larger = {**plan, "more": {"nodes": ["fresh"]}}

    with pytest.raises(ValueError, match=r"lacks the nodes .*write_report"):
        run("data_engineering.landsat", smaller, FIRST)
    with pytest.raises(ValueError, match=r"lacks the nodes \[\] and has \['fresh'\] too many"):
        run("data_engineering.landsat", larger, FIRST)

    assert versions(home)["data_card.json"] == {FIRST}


@pytest.mark.parametrize("value", [None, "", "/no/such/folder"])
def test_missing_home_is_named(
    value: str | None, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIGHTFIT_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("RIGHTFIT_HOME", value)

    with pytest.raises(ValueError, match="RIGHTFIT_HOME must name the project's folder"):
        run("data_engineering.landsat", plan, FIRST)


def test_object_store_without_a_shared_folder_is_refused(
    home: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHTFIT_DATA_ROOT", "s3://bucket/study")
    monkeypatch.delenv("RIGHTFIT_SHARED_ROOT", raising=False)

    with pytest.raises(ValueError, match="RIGHTFIT_SHARED_ROOT"):
        run("data_engineering.landsat", plan, FIRST)


def test_versions_sort_by_time_and_differ_by_run() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert version_of("a", noon) < version_of("a", noon + timedelta(milliseconds=1))
    assert version_of("a", noon) != version_of("b", noon)
    assert version_of("a", noon) == version_of("a", noon.astimezone(timezone(timedelta(hours=5))))
    assert version_of("a", noon) > "2026-03-01T12.00.00.000Z"  # Kedro's own form
