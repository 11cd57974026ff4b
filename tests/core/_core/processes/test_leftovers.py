from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rightfit._core.processes import file_locks, leftovers
from rightfit._core.processes.leftovers import in_use, sweep_temporary_folders, temporary_folder
from rightfit.api.measure import measure

KILLED = """
import os, signal
from rightfit._core.processes.leftovers import temporary_folder
with temporary_folder("test") as folder:
    (folder / "rows.npy").write_bytes(b"1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 0.0)
    return tmp_path


def test_folder_of_a_killed_process_is_swept_by_the_next_run(root: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED])
    left = list(root.iterdir())

    sweep_temporary_folders()

    assert ended.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert list(root.iterdir()) == []


@pytest.mark.whole
def test_what_a_killed_process_has_left_is_swept_by_the_next_measurement(root: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    left = list(root.iterdir())

    measure(lambda rows: rows, np.ones((4, 2)))

    assert len(left) == 1
    assert list(root.iterdir()) == []


def test_folders_in_use_and_those_of_others_stay(root: Path) -> None:
    (root / "rightfit-mine").mkdir()  # a user's own, that happens to have the name
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / leftovers.MARK).touch()
    (root / "rightfit-link").symlink_to(root / "elsewhere")

    with temporary_folder("test") as folder:
        sweep_temporary_folders()
        is_kept = folder.is_dir()

    assert is_kept
    assert not folder.exists()
    assert {path.name for path in root.iterdir()} == {
        "rightfit-mine",
        "rightfit-link",
        "elsewhere",
    }


def test_folder_is_no_longer_marked_once_its_use_has_ended(root: Path) -> None:
    with in_use(root):
        marked = (root / leftovers.MARK).exists()

    assert marked
    assert not (root / leftovers.MARK).exists()


def test_mark_that_was_just_made_counts_as_held(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_locks, "MIN_AGE_S", 60.0)
    (root / "rightfit-new").mkdir()
    (root / "rightfit-new" / leftovers.MARK).touch()

    sweep_temporary_folders()
    kept = (root / "rightfit-new").exists()
    os.utime(root / "rightfit-new" / leftovers.MARK, (time.time() - 100,) * 2)
    sweep_temporary_folders()

    assert kept
    assert not (root / "rightfit-new").exists()
