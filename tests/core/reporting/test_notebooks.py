"""The notebooks run from top to bottom, and import nothing but public names."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

DEEP = re.compile(r"^\s*(?:from|import) rightfit\.", re.MULTILINE)

pytestmark = [pytest.mark.whole, pytest.mark.long]


def run(path: Path, folder: Path, parameters: str = "") -> str:
    """Run a notebook in a folder and return all that its cells show."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = parameters
    resources = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=1_500, kernel_name="python3", resources=resources).execute()
    return "".join(
        str(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", [])
    )


def test_results_of_a_run_are_explored(
    bootstrapped: Path, reported_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    folder = bootstrapped / "notebooks"

    parameters = f"env, data_root = 'test', {str(reported_root)!r}"

    shown = run(folder / "explore.ipynb", folder, parameters)

    assert "application/vnd.plotly.v1+json" in shown
    assert "fits landsat best" in shown
    assert "for edge_device" in shown


def test_three_models_are_compared_without_a_project(bootstrapped: Path, tmp_path: Path) -> None:
    shown = run(bootstrapped / "notebooks" / "compare.ipynb", tmp_path)

    assert "fits data best" in shown
    assert (tmp_path / "comparison.html").is_file()


@pytest.mark.parametrize(
    ("name", "n_charts", "words"),
    [("compare.ipynb", 1, "fits data best"), ("explore.ipynb", 2, "fits landsat best")],
)
def test_notebook_is_stored_with_its_outputs_and_without_logs(
    project_path: Path, name: str, n_charts: int, words: str
) -> None:
    path = project_path / "notebooks" / name
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.output_type for output in outputs} == {"display_data", "execute_result"}
    texts = [output.data.get("text/plain", "") for output in outputs]
    assert sum("application/vnd.plotly.v1+json" in output.data for output in outputs) == n_charts
    assert any(words in text for text in texts)
    assert not any("INFO" in text for text in texts)
    assert path.stat().st_size < 2**20


@pytest.mark.parametrize("name", ["explore.ipynb", "compare.ipynb"])
def test_notebook_imports_public_names_alone(project_path: Path, name: str) -> None:
    assert not DEEP.search((project_path / "notebooks" / name).read_text().replace('"', ""))
