"""Each page whose Python runs as it stands says how to install what it needs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

NEEDS_MORE = {  # pages whose Python is a part of something, and what runs it
    "docs/howto/airflow.md": "a job of Dagster",
    "docs/howto/existing_project.md": "tests/kedro/adoption/test_adoption.py",
    "docs/howto/large_table.md": "a Dask cluster; test_dask_training.py",
    "docs/howto/mlflow.md": "MLflow, a large install; tests/deploy/test_mlflow_model.py",
    "docs/howto/own_parts.md": "tests/guides/test_your_own.py, tests/docs/test_answers.py",
    "docs/howto/run.md": "tests/search/api/test_python_guide.py, in a project",
}


@pytest.fixture(scope="module")
def environments(project_path: Path) -> dict[str, Any]:
    return runpy.run_path(str(project_path / "tests" / "environments.py"))


def test_every_page_with_python_is_run_or_needs_more(
    environments: dict[str, Any], project_path: Path
) -> None:
    documents = [
        project_path / "README.md",
        project_path / "docs" / "index.md",
        *(project_path / "docs").glob("[th]*/*.md"),
    ]
    pages = {
        str(path.relative_to(project_path))
        for path in documents
        if re.search(r"^```python", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert pages == {*environments["PAGES"], *NEEDS_MORE}


def test_every_page_that_is_run_has_a_line_that_installs_its_extras(
    environments: dict[str, Any], project_path: Path
) -> None:
    extras = {page: environments["read_install_line"](page) for page in environments["PAGES"]}

    assert set(extras.values()) == {("search", "sklearn")}


def test_pages_install_from_a_clone_by_one_of_two_lines_and_add_extras_by_name(
    project_path: Path,
) -> None:
    pages = [project_path / "README.md", *(project_path / "docs").glob("[!d]*/*.md")]
    texts = "".join(path.read_text(encoding="utf-8") for path in pages)
    first = set(re.findall(r"pip install '?\.\[([a-z,]+)\]", texts))
    added = set(re.findall(r"pip install (?:-U )?'?rightfit\[([a-z,]+)\]", texts))

    assert first == {"search,sklearn", "kedro,sklearn"}
    assert added
    assert not [extras for extras in added if "," in extras]
