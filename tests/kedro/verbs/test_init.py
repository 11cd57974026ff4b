from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from rightfit.cli.verb_group import verbs
from rightfit.params.defaults import read_default
from rightfit_kedro.grid import read_grid
from rightfit_kedro.json_schema import EDITOR_COMMENT
from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.verbs.init import plan_files
from rightfit_search.searching.training_params import SEARCH

pytestmark = pytest.mark.whole

BLOCK = "  iris:\n    tables: [iris]\n    target: {column: variety}\n"


def plan(folder: Path, **parameters: Any) -> dict[str, str]:
    files = plan_files(folder, parameters, dataset="iris", block=BLOCK)
    return {file.path.name: file.kept_because or file.text for file in files}


def test_planned_files_make_a_grid(tmp_path: Path) -> None:
    texts = plan(tmp_path)

    schema = json.loads(texts.pop("rightfit.schema.json"))
    parameters: dict[str, Any] = {}
    for text in texts.values():
        parameters |= yaml.safe_load(text)
    grid = read_grid(complete_parameters(parameters))
    assert list(texts) == [
        f"parameters_{name}.yml" for name in ("grid", "datasets", "applications")
    ]
    assert grid.tables == {"iris": ("iris",)}
    assert set(schema["properties"]) >= set(parameters)
    assert {text.partition("\n")[0] for text in texts.values()} == {EDITOR_COMMENT.strip()}
    assert grid.families["forest"] == "forest"
    assert "interactive" in parameters["applications"]


def test_new_grid_names_every_model_of_the_library(tmp_path: Path, project_path: Path) -> None:
    template = next(
        project_path.glob("src/rightfit_kedro/template/*/conf/base/parameters_grid.yml")
    )

    for text in (plan(tmp_path)["parameters_grid.yml"], template.read_text()):
        assert set(read_default("models", SEARCH)) - set(re.findall(r"\w+", text)) == set()


def test_files_and_blocks_that_exist_are_kept(tmp_path: Path) -> None:
    (tmp_path / "parameters_grid.yml").write_text("")
    own = {"web": {"objectives": {}}}

    planned = plan(tmp_path, applications=own)

    assert planned["parameters_grid.yml"] == "it exists"
    assert planned["parameters_applications.yml"] == "the parameter applications exists"
    assert "iris" in planned["parameters_datasets.yml"]


@pytest.mark.parametrize(
    "own",
    [
        {"training": {"lr": 0.1}},
        {"models": ["a", "b"]},
        {"datasets": {"iris": {"path": "iris.csv"}}},
        {"grid": 3},
    ],
)
def test_names_that_mean_something_else_are_refused(tmp_path: Path, own: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"parameters \['{next(iter(own))}'\] of its own"):
        plan(tmp_path, **own)


def test_changed_values_of_the_library_are_no_names_of_something_else(tmp_path: Path) -> None:
    own = {"training": {"n_trials": 3}, "models": {"forest": {"space": {}}}, "model_options": 1}

    assert plan(tmp_path, **own)


def test_file_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    link = tmp_path / "base" / "parameters_grid.yml"
    link.symlink_to("/proc/nobody/writes/here")
    monkeypatch.chdir(project_path)

    result = CliRunner().invoke(verbs, ["init", "--conf-source", str(tmp_path)])

    assert result.exit_code == 1
    assert f"Error: cannot write {link}: No such file or directory\n" in result.output


def test_dataset_that_is_described_already_is_told_with_its_file(
    tmp_path: Path, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "base" / "parameters_study.yml"
    path.parent.mkdir()
    path.write_text("datasets: {houses: {tables: [homes], target: {column: price}}}\n")
    monkeypatch.chdir(project_path)
    options = ["--conf-source", str(tmp_path), "--dataset", "houses", "--target", "price"]

    result = CliRunner().invoke(verbs, ["init", "--dry-run", *options])

    assert result.exit_code == 0
    assert f"houses is described already, below datasets in {path}\n" in result.output
    assert "What is inferred cannot be shown: The table homes cannot be loaded." in result.output
    assert "parameters_grid.yml" in result.output


def test_a_dry_run_shows_what_is_inferred_of_a_dataset_that_is_described(
    tmp_path: Path, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "base" / "parameters_datasets.yml"
    path.parent.mkdir()
    path.write_text(
        "datasets: {homes: {tables: [homes, towns], target: {column: price}, "
        "joins: [{table: towns, keys: [town], columns: [height]}]}}\n"
    )
    raw = tmp_path / "data" / "01_raw"
    raw.mkdir(parents=True)
    table = pl.DataFrame({"size": range(60), "town": ["a", "b"] * 30})
    table.with_columns(price=pl.col("size") * 1.5).sample(
        fraction=1, shuffle=True, seed=0
    ).write_parquet(raw / "homes.parquet")
    pl.DataFrame({"town": ["a", "b"], "height": [1, 9]}).write_parquet(raw / "towns.parquet")
    monkeypatch.chdir(project_path)
    options = ["--conf-source", str(tmp_path), "--data-root", str(tmp_path / "data")]

    result = CliRunner().invoke(
        verbs, ["init", "--dry-run", "-d", "homes", "-t", "price", *options]
    )

    assert result.exit_code == 0
    shown = result.output.partition("it is:\n")[2].partition("would be")[0]
    block = yaml.safe_load(shown)["homes"]
    assert set(block["schemas"]) == {"homes", "towns"}
    assert block["task"] == "regression"
    assert path.read_text().count("\n") == 1
