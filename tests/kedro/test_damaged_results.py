"""Damaged results of a whole run: each is noticed, and each error's advice leads to a cure."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rightfit.cli.verb_group import verbs
from rightfit.models.bundle import read_bundle
from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.run import RightfitSession

pytestmark = [pytest.mark.whole, pytest.mark.long]

GRID = {"datasets": "landsat", "models": "linear"}
ADVICE = re.compile(r"kedro run --pipelines (\w+)")
RECOMMENDATIONS = "08_reporting/recommendations.json/*/*.json"
WEIGHTS = "06_models/landsat/linear/candidates/*/candidates/*/weights.skops"
FINAL_WEIGHTS = "06_models/studies/landsat/linear/landsat.linear.*/*-rows-*/weights.skops"
TRIALS_WEIGHTS = "06_models/studies/landsat/linear/landsat.linear.*/*/weights.skops"
WINNER = ("-a", "accuracy_first", "-d", "landsat")


class Study:
    """A run of the project in a folder of its own, that a test may damage."""

    def __init__(self, project: Path, root: Path) -> None:
        self.project = project
        self.root = root

    def run(self, pipeline: str = "perf", **params: Any) -> None:
        given = {"data_root": str(self.root), "grid": GRID, **params}
        with RightfitSession.create(self.project, env="test", runtime_params=given) as session:
            session.run(pipeline_names=[pipeline])

    def restore(self) -> None:
        """Give it the results as they were before any damage."""
        shutil.rmtree(self.root)
        shutil.copytree(self.root.with_name("kept"), self.root)

    def ask(self, *arguments: str) -> Result:
        place = ("--data-root", str(self.root), "--env", "test")
        return CliRunner().invoke(verbs, [*arguments, *place])

    def find(self, pattern: str) -> Path:
        """Return the newest file of a pattern."""
        return sorted(self.root.glob(pattern))[-1]

    def follow(self, text: str) -> None:
        """Run the command that a message advises."""
        (pipeline,) = ADVICE.findall(text)
        self.run(pipeline)


@pytest.fixture(scope="module")
def whole(bootstrapped: Path, sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run, of which each test gets a fresh copy in the same place: that place is in the keys."""
    root = tmp_path_factory.mktemp("whole") / "data"
    (root / "01_raw").mkdir(parents=True)
    shutil.copy(sample_data / "landsat.parquet", root / "01_raw")
    study = Study(bootstrapped, root)
    study.run()
    shutil.copytree(root, root.with_name("kept"))
    return study


@pytest.fixture
def study(whole: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(whole.project)
    whole.restore()
    return whole


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_unnoticed(path: Path) -> None:
    """Change bytes, keeping size and time of change."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[20:30] = bytes(255 - byte for byte in content[20:30])
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def forge(path: Path) -> None:
    document = json.loads(path.read_text())
    document["accuracy_first"]["datasets"]["landsat"]["winner"]["candidate"] = "mine-000"
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("damage", [cut, empty, flip_unnoticed, forge])
def test_answer_of_a_damaged_ranking_is_refused_and_the_advice_cures(
    study: Study, damage: Callable[[Path], None]
) -> None:
    path = study.find(RECOMMENDATIONS)
    damage(path)

    refused = study.ask("which", *WINNER)
    study.follow(refused.output)

    assert refused.exit_code == 1
    assert "recommendations.json is not what the run wrote" in refused.output
    assert study.ask("which", *WINNER).exit_code == 0


@pytest.mark.parametrize(
    ("place", "pipeline"),
    [
        ("05_model_input/landsat/test.parquet", "evaluation"),
        ("06_models/landsat/linear/candidates", "evaluation"),
        ("07_model_output/resource_profiles.parquet", "ranking"),
        ("08_reporting/recommendations.json", "reporting"),
    ],
)
def test_run_that_begins_in_the_middle_refuses_a_damaged_input(
    study: Study, place: str, pipeline: str
) -> None:
    files = sorted(path for path in study.root.glob(f"{place}/*/**/*") if path.is_file())
    flip_unnoticed(files[-1])

    with pytest.raises(ConfigurationError, match=f"{files[-1].name} is not what the run wrote"):
        study.run(pipeline)


@pytest.mark.parametrize("too", [(), (TRIALS_WEIGHTS,)], ids=["candidate", "and its trial"])
def test_export_of_damaged_weights_is_refused_and_the_advice_cures(
    study: Study, tmp_path: Path, too: tuple[str, ...]
) -> None:
    for pattern in (WEIGHTS, *too):
        for path in study.root.glob(pattern):
            cut(path)

    refused = study.ask("export", *WINNER, str(tmp_path / "out"))
    study.follow(refused.output)
    exported = study.ask("export", *WINNER, str(tmp_path / "out"))

    assert refused.exit_code == 1
    assert "['weights.skops'] are missing, links, or do not match" in refused.output
    assert exported.exit_code == 0, exported.output


def test_incomplete_candidates_are_made_anew(study: Study, tmp_path: Path) -> None:
    study.find("06_models/landsat/linear/candidates/*/candidates/candidates.json").unlink()

    refused = study.ask("export", *WINNER, str(tmp_path / "out"))
    study.follow(refused.output)

    assert refused.exit_code == 1
    assert study.ask("export", *WINNER, str(tmp_path / "out")).exit_code == 0


def test_pipeline_refuses_a_damaged_input_and_the_advice_cures(study: Study) -> None:
    cut(study.find("07_model_output/resource_profiles.parquet/*/*.parquet"))

    with pytest.raises(ConfigurationError, match=r"profiles\.parquet is not what") as refused:
        study.run("ranking")
    study.follow(str(refused.value))
    study.run("ranking")

    assert len(str(refused.value).splitlines()) == 1


def test_damaged_raw_table_is_named_and_no_run_is_advised(study: Study) -> None:
    raw = study.root / "01_raw" / "landsat.parquet"
    cut(raw)

    with pytest.raises(ConfigurationError, match=r"raw table landsat in .* Restore") as refused:
        study.run()
    shutil.copy(study.root.with_name("kept") / "01_raw" / "landsat.parquet", raw)
    study.run()

    assert ADVICE.findall(str(refused.value)) == []


def test_damaged_model_that_has_learnt_validation_rows_is_trained_again(study: Study) -> None:
    final = study.find(FINAL_WEIGHTS)
    cut(final)
    cut(study.find(WEIGHTS))

    study.run("training")

    card = json.loads(study.find("05_model_input/landsat/data_card.json/*/*.json").read_text())
    bundle = read_bundle(final.parent, trust=True, family="linear")
    assert bundle.onnx is not None
    assert bundle.n_training_rows == card["n_rows"]["train"] + card["n_rows"]["validation"]
