from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from stored import VERSION, Study

from rightfit.handover.contents import MEASURED_FILE
from rightfit.preparation.encoding import Encoder, apply_encoder
from rightfit.verbs.commands import verbs

Ask = Callable[..., Result]


@pytest.fixture
def ask(
    study: Study, open_catalog: Any, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """Run a verb in the project, on the study's data with its test rows."""
    monkeypatch.chdir(project_path)
    catalog = open_catalog(study.root, VERSION)
    encoded = apply_encoder(Encoder.model_validate(study.encoder), study.raw)
    catalog.save("landsat.test", encoded.with_columns(study.raw["label"]))
    catalog.save("landsat.rows", study.raw.with_columns(part=pl.lit("test")))

    def run(*arguments: str | Path) -> Result:
        place = ("--data-root", str(study.root), "--env", "test")
        return CliRunner().invoke(verbs, [str(part) for part in (*arguments, *place)])

    return run


def test_packed_candidates_are_taken_in_again(ask: Ask, study: Study, tmp_path: Path) -> None:
    packed = ask("pack", "--dataset", "landsat", tmp_path / "packed")
    out = tmp_path / "measured"
    measured = CliRunner().invoke(verbs, ["measure-bundles", str(tmp_path / "packed"), str(out)])
    taken = ask("import-profiles", out, "--name", "board")

    assert packed.exit_code == measured.exit_code == taken.exit_code == 0, measured.output
    assert "Packed 1 candidates of 1 datasets" in packed.output
    n_states = len(json.loads((out / MEASURED_FILE).read_text())["states"])
    assert f"Took in {n_states} measurements of board" in taken.output
    assert (study.root / "07_model_output" / "measurements" / "elsewhere-board.json").exists()


def test_folder_that_holds_something_is_not_packed_into(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")

    result = ask("pack", tmp_path)

    assert result.exit_code == 1
    assert "not an empty folder" in result.output


def test_unknown_dataset_is_not_packed(ask: Ask, tmp_path: Path) -> None:
    result = ask("pack", "--dataset", "moon", tmp_path / "packed")

    assert result.exit_code == 1
    assert "There is no dataset 'moon'" in result.output
