"""``kedro new --starter rightfit`` lays down a thin project that is meant to be edited."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.command_forks import run_module
from harness.guides import read_blocks

import rightfit
from rightfit.measuring.rounds.lock import machine_lock

pytestmark = [pytest.mark.whole, pytest.mark.long]

MOST_FILES = 40
MOST_LINES = 1500
ANSWERS = {"project_name": "My Study", "rightfit_requirement": "rightfit", "sample_data": "yes"}


def run(command: list[str], folder: Path, **environment: str) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1", "COLUMNS": "160"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def kedro(folder: Path, *words: str) -> str:
    result = run_module("kedro", *words, folder=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def make_project(folder: Path, **answers: str) -> Path:
    (folder / "answers.yml").write_text(yaml.safe_dump(ANSWERS | answers))
    kedro(folder, "new", "--starter", "rightfit", "--config", "answers.yml")
    (project,) = (path for path in folder.iterdir() if path.is_dir())
    return project


@pytest.fixture(scope="module")
def my_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="module")
def bare_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without the sample data."""
    requirement = "rightfit @ file:///wheels/rightfit-9-py3-none-any.whl"
    return make_project(
        tmp_path_factory.mktemp("projects"),
        project_name="Bare Study",
        rightfit_requirement=requirement,
        sample_data="no",
    )


@pytest.fixture(scope="module")
def ran(my_study: Path) -> Path:
    """The study after a tiny run of the main job."""
    kedro(my_study, "run", "--env", "test")
    return my_study


def list_files(project: Path) -> list[Path]:
    return [path for path in project.rglob("*") if path.is_file() and path.suffix != ".parquet"]


def test_template_is_listed_and_knows_the_librarys_version(project_path: Path) -> None:
    listed = kedro(project_path, "starter", "list")
    recorded = json.loads(
        (project_path / "src/rightfit_kedro/template/cookiecutter.json").read_text()
    )

    assert "rightfit" in listed
    assert recorded["__library_version"] == rightfit.__version__
    assert rightfit.__version__ in recorded["rightfit_requirement"]


def test_project_is_thin(my_study: Path) -> None:
    files = list_files(my_study)

    assert len(files) <= MOST_FILES
    texts = [path.read_text() for path in files if path.suffix != ".ipynb"]  # stored with outputs
    assert sum(len(text.splitlines()) for text in texts) <= MOST_LINES


def test_project_bears_its_own_names(my_study: Path, bare_study: Path) -> None:
    for project in (my_study, bare_study):
        texts = {path: path.read_text() for path in list_files(project)}

        assert [path for path, text in texts.items() if "{{" in text or "{%" in text] == []
    assert (my_study / "README.md").read_text().startswith("# My Study\n")
    assert 'package_name = "bare_study"' in (bare_study / "pyproject.toml").read_text()
    assert (bare_study / "src" / "bare_study" / "pipeline_registry.py").is_file()


def test_requirement_and_version_are_recorded(bare_study: Path) -> None:
    pyproject = (bare_study / "pyproject.toml").read_text()

    assert '"rightfit @ file:///wheels/rightfit-9-py3-none-any.whl"' in pyproject
    assert f"template of {rightfit.__version__}" in pyproject


def test_editors_find_the_schema_that_files_of_parameters_name(my_study: Path) -> None:
    files = list((my_study / "conf").glob("*/parameters*.yml"))
    named = [re.match(r"# yaml-language-server: \$schema=(\S+)\n", f.read_text()) for f in files]
    schemas = {(f.parent / name[1]).resolve() for f, name in zip(files, named, strict=True) if name}

    assert len(files) > 5
    assert all(named)
    assert schemas == {my_study / "conf" / "rightfit.schema.json"}
    assert json.loads(schemas.pop().read_text())["properties"]["grid"]


def test_environment_brings_torch_only_where_the_grid_has_a_net(my_study: Path) -> None:
    grid = yaml.safe_load((my_study / "conf/base/parameters_grid.yml").read_text())["grid"]
    (extras,) = re.findall(r'"rightfit\[([a-z,]+)\]"', (my_study / "pyproject.toml").read_text())

    assert ("torch" in extras.split(",")) is bool({"net", "convnet"} & set(grid["models"]))


def test_sample_data_come_along_or_stay_out(my_study: Path, bare_study: Path) -> None:
    raw = {
        project.name: sorted(path.name for path in (project / "data" / "01_raw").iterdir())
        for project in (my_study, bare_study)
    }

    assert raw == {"my-study": ["README.md", "landsat.parquet"], "bare-study": ["README.md"]}


@pytest.mark.slow
def test_project_without_a_table_says_what_is_missing(bare_study: Path) -> None:
    result = run_module("kedro", "run", "--pipelines", "perf", folder=bare_study)

    assert result.returncode == 1
    assert "my_table.parquet" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("project", ["my_study", "bare_study"])
def test_own_tests_of_a_project_pass(project: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(project)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    summary = run(command, folder, OMP_NUM_THREADS="1").splitlines()[-1]

    assert " passed" in summary


@pytest.mark.slow
def test_package_of_a_project_runs_elsewhere(my_study: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(my_study / "data" / "01_raw", elsewhere / "data" / "01_raw")
    shutil.copytree(my_study / "conf", elsewhere / "settings")
    command = [sys.executable, "-m", "my_study", "--pipelines", "data_engineering"]

    run(
        [*command, "--env", "test", "--conf-source", "settings"],
        elsewhere,
        PYTHONPATH=os.pathsep.join([str(my_study / "src"), *sys.path]),
    )

    assert list((elsewhere / "data" / "05_model_input").rglob("*.parquet"))


@pytest.mark.slow
def test_three_kinds_of_machine_are_ranked_in_one_report(ran: Path, tmp_path: Path) -> None:
    """One core with limited memory by the command, and the packed program, beside this machine."""
    study = tmp_path / "fleet"
    shutil.copytree(ran, study)
    prices = {"this_machine": {"price_per_hour": 0.08}, "board": {"price_per_hour": 0.01}}
    (study / "conf/base/parameters_ranking.yml").write_text(
        yaml.safe_dump({"ranking": {"environments": prices | {"laptop": {}, "server": {}}}})
    )
    small = ["taskset", "--cpu-list", "0", "prlimit", f"--data={1536 * 2**20}", sys.executable]
    kedro(study, "rightfit", "remote", "pack", "packed", "--env", "test")
    run([*small, "-m", "rightfit", "remote", "measure", "packed", "on_board"], study)
    run([sys.executable, "packed/measure.py", "on_laptop"], study)
    for kind in ("board", "laptop"):
        kedro(study, "rightfit", "remote", "import", f"on_{kind}", "--name", kind, "--env", "test")
    kedro(study, "run", "--pipelines", "perf", "--env", "test")
    document = json.loads(
        max(study.glob("data/08_reporting/recommendations.json/*/*.json")).read_text()
    )
    fleet = document["batch"]["datasets"]["landsat"]["fleet"]
    members = {member["kind"]: member for member in fleet["kinds"]}

    assert [kind for kind in members if not members[kind]["is_measured"]] == ["server"]
    winners = [members[kind] for kind in ("this_machine", "board", "laptop")]
    assert [winner["serving"]["device"] for winner in winners] == ["cpu", "cpu@board", "cpu@laptop"]
    assert len({winner["metrics"]["throughput_rows_per_s"]["value"] for winner in winners}) == 3
    assert fleet["one_for_all"] is not None
    assert fleet["cheapest"] == "board"
    assert "The fleet" in (study / "data/08_reporting/report.md").read_text()


@pytest.mark.slow
def test_family_of_the_project_is_measured_exported_and_used(ran: Path, tmp_path: Path) -> None:
    import polars as pl

    (file,) = ran.glob("data/07_model_output/resource_profiles.parquet/*/*.parquet")
    own = pl.read_parquet(file).filter(pl.col("model") == "neighbours")
    (bundle, *_) = ran.glob("data/06_models/landsat/neighbours/candidates/*/*/*/bundle.json")
    use = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from rightfit.models.bundle import read_bundle;"
        "from rightfit.models.runtimes import open_predictor;"
        "bundle = read_bundle(Path(sys.argv[1]), trust=True, family='my_study.families.neighbours');"
        "rows = np.zeros((3, bundle.schema.n_features), dtype=np.float32);"
        "ask = open_predictor(bundle, runtime='native', n_threads=1, device='cpu');"
        "print(ask(rows).shape)"
    )

    answer = run([sys.executable, "-c", use, str(bundle.parent)], ran / "src")

    assert set(own["runtime"]) == {"native", "onnx"}
    assert own["latency_p50_ms"].null_count() == 0
    assert answer.split() == ["(3,", "6)"]
    manifest = json.loads(bundle.read_text())
    assert "my_study" not in bundle.read_text()
    assert manifest["model"] == "neighbours"


@pytest.mark.slow
def test_verbs_answer_for_the_project(ran: Path, tmp_path: Path) -> None:
    choice, place = ("-a", "quality_first"), ("--env", "test")

    which = kedro(ran, "rightfit", "which", *choice, *place)
    plan = kedro(ran, "rightfit", "plan", *place)
    kedro(ran, "rightfit", "export", *choice, "-d", "landsat", str(tmp_path), *place)

    assert "landsat" in which
    assert "landsat.neighbours: 1 candidate," in plan
    assert (tmp_path / "bundle" / "bundle.json").is_file()


@pytest.mark.slow
def test_tutorials_commands_run_in_a_new_project(
    ran: Path, project_path: Path, tmp_path: Path
) -> None:
    pages = {
        name: (project_path / "docs" / "tutorial" / f"{name}.md").read_text()
        for name in ("application", "serving")
    }
    (block,) = read_blocks(project_path / "docs" / "tutorial" / "application.md")
    file = ran / block.file
    before = file.read_text()
    file.write_text(before + block.text)
    lines = re.findall(
        r"^(?:kedro run|rightfit which|rightfit export) .*$", "".join(pages.values()), re.M
    )

    try:
        answers = [
            kedro(ran, *shlex.split(_in_kedro(line, tmp_path / "out")), "--env", "test")
            for line in lines
        ]
    finally:
        file.write_text(before)

    assert len(lines) == 4
    assert "sort each item before it has passed" in answers[1]
    assert (tmp_path / "out" / "usage.py").is_file()


def _in_kedro(line: str, out: Path) -> str:
    """Write a documented command as words behind ``kedro``, for what tiny budgets always find."""
    always = line.replace("interactive", "quality_first")
    return always.removeprefix("kedro ").replace(" out/", f" {out}")


@pytest.mark.slow
def test_library_of_a_higher_version_finds_the_searches_again(ran: Path) -> None:
    newer = (
        "import sys, rightfit; rightfit.__version__ = '9.0.0';"
        "from kedro.framework.cli import main; sys.argv = ['kedro', *sys.argv[1:]]; main()"
    )
    searches = sorted(ran.glob("data/06_models/studies/*/*/*/*/bundle.json"))

    run([sys.executable, "-c", newer, "run", "--env", "test"], ran)

    assert sorted(ran.glob("data/06_models/studies/*/*/*/*/bundle.json")) == searches


def test_study_waits_for_the_timing_of_another_one_on_the_same_host(my_study: Path) -> None:
    timing = (
        "import time; from rightfit.measuring.rounds.lock import machine_lock\n"
        "def wait(seconds): print('waiting', flush=True); time.sleep(seconds)\n"
        "with machine_lock(sleep=wait): print('timing', flush=True)"
    )

    with machine_lock():  # this process stands for the other study
        study = subprocess.Popen(
            [sys.executable, "-c", timing], cwd=my_study, stdout=subprocess.PIPE, text=True
        )
        assert study.stdout is not None
        first = study.stdout.readline()
    rest, _ = study.communicate()

    assert first == "waiting\n"
    assert rest.endswith("timing\n")
