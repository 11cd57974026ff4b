"""Places that cannot be written are named before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pytest

from rightfit_kedro import checks
from rightfit_kedro.checks import find_unwritable


def test_writable_place_has_no_fault_and_is_left_as_it_was(tmp_path: Path) -> None:
    assert find_unwritable([tmp_path / "new" / "deep", tmp_path]) == []
    assert list(tmp_path.iterdir()) == []


def test_file_and_missing_file_system_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    faults = find_unwritable([tmp_path / "file" / "x", tmp_path / "link" / "x", Path("/proc/x")])

    assert len(faults) == 3
    assert all("cannot be written: " in fault for fault in faults)
    assert str(tmp_path / "file") in faults[0]


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", open_full)

    assert find_unwritable([tmp_path]) == [
        f"{tmp_path} cannot be written: No space left on device."
    ]
