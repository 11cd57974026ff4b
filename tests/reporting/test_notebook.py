"""The notebook runs from top to bottom on a run's results."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient


@pytest.fixture
def notebook(bootstrapped: Path, reported_root: Path, monkeypatch: pytest.MonkeyPatch):
    """The notebook, executed on a folder with hand-made results."""
    found = nbformat.read(bootstrapped / "notebooks" / "explore.ipynb", as_version=4)
    (parameters,) = (cell for cell in found.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source = f"env = 'test'; runtime_params = {{'data_root': {str(reported_root)!r}}}"
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    folder = {"metadata": {"path": bootstrapped / "notebooks"}}
    NotebookClient(found, timeout=300, kernel_name="python3", resources=folder).execute()
    return found


def test_notebook_shows_winners_charts_and_another_weighting(notebook) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    texts = "".join(str(output.get("data", {})) for output in outputs)

    assert not any(output.output_type == "error" for output in outputs)
    assert "application/vnd.plotly.v1+json" in kinds
    assert "Which model fits" in texts
    assert "candidate_after" in texts
