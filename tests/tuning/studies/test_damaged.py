"""Damaged studies are kept aside; the search starts anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from rightfit.tuning.studies.study_store import StudyStore


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def overwrite(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"no database at all" * 500)


def empty(file: Path) -> None:
    file.unlink()
    file.touch()


@pytest.mark.parametrize("damage", [overwrite, empty, make_folder, Path.unlink])
def test_damaged_studies_are_set_aside(damage: Callable[[Path], object], tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    optuna.create_study(study_name="old", storage=store.open())
    store.bundle_folder("old", 0).mkdir(parents=True)
    damage(tmp_path / "studies.db")

    names = [study.study_name for study in optuna.get_all_study_summaries(store.open())]

    assert names == []
    assert not store.bundle_folder("old", 0).exists()
    assert len(list(tmp_path.glob("damaged/*/old/00000"))) == 1


def test_good_studies_are_left_alone(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "a ?#%20é", None)
    optuna.create_study(study_name="old", storage=store.open())

    again = StudyStore(tmp_path / "a ?#%20é", None).open()

    assert [study.study_name for study in optuna.get_all_study_summaries(again)] == ["old"]
    assert (tmp_path / "a ?#%20é" / "studies.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["a ?#%20é"]
