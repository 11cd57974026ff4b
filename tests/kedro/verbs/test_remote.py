from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from factories.studies import Study

from rightfit.cli.verb_group import verbs
from rightfit_deploy.remote.documents import MEASURED_FILE

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]


def test_packed_candidates_are_taken_in_again(
    ask_with_rows: Ask, study: Study, tmp_path: Path
) -> None:
    packed = ask_with_rows("remote", "pack", "--dataset", "landsat", tmp_path / "packed")
    out = tmp_path / "measured"
    measured = CliRunner().invoke(verbs, ["remote", "measure", str(tmp_path / "packed"), str(out)])
    taken = ask_with_rows("remote", "import", out, "--name", "board")

    assert packed.exit_code == measured.exit_code == taken.exit_code == 0, measured.output
    assert "Packed 1 candidate of 1 dataset into" in packed.output
    n_states = len(json.loads((out / MEASURED_FILE).read_text())["states"])
    assert f"Imported {n_states} measurements of board" in taken.output
    assert (study.root / "07_model_output" / "measurements" / "elsewhere-board.json").exists()


def test_folder_that_holds_something_is_not_packed_into(ask_with_rows: Ask, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")

    result = ask_with_rows("remote", "pack", tmp_path)

    assert result.exit_code == 1
    assert "not an empty folder. Name another one. (Only an export may be" in result.output


def test_unknown_dataset_is_not_packed(ask_with_rows: Ask, tmp_path: Path) -> None:
    result = ask_with_rows("remote", "pack", "--dataset", "moon", tmp_path / "packed")

    assert result.exit_code == 1
    assert "There is no dataset 'moon'" in result.output


def test_a_pack_without_candidates_is_refused(
    ask_with_rows: Ask, study: Study, tmp_path: Path
) -> None:
    for folder in (study.root / "06_models" / "landsat").iterdir():
        shutil.rmtree(folder)

    result = ask_with_rows("remote", "pack", "--dataset", "landsat", tmp_path / "packed")

    assert result.exit_code == 1
    assert "There is nothing to pack" in result.output
    assert not (tmp_path / "packed").exists()
