"""A wrong block ends the command with one message that names the key and shows what is right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from harness.guides import copy_project, read_guide

from rightfit_kedro.hooks import ConfigurationError
from rightfit_kedro.run import RightfitSession

pytestmark = [pytest.mark.whole, pytest.mark.long]

DATASETS = "base/parameters_datasets.yml"
APPLICATIONS = "base/parameters_applications.yml"
MODELS = "base/parameters_models.yml"
GRID = "test/parameters_grid.yml"


@pytest.fixture(scope="module")
def followed(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration after following the guide, on the guide's dataset alone."""
    copy = copy_project(project_path, tmp_path_factory.mktemp("followed"))
    for block in read_guide(project_path):
        block.apply(copy)
    grid = {"datasets": ["orchard"], "models": ["boosting"]}
    (copy / "conf" / GRID).write_text(yaml.safe_dump({"grid": grid}))
    return copy / "conf"


def run(project: Path, conf: Path) -> None:
    data_root = {"data_root": str(conf.parent)}
    with RightfitSession.create(
        project, env="test", conf_source=str(conf), runtime_params=data_root
    ) as session:
        session.run(pipeline_names=["training"])


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        (
            DATASETS,
            "quality: {name: accuracy, worst: 0.33, best: 1.0}",
            "quality: {name: acuracy, worst: 0.33, best: 1.0}",
            r"datasets\.orchard: quality\.name: there is no metric 'acuracy'; did you mean 'acc",
        ),
        (
            DATASETS,
            "target: {column: variety}",
            "",
            r"datasets\.orchard\.target is missing; landsat has|"
            r"datasets\.orchard\.target is missing; fl",
        ),
        (
            DATASETS,
            "target: {column: variety}",
            "target: {column: variety, classes: [yes, no]}",
            r'datasets\.orchard\.target\.classes\.0: .* quote them, as in \["no", "yes"\]',
        ),
        (
            DATASETS,
            "{column: variety}\n    task: classification",
            "{column: variety}\n    task: regression",
            r"datasets\.orchard: quality\.name: the metric accuracy is one of classification, but",
        ),
        (
            DATASETS,
            "licence: ours",
            "license: ours",
            r"datasets\.orchard\.license is unknown; did you mean 'licence'\?",
        ),
        (
            DATASETS,
            "min_rows: 900",
            "min_rows: many",
            r"datasets\.orchard\.schemas\.orchard\.min_rows: .* whole .*; landsat has min_rows: 6",
        ),
        (
            DATASETS,
            "      orchard:\n        min_rows: 900",
            "      orchards:\n        min_rows: 900",
            r"datasets\.orchard: schemas describes \['orchards'\], but the tables are \['orch",
        ),
        (
            DATASETS,
            "tables: [orchard]",
            "",
            r"datasets\.orchard\.tables must name the catalog entries.* tables: \[orchard\]",
        ),
        (
            GRID,
            "- boosting",
            "- extra_trees",
            r"no module 'my_study\.extra_trees' to hold a model family .*parameters_models\.yml",
        ),
        (GRID, "- boosting", "- bosting", r"grid\.models names \['bosting'\], described are"),
        (
            MODELS,
            "models:\n",
            "models:\n  boosting: {space: {max_leaf_nodes: {type: int, low: 7, high: null}}}\n",
            r"models\.boosting\.space\.max_leaf_nodes\.int\.high: must be a whole number",
        ),
        (
            APPLICATIONS,
            "latency_p50_ms: {weight: 1, worst: 50",
            "latency_p50: {weight: 1, worst: 50",
            r"^applications\.sorting_line\.objectives\.latency_p50 is no metric "
            r"\(did you mean 'latency_p50_ms'\?\)\. Correct parameters_applications\.yml\.$",
        ),
        (
            APPLICATIONS,
            "latency_p50_ms: {weight: 1, worst: 50",
            "latency_p05_ms: {weight: 1, wrost: 50",
            r"^applications\.sorting_line\.objectives\.latency_p05_ms is no metric "
            r"\(did you mean 'latency_p50_ms'\?\)\. Correct parameters_applications\.yml\.\n"
            r"applications\.sorting_line\.objectives\.latency_p05_ms\.wrost is unknown; "
            r"did you mean 'worst'\? Correct parameters_applications\.yml\.$",
        ),
        (
            APPLICATIONS,
            "latency_p50_ms: {weight: 1, worst: 50",
            "latency_p50_ms: {weight: 1, wrost: 50",
            r"^applications\.sorting_line\.objectives\.latency_p50_ms\.wrost is unknown; "
            r"did you mean 'worst'\? Correct parameters_applications\.yml\.$",
        ),
        (
            APPLICATIONS,
            "latency_p95_ms: {max: 100}",
            "latency_p95_ms: {maximum: 100}",
            r"sorting_line\.constraints\.latency_p95_ms\.maximum is unknown; did you mean 'max'",
        ),
    ],
)
def test_wrong_block_is_refused_with_the_right_form(
    followed: Path,
    bootstrapped: Path,
    tmp_path: Path,
    file: str,
    right: str,
    wrong: str,
    message: str,
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(followed, conf)
    text = (conf / file).read_text()
    assert text.count(right) == 1
    (conf / file).write_text(text.replace(right, wrong))

    with pytest.raises(ConfigurationError, match=message):
        run(bootstrapped, conf)


def test_faults_of_all_datasets_are_named_at_once(
    followed: Path, bootstrapped: Path, tmp_path: Path
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(followed, conf)
    text = (conf / DATASETS).read_text()
    text = text.replace("seed: 1993", "sed: 1993").replace("licence: ours", "license: ours")
    (conf / DATASETS).write_text(text)
    grid = {"datasets": ["landsat", "orchard"], "models": ["boosting"]}
    (conf / GRID).write_text(yaml.safe_dump({"grid": grid}))

    with pytest.raises(
        ConfigurationError,
        match=r"(?s)landsat\.sed is unknown; did you mean 'seed'.*orchard\.license is unknown",
    ):
        run(bootstrapped, conf)


def test_missing_table_is_named(followed: Path, bootstrapped: Path, tmp_path: Path) -> None:
    params = {"data_root": str(tmp_path)}
    with (
        RightfitSession.create(
            bootstrapped, env="test", conf_source=str(followed), runtime_params=params
        ) as session,
        pytest.raises(ConfigurationError, match=r"Raw files are missing: .*01_raw/orchard\.csv"),
    ):
        session.run(pipeline_names=["data_engineering"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("fil: models/apples.onnx", r"models\.incumbent\.fil is unknown; did you mean 'file'\?"),
        (
            "file: models/apples.exe",
            r"models\.incumbent: there is no file .*apples\.exe\. Correct parameters_models\.yml",
        ),
        (
            "file: models/pears.onnx",
            r"models\.incumbent: there is no file .*pears\.onnx\. Correct parameters_models\.yml",
        ),
    ],
)
def test_wrong_file_is_refused(
    followed: Path, bootstrapped: Path, tmp_path: Path, wrong: str, message: str
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(followed, conf)
    models = conf / MODELS
    models.write_text(models.read_text().replace("file: models/apples.onnx", wrong))
    grid = {"datasets": ["orchard"], "models": ["incumbent"]}
    (conf / GRID).write_text(yaml.safe_dump({"grid": grid}))

    with pytest.raises(ConfigurationError, match=message):
        run(bootstrapped, conf)
