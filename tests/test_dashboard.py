"""What ``make dashboard`` opens, and what the dashboard can't show of constraints."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from harness.ports import find_free_port

from rightfit.tuning.studies.study_store import STUDIES_FILE, StudyStore

pytestmark = [pytest.mark.whole, pytest.mark.long]


@dataclass(frozen=True)
class Dashboard:
    """The dashboard of a cell, running: its process, its address, and the journal it shows."""

    pid: int
    api: str
    path: str


@pytest.fixture(scope="module")
def dashboard(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    root = tmp_path_factory.mktemp("data")
    path = place_study(root)
    port = find_free_port()
    command = [sys.executable, "-m", "rightfit", "dashboard", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "landsat.forest", "--data-root", root],
        cwd=project_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Dashboard(server.pid, f"http://127.0.0.1:{port}/api", path)
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
    storage = StudyStore(folder, None).open()
    study = optuna.create_study(
        storage=storage, study_name="landsat.forest.0123", direction="maximize"
    )
    for value in (0.4, 0.9, 0.2):
        trial = study.ask()
        trial.set_constraint("latency_p95_ms", value - 0.5)
        study.tell(trial, value)
    assert study.best_trial.number == 0
    return str(folder / STUDIES_FILE)


def place_study(root: Path) -> str:
    return make_study(root / "06_models" / "studies" / "landsat" / "forest")


def test_studies_prints_the_journal_of_a_cell(project_path: Path, tmp_path: Path) -> None:
    path = place_study(tmp_path)
    command = [sys.executable, "-m", "rightfit", "studies", "landsat.forest"]

    found = subprocess.run(
        [*command, "--data-root", tmp_path],
        cwd=project_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == path


def test_dashboard_opens_the_study_of_a_cell(project_path: Path, dashboard: Dashboard) -> None:
    studies = read(f"{dashboard.api}/studies")["study_summaries"]
    command_line = Path(f"/proc/{dashboard.pid}/cmdline").read_text()

    assert [study["study_name"] for study in studies] == ["landsat.forest.0123"]
    assert dashboard.path not in command_line  # a database's URL may hold a password
    target = (project_path / "Makefile").read_text().split("\ndashboard:")[1].split("\n\n")[0]
    assert "rightfit dashboard" in target
    assert "optuna-dashboard " not in target.split("\n", 1)[1]


def test_dashboard_refuses_pages_of_other_hosts(dashboard: Dashboard) -> None:
    read(f"{dashboard.api}/studies")
    request = urllib.request.Request(  # noqa: S310 - here
        f"{dashboard.api}/studies", headers={"Host": "evil.example"}
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=30)  # noqa: S310 - here


def test_dashboard_does_not_know_the_constraints_of_optuna_5(dashboard: Dashboard) -> None:
    """docs/howto/results.md says so; once this fails, say there how feasibility is shown."""
    study = read(f"{dashboard.api}/studies/0?after=0")

    assert [trial["constraints"] for trial in study["trials"]] == [[], [], []]
    assert [trial["number"] for trial in study["best_trials"]] == [1]
