from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rightfit._core.processes.starting import run_module, share_imports
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("planted", ["json.py", "rightfit.py", "numpy.py"])
def test_nothing_in_the_working_directory_is_run(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / planted).write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    pool = WorkerPool(max_open=1)

    try:
        hello = pool.get(WorkerKind(imports=("numpy",), n_threads=1)).hello
    finally:
        pool.close()
    done = run(*run_module("rightfit_deploy.http_load.generator", "--help"), **share_imports())

    assert hello is not None
    assert "planted" not in done.stderr


def test_what_a_session_imports_from_its_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_module.py").write_text("print('found')")
    monkeypatch.chdir(tmp_path)

    alone = run(*run_module("own_module"), **share_imports())
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as in a notebook
    shared = run(*run_module("own_module"), **share_imports())

    assert "No module named own_module" in alone.stderr
    assert shared.stdout == "found\n"
