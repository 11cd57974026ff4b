"""The repository becomes a Kedro starter, and the starter a project whose own tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# About a minute on a free machine: every environment's configuration and its typed parameters;
# model bundles and their exports; and the whole job, from raw tables to a ranking.
OWN_TESTS = (
    "tests/test_configuration.py",
    "tests/models/test_bundle.py",
    "tests/test_end_to_end.py::test_rankings_hold_every_application_and_dataset",
)
# What remains to be tested of a project without the sample data, and what must skip.
TESTS_WITHOUT_DATA = (
    "tests/test_configuration.py",
    "tests/test_end_to_end.py",
    "tests/pipelines/data_engineering",
    "tests/guides",
)


def run(command: list[str], folder: Path, **environment: str) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def starter(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "starter"
    run([sys.executable, "starter/build.py", str(folder)], project_path)
    return folder


@pytest.fixture(scope="module")
def my_study(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the sample data, made without being asked anything."""
    folder = tmp_path_factory.mktemp("projects")
    new = [sys.executable, "-m", "kedro", "new", "--starter", str(starter)]
    run([*new, "--name", "My Study"], folder)
    return folder / "my-study"


@pytest.fixture(scope="module")
def bare_study(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without the sample data."""
    folder = tmp_path_factory.mktemp("projects")
    answers = folder / "answers.yml"
    answers.write_text("project_name: Bare Study\nsample_data: no\n")
    new = [sys.executable, "-m", "kedro", "new", "--starter", str(starter)]
    run([*new, "--config", str(answers)], folder)
    return folder / "bare-study"


def run_tests(project: Path, *tests: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return run(command, project, PYTHONPATH=str(project / "src"), OMP_NUM_THREADS="1")


def read_texts(folder: Path) -> dict[str, str]:
    """Return every text file but the changelog and the list of libraries, by path."""
    contents = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("CHANGELOG.md", "constraints.txt")
    }
    return {name: text.decode() for name, text in contents.items() if b"\0" not in text}


def test_make_builds_the_starter(project_path: Path) -> None:
    planned = run(["make", "--dry-run", "--assume-old=.venv/.installed", "starter"], project_path)

    assert "starter/build.py dist/starter" in planned


def test_project_bears_its_own_names_everywhere(my_study: Path) -> None:
    texts = read_texts(my_study)

    leftovers = [
        name
        for name, text in texts.items()
        if any(word in (name + text).lower() for word in ("rightfit", "cookiecutter", "[@"))
    ]
    assert leftovers == []
    assert 'package_name = "my_study"' in texts["pyproject.toml"]
    assert texts["README.md"].startswith("# My Study\n")
    assert "src/my_study/pipeline_registry.py" in texts


def test_project_differs_from_the_repository_in_names_alone(
    my_study: Path, project_path: Path
) -> None:
    for name in ("src/rightfit/reporting/templates/whatif.js", "conf/base/parameters_models.yml"):
        ours = (project_path / name).read_text()
        theirs = (my_study / name.replace("rightfit", "my_study")).read_text()

        assert theirs.replace("my_study", "rightfit").replace("My Study", "Rightfit") == ours
    modes = [(folder / ".ci" / "run").stat().st_mode for folder in (my_study, project_path)]
    assert modes[0] == modes[1]


def test_project_makes_no_starter_of_its_own(my_study: Path) -> None:
    assert not (my_study / "starter").exists()
    assert not (my_study / "tests" / "starter").exists()
    for name in ("Makefile", "README.md"):
        assert "starter" not in (my_study / name).read_text()


def test_sample_data_come_along_or_stay_out(my_study: Path, bare_study: Path) -> None:
    assert (my_study / "data" / "01_raw" / "landsat.parquet").is_file()
    assert [path.name for path in (bare_study / "data" / "01_raw").iterdir()] == ["README.md"]


@pytest.mark.slow
def test_own_tests_of_a_project_pass(my_study: Path) -> None:
    summary = run_tests(my_study, *OWN_TESTS).splitlines()[-1]

    assert " passed" in summary
    assert "skipped" not in summary


@pytest.mark.slow
def test_own_tests_of_a_project_without_sample_data_pass_or_skip(bare_study: Path) -> None:
    report = run_tests(bare_study, *TESTS_WITHOUT_DATA)

    assert " passed" in report.splitlines()[-1]
    assert "made without the sample data" in report
