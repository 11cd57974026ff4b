"""What pre-commit, the workflow and the citation name exists in the project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import rightfit


@pytest.fixture
def targets(project_path: Path) -> set[str]:
    makefile = (project_path / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.fixture
def workflow(project_path: Path) -> dict[str, dict]:
    text = (project_path / ".github/workflows/check.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["jobs"]


def test_workflow_runs_targets_of_the_makefile(
    workflow: dict[str, dict], targets: set[str]
) -> None:
    steps = [step.get("run", "") for job in workflow.values() for step in job["steps"]]
    named = {step.removeprefix("make ") for step in steps if step.startswith("make ")}

    assert named == {"airflow-env", "check", "test-core", "test-lowest", "test-pages"}
    assert named <= targets


def test_workflow_begins_at_the_lowest_python(
    project_path: Path, workflow: dict[str, dict]
) -> None:
    with (project_path / "pyproject.toml").open("rb") as file:
        lowest = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")

    assert workflow["check"]["strategy"]["matrix"]["python"][0] == lowest


def test_hooks_before_a_commit_are_the_tools_of_make(project_path: Path) -> None:
    text = (project_path / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]

    assert {hook["entry"].split()[0] for hook in hooks} == {".venv/bin/ruff", ".venv/bin/mypy"}
    assert {hook["language"] for hook in hooks} == {"system"}


def test_citation_names_the_version(project_path: Path) -> None:
    cited = yaml.safe_load((project_path / "CITATION.cff").read_text(encoding="utf-8"))

    assert cited["version"] == rightfit.__version__
