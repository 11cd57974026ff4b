"""What ``make dashboard`` opens, and what the dashboard can't show of constraints."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from ports import find_free_port


@contextmanager
def dashboard(url: str) -> Iterator[str]:
    """Start optuna-dashboard on a database."""
    port = find_free_port()
    program = Path(sys.executable).with_name("optuna-dashboard")
    server = subprocess.Popen(
        [program, "--quiet", "--port", str(port), url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait(timeout=30)


def read(url: str) -> Any:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - here
                return json.load(answer)
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{url} does not answer")


def make_study(folder: Path) -> str:
    """A search in which the highest value breaks a limit."""
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'studies.db'}"
    study = optuna.create_study(storage=url, study_name="landsat.forest.0123", direction="maximize")
    for value in (0.4, 0.9, 0.2):
        trial = study.ask()
        trial.set_constraint("latency_p95_ms", value - 0.5)
        study.tell(trial, value)
    assert study.best_trial.number == 0
    return url


def test_dashboard_opens_the_study_of_a_cell(project_path: Path, tmp_path: Path) -> None:
    url = make_study(tmp_path / "06_models" / "studies" / "landsat" / "forest")
    command = [sys.executable, "-m", "rightfit", "studies", "landsat.forest"]
    found = subprocess.run(
        [*command, "--data-root", tmp_path],
        cwd=project_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    with dashboard(found) as api:
        studies = read(f"{api}/studies")["study_summaries"]

    assert found == url
    assert [study["study_name"] for study in studies] == ["landsat.forest.0123"]
    target = (project_path / "Makefile").read_text().split("\ndashboard:")[1].split("\n\n")[0]
    assert "rightfit studies $(CELL)" in target
    assert "optuna-dashboard" in target


def test_dashboard_does_not_know_the_constraints_of_optuna_5(tmp_path: Path) -> None:
    """docs/using_results.md says so; once this fails, say there how feasibility is shown."""
    url = make_study(tmp_path / "studies")

    with dashboard(url) as api:
        study = read(f"{api}/studies/1?after=0")

    assert [trial["constraints"] for trial in study["trials"]] == [[], [], []]
    assert [trial["number"] for trial in study["best_trials"]] == [1]
