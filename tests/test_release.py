"""``make release`` writes one version everywhere, once."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def release(project_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which writes into copies of the files that it changes."""
    spec = importlib.util.spec_from_file_location("release", project_path / "tests/release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in (*module.PLACES, "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_path / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 9.1.0 (unreleased)\n\n- New.\n\n## 9.0.0 (2026-01-02)\n\n- Old.\n"
    )
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    return module


def test_version_stands_in_every_place(release: ModuleType, tmp_path: Path) -> None:
    release.write_version("9.1.0rc1")
    template = json.loads((tmp_path / "src/rightfit_kedro/template/cookiecutter.json").read_text())

    assert '\n__version__ = "9.1.0rc1"\n' in (tmp_path / "src/rightfit/__init__.py").read_text()
    assert "\nversion: 9.1.0rc1\n" in (tmp_path / "CITATION.cff").read_text()
    assert template["__library_version"] == "9.1.0rc1"
    assert template["rightfit_requirement"] == "rightfit>=9.1.0rc1,<10"


def test_changelog_is_dated_once_and_its_section_becomes_the_notes(
    release: ModuleType, tmp_path: Path
) -> None:
    notes = release.date_changelog("9.1.0")
    dated = (tmp_path / "CHANGELOG.md").read_text()

    assert notes == "- New.\n\n"
    assert "(unreleased)" not in dated
    assert release.date_changelog("9.1.0") == notes
    assert (tmp_path / "CHANGELOG.md").read_text() == dated


def test_changelog_of_another_version_ends_the_release(release: ModuleType) -> None:
    release.date_changelog("9.1.0")

    with pytest.raises(SystemExit, match=r"no section 9\.2\.0"):
        release.date_changelog("9.2.0")
