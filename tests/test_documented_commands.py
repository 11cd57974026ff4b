"""Every command in the documentation works: run here on a tiny study, or run by a named test.

A command line is a line of a fenced ``bash`` block in README.md, CONTRIBUTING.md or a page of docs.
``kedro run …`` and ``rightfit …`` lines are executed here as they stand, with tiny budgets and a
data folder of their own. Any other line needs an entry in ``ELSEWHERE``.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from harness.command_forks import run_module

PROJECT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/[!r]*/**/*.md", "docs/*.md")
BLOCK = re.compile(r"^```bash[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
BY_HAND = "by hand: "
AIRFLOW_TEST = (
    "tests/kedro/airflow/test_airflow.py"
    "::test_test_command_ends_well_with_all_data_in_an_object_store"
)
AIRFLOW_RUNS = (
    "tests/kedro/airflow/test_airflow.py::test_two_runs_at_once_end_well_although_a_task_is_killed"
)

TUTORIAL_TEST = (
    "tests/kedro/template/test_template.py::test_tutorials_commands_run_in_a_new_project"
)

# pattern of a command line -> test that runs it, or why it is only carried out by hand
ELSEWHERE = {
    "pip install dagster *": BY_HAND + "it needs an environment of its own",
    "dagster * -f rightfit_dagster.py*": BY_HAND + "it needs Dagster",
    "make perf": "tests/test_end_to_end.py::test_profiles_hold_every_cell_in_both_runtimes",
    "make test": BY_HAND + "it runs such tests",
    "make viz": ("tests/test_documented_commands.py::test_static_copy_of_kedro_viz_is_built"),
    "rightfit which --application conveyor": TUTORIAL_TEST,
    "rightfit explain *": "tests/kedro/verbs/test_explain.py::test_each_application_says_why",
    "kedro run --pipelines ranking --params applications.conveyor.*": TUTORIAL_TEST,
    "rightfit export --application interactive *": TUTORIAL_TEST,
    "kedro run --pipelines perf --params grid.datasets=orchard": (
        "tests/guides/test_your_own.py::test_ranking_contains_what_the_guide_brought"
    ),
    "kedro rightfit plan": (
        "tests/kedro/template/test_template.py::test_verbs_answer_for_the_project"
    ),
    "kedro viz build --include-hooks --include-previews": (
        "tests/test_documented_commands.py::test_static_copy_of_kedro_viz_is_built"
    ),
    "kedro package": "tests/test_packaging.py::test_wheel_runs_elsewhere_with_its_configuration",
    "rightfit run-server *": "tests/test_server.py::test_server_ranks_on_demand",
    "curl -X POST http://127.0.0.1:8000/run *": (
        "tests/test_server.py::test_server_ranks_on_demand"
    ),
    "rightfit serve *": "tests/deploy/test_server.py::test_answers_are_those_of_the_bundle",
    "curl http://127.0.0.1:8000/predict *": (
        "tests/deploy/test_server.py::test_answers_are_those_of_the_bundle"
    ),
    "python -m pytest tests/test_extra_trees.py": (
        "tests/guides/test_your_own.py::test_family_of_the_guide_keeps_its_promises"
    ),
    "rightfit load-test *": "tests/deploy/http_load/test_curve.py::test_curve_finds_the_capacity",
    "rightfit check --against baseline.json*": (
        "tests/kedro/verbs/test_check.py::test_worse_winner_fails_and_says_by_how_much"
    ),
    "rightfit size *": "tests/kedro/verbs/test_check.py::test_size_needs_a_measured_rate_or_a_load",
    'python -c "import polars; *': BY_HAND + "writes raw rows of a sample, for the next one",
    "rightfit remote pack *": (
        "tests/kedro/verbs/test_remote.py::test_packed_candidates_are_taken_in_again"
    ),
    "dask scheduler": (
        "tests/search/searching/parallel/test_dask_workers.py::test_tasks_of_killed_workers_are_given_out_again"
    ),
    "dask worker *": (
        "tests/search/searching/parallel/test_dask_workers.py::test_tasks_of_killed_workers_are_given_out_again"
    ),
    "pip install -r requirements.txt": BY_HAND + "four libraries by name, see the next",
    "python measure.py ../measured": (
        "tests/deploy/remote/test_remote.py::test_profiles_of_candidates_measured_elsewhere_stand_beside_ours"
    ),
    "rightfit remote import *": (
        "tests/kedro/verbs/test_remote.py::test_packed_candidates_are_taken_in_again"
    ),
    "rightfit measure model.onnx *": (
        "tests/core/cli/test_measure.py::test_profile_has_intervals_and_writes_nothing"
    ),
    "optuna-dashboard *": BY_HAND + "it serves until it is ended",
    "pip install '.[[]*'": BY_HAND + "changes an environment; see make test-lowest",
    "pip install 'rightfit[[]*'": BY_HAND + "changes an environment; see make test-lowest",
    "mlflow ui *": BY_HAND + "needs the extra mlflow",
    "make bench-peers*": (
        BY_HAND + "hours; tests/benchmarks/test_peer_judging.py judges what is stored"
    ),
    "make bench-distil*": (
        BY_HAND + "ten CPU minutes; tests/benchmarks/test_distil.py sums up given gains"
    ),
    "git worktree add before *": BY_HAND + "sources of an earlier version for make bench-peers",
    "make airflow": BY_HAND
    + "make package, then what tests/kedro/airflow/test_generate_dag.py runs",
    "make airflow-env": BY_HAND + ".ci/run makes the environment of the tests in tests/deploy",
    "airflow db migrate": AIRFLOW_TEST,
    "airflow dags test rightfit-project-perf": AIRFLOW_TEST,
    "airflow pools set rightfit_timing 1 timing": AIRFLOW_RUNS,
    "airflow dags trigger rightfit-project-perf": AIRFLOW_RUNS,
    ".venv/bin/python -m pytest -m airflow": BY_HAND + "it runs the tests in tests/deploy",
    "kedro new --starter rightfit": (
        "tests/kedro/template/test_template.py::test_project_bears_its_own_names"
    ),
    "kedro rightfit init *": (
        "tests/kedro/adoption/test_adoption.py::test_init_shows_or_writes_but_never_overwrites"
    ),
}

# Added to every command: one cell, of the one family that all pipelines know.
TINY = {"grid.datasets": "[landsat]", "grid.models": "[net]", "training.n_trials": "2"}
TINY_OF = {"early_stopping": {"grid.models": "[linear]"}}  # each measuring would export a net
FIRST = "kedro run --pipelines perf --params data_root=/mnt/study"


def find_commands() -> Iterator[tuple[str, str]]:
    """Yield (document, command line), comments removed and continued lines joined."""
    for pattern in DOCUMENTS:
        for document in sorted(PROJECT.glob(pattern)):
            for block in BLOCK.findall(document.read_text(encoding="utf-8")):
                for line in block.replace("\\\n", " ").splitlines():
                    command = re.sub(r"(^|\s+)#\s.*$", "", line).strip()
                    if command:
                        yield str(document.relative_to(PROJECT)), command


def is_executed_here(command: str) -> bool:
    return command.startswith(("kedro run", "rightfit "))


def find_elsewhere(command: str) -> str | None:
    return next((who for pattern, who in ELSEWHERE.items() if fnmatchcase(command, pattern)), None)


COMMANDS = sorted(set(find_commands()), key=lambda found: (found[1] != FIRST, found))
HERE = sorted({c for _, c in COMMANDS if not find_elsewhere(c)} - {FIRST})


class TinyStudy:
    """Runs command lines of the documentation on a data folder of its own."""

    def __init__(self, root: Path, out: Path) -> None:
        self.root = root
        self.out = out

    def run(self, command: str) -> str:
        words = shlex.split(command)
        is_run = words[0] == "kedro" or words[1].startswith("--")
        arguments = self._kedro(words) if is_run else self._rightfit(words)
        result = run_module(*arguments, folder=PROJECT)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def _kedro(self, words: list[str]) -> list[str]:
        given = {}
        if "--params" in words:
            place = words.index("--params")
            given = dict(pair.split("=", 1) for pair in words[place + 1].split(","))
            words = words[:place] + words[place + 2 :]
        params = TINY | given | {"data_root": str(self.root)}
        params |= TINY_OF.get(words[-1], {})
        joined = ",".join(f"{name}={value}" for name, value in params.items())
        return [*words, "--env", "test", "--params", joined]

    def _rightfit(self, words: list[str]) -> list[str]:
        named = [str(self.out) if word == "out/" else word for word in words]
        return [*named, "--env", "test", "--data-root", str(self.root)]


@pytest.fixture(scope="module")
def study(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    root = tmp_path_factory.mktemp("study")
    (root / "01_raw").symlink_to(sample_data)
    study = TinyStudy(root, tmp_path_factory.mktemp("export") / "out")
    study.run(FIRST)
    return study


@pytest.mark.long
@pytest.mark.whole
@pytest.mark.slow
def test_first_command_makes_a_whole_study(study: TinyStudy) -> None:
    assert FIRST in {command for _, command in COMMANDS}
    assert list(study.root.glob("08_reporting/report.html"))


@pytest.mark.long
@pytest.mark.whole
@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in HERE if is_executed_here(c)])
def test_documented_command_runs(study: TinyStudy, command: str) -> None:
    study.run(command)


@pytest.mark.long
@pytest.mark.whole
@pytest.mark.slow
def test_static_copy_of_kedro_viz_is_built(study: TinyStudy, tmp_path: Path) -> None:
    for name in ("conf", "src"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "data").symlink_to(study.root)

    built = subprocess.run(
        [sys.executable, "-m", "kedro", "viz", "build", "--include-hooks", "--include-previews"],
        cwd=tmp_path,  # it writes into the project's folder
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1", "KEDRO_ENV": "test"},
        check=True,
        capture_output=True,
        text=True,
    )

    shown = json.loads((tmp_path / "build" / "api" / "pipelines" / "perf").read_text())
    layers = {node["name"]: node["layer"] for node in shown["nodes"] if "layer" in node}
    assert (tmp_path / "build" / "index.html").is_file()
    assert layers["landsat_front_chart"] == "reporting"
    assert layers["landsat.train"] == "model_input"
    assert "TypeError" not in built.stdout + built.stderr  # all that is stored can be previewed


@pytest.mark.parametrize(("document", "command"), COMMANDS)
def test_every_documented_command_is_run_by_a_test(document: str, command: str) -> None:
    who = find_elsewhere(command)

    assert who or is_executed_here(command), (
        f"{document} shows the command {command!r}, which no test runs. Add it to ELSEWHERE in "
        f"{Path(__file__).name} with the test that runs it."
    )


@pytest.mark.parametrize("who", sorted(set(ELSEWHERE.values())))
def test_tests_that_run_documented_commands_exist(who: str) -> None:
    if who.startswith(BY_HAND):
        return
    file, _, name = who.partition("::")

    found = ast.walk(ast.parse((PROJECT / file).read_text(encoding="utf-8")))

    names = {node.name for node in found if isinstance(node, ast.FunctionDef)}
    assert not name or name in names


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_no_entry_is_left_of_a_command_no_longer_shown(pattern: str) -> None:
    assert any(fnmatchcase(command, pattern) for _, command in COMMANDS)
