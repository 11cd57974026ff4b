from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import kedro.framework.project
import polars as pl
import pytest
from click.testing import CliRunner, Result
from factories.studies import LATER, VERSION, Study, make_measured, rank
from harness.python_programs import run_python

import rightfit
from rightfit.__main__ import main
from rightfit._core.plugins import find_plugins
from rightfit.cli.verb_group import GROUP, SECTIONS, list_verbs, load_verb, verbs
from rightfit.models.bundle import read_bundle
from rightfit.ranking.explanation.decisions import write_recommendations

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]
UNWANTED = {
    *("torch", "sklearn", "optuna", "plotly", "onnxruntime", "matplotlib"),
    *("numpy", "pandas", "pyarrow"),
}


def test_which_says_winner_runner_up_and_how_it_was_measured(ask: Ask) -> None:
    result = ask("which", "--application", "web_api")

    assert result.exit_code == 0
    assert "answer a page" in result.output
    assert "\nlinear-000 (onnx, 1 thread) fits landsat best" in result.output
    assert "RF002" not in result.output
    assert re.search(r"^  quality +accuracy 0\.850 ", result.output, re.MULTILINE)
    assert "run of 2026-01-02 03:04 UTC, on Hand-made CPU, 2 cores, 8 GiB" in result.output


def test_which_of_no_application_shows_the_table_of_winners(ask: Ask) -> None:
    result = ask("which")

    assert result.exit_code == 0
    assert "Which model fits" in result.output
    assert "linear-000 onnx" in result.output
    assert "none qualifies" in result.output  # of the dreamer
    assert {one["application"] for one in json.loads(ask("which", "--json").output)} == {
        *("web_api", "dreamer"),
    }
    assert "needs an --application" in ask("which", "-d", "landsat").output


def test_report_prints_the_path_of_the_latest(ask: Ask, study: Study, open_catalog: Any) -> None:
    missing = ask("report")
    for version, text in ((VERSION, "<p>first"), (LATER, "<p>latest")):
        open_catalog(study.root, version).save("report", text)
    path = Path(ask("report").output.strip())

    assert "No run has written report" in missing.output
    assert path == study.root / "08_reporting" / "report.html"
    assert path.read_text() == "<p>latest"
    assert len(list(study.root.glob("08_reporting/reports/report.html/*/report.html"))) == 2


def test_report_without_its_latest_file_is_found_by_its_version(
    ask: Ask, study: Study, open_catalog: Any
) -> None:
    open_catalog(study.root, VERSION).save("report", "<p>")
    (study.root / "08_reporting" / "report.html").unlink()

    assert Path(ask("report").output.strip()).parent.name == VERSION


def test_report_older_than_the_ranking_says_so_beside_its_path(
    ask: Ask, study: Study, open_catalog: Any
) -> None:
    open_catalog(study.root, VERSION).save("report", "<p>")
    current = ask("report")
    open_catalog(study.root, LATER).save("rankings", pl.DataFrame({"rank": [1]}))
    outdated = ask("report")

    assert current.stderr == ""
    assert "kedro run --pipelines reporting" in outdated.stderr
    assert outdated.stdout == current.stdout


def test_which_warns_of_disturbed_and_unranked_profiles(
    ask: Ask, study: Study, open_catalog: Any
) -> None:
    catalog = open_catalog(study.root, LATER)
    catalog.save("resource_profiles", make_measured(study.bundle, disturbed=True))
    unranked = ask("which", "-a", "web_api")
    catalog.save("recommendations", json.loads(_newest(study, "recommendations.json").read_text()))
    ranked = ask("which", "-a", "web_api")
    (answer,) = json.loads(ask("which", "-a", "web_api", "--json").output)

    assert "Profiles of 2026-01-03 00:00 UTC are not ranked yet" in unranked.output
    assert answer["disturbed"] is True
    assert "not ranked yet" not in ranked.output


def test_which_names_the_nearest_miss_and_what_would_let_it_qualify(ask: Ask) -> None:
    result = ask("which", "-a", "dreamer", "-d", "landsat")

    assert result.exit_code == 0
    assert "No candidate qualifies for landsat. The nearest, linear-000" in result.output
    assert "with latency p50 at most 0.01 ms instead of 0.001 ms" in result.output


def test_which_answers_programs_in_json(ask: Ask) -> None:
    (answer,) = json.loads(ask("which", "-a", "web_api", "-d", "landsat", "--json").output)

    assert answer["outcome"] == "winner"
    assert answer["winner"]["candidate"] == "linear-000"
    assert answer["disturbed"] is False
    assert answer["environment"]["cpu"] == "Hand-made CPU"
    assert answer["measured_in"].startswith("2026-01-02")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("which", "-a", "nobody"), "no application 'nobody'"),
        (("which", "-a", "web_api", "-d", "nothing"), "no dataset 'nothing'"),
        (("export", "-a", "dreamer", "-d", "landsat", "out"), "Nothing to export for dreamer"),
    ],
)
def test_faults_are_one_line(
    ask: Ask, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    command = [tmp_path / part if part == "out" else part for part in arguments]

    result = ask(*command)

    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_no_results_yet_names_the_command(
    project_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_path)

    result = CliRunner().invoke(verbs, ["which", "-a", "web_api", "--data-root", str(tmp_path)])

    assert result.exit_code == 1
    assert "Run: kedro run --pipelines perf" in result.output


def test_export_writes_a_folder_once(ask: Ask, tmp_path: Path) -> None:
    command = ("export", "-a", "web_api", "-d", "landsat", tmp_path / "out")
    first, second, forced = ask(*command), ask(*command), ask(*command, "--force")

    assert first.exit_code == 0, first.output
    assert "RF002" not in first.output
    assert second.exit_code == 1
    assert "--force" in second.output
    assert forced.exit_code == 0


def test_export_writes_the_model_that_was_measured(
    ask: Ask, study: Study, open_catalog: Any, tmp_path: Path
) -> None:
    command = ("export", "-a", "web_api", "-d", "landsat", tmp_path / "out")
    measured = ask(*command)
    bundle = read_bundle(tmp_path / "out" / "bundle")
    profiles = make_measured(study.bundle).with_columns(model_sha256=pl.lit("0" * 64))
    catalog = open_catalog(study.root, LATER)
    catalog.save("resource_profiles", profiles)
    catalog.save("recommendations", write_recommendations(rank(profiles)))
    other = ask(*command, "--force")

    assert measured.exit_code == 0, measured.output
    assert bundle.weights_sha256 == study.bundle.weights_sha256
    assert other.exit_code == 1
    assert "its weights are not those that were measured" in other.output


def test_studies_prints_where_a_cell_s_searches_are(ask: Ask, study: Study) -> None:
    empty = ask("studies", "landsat.linear")
    file = study.root / "06_models" / "studies" / "landsat" / "linear" / "studies.journal"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    assert "No search has been kept" in empty.output
    assert ask("studies", "landsat.linear").output == f"{file}\n"
    assert "name one of: landsat.linear" in ask("studies").output
    assert "No search of landsat.net" in ask("studies", "landsat.net").output


def test_which_starts_without_heavy_libraries(study: Study, project_path: Path) -> None:
    place = ("--data-root", study.root, "--env", "test")
    result = start("which", "-a", "web_api", "--json", *place, project=project_path)

    (answer,) = json.loads(result.stdout)  # no line of Kedro's log before it
    assert answer["winner"]["candidate"] == "linear-000"
    assert UNWANTED.isdisjoint(result.stderr.split())


def test_help_of_a_number_without_bounds_names_no_bounds() -> None:
    shown = CliRunner().invoke(verbs, ["init", "--help"]).output

    assert "--at-least NUMBER" in shown
    assert "None" not in shown


def test_help_starts_without_heavy_libraries(project_path: Path) -> None:
    result = start("--help", project=project_path)

    assert "Measure elsewhere:" in result.stdout
    assert (UNWANTED | {"kedro", "polars", "pydantic"}).isdisjoint(result.stderr.split())


@pytest.mark.parametrize(
    ("entries", "name"),
    [(entries, name) for entries in (GROUP, f"{GROUP}.remote") for name in list_verbs(entries)],
)
def test_verb_is_listed_in_a_section_with_the_first_sentence_of_its_help(
    entries: str, name: str
) -> None:
    verb, command = list_verbs(entries)[name], load_verb(name, entries)

    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0].rstrip(".") == verb.sentence
    assert verb.section in SECTIONS


def test_a_range_is_of_numbers_and_not_of_floats(ask: Ask) -> None:
    result = ask("size", "-a", "web_api", "-d", "landsat", "--rate", "many")

    assert "'many' is not a valid number." in result.output


@pytest.mark.parametrize(
    "words",
    [["run", "--pipelines", "perf"], ["check", "--against", "baseline.json"]],
    ids=" ".join,
)
def test_verbs_outside_a_project_say_the_same_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(load_verb(words[0]), words[1:])

    assert "There is no project here: " in result.output


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"rightfit {rightfit.__version__}\n"


def test_no_word_shows_the_help_and_starts_no_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["rightfit"])

    with pytest.raises(SystemExit, match="0"):
        main()

    assert "Usage: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "said"),
    [("whihc", "Did you mean which?"), ("landsat", "No such command 'landsat'")],
)
def test_misspelt_verb_gets_the_nearest(
    word: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([word])

    assert said in capsys.readouterr().err


@pytest.fixture
def third_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that adds a verb by an entry point, as if it were installed."""
    package = tmp_path / "third_verbs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "say_hello.py").write_text(
        '''"""Say hello."""

import click

SECTION = "Look"


@click.command("say-hello")
def say_hello() -> None:
    """Say hello."""
    click.echo("hello")
'''
    )
    (package / "shared.py").write_text('"""What verbs share."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    entries = find_plugins(GROUP) | {"third": EntryPoint("third", "third_verbs", GROUP)}
    monkeypatch.setattr("rightfit.cli.verb_group.find_plugins", lambda group: entries)
    list_verbs.cache_clear()
    yield
    list_verbs.cache_clear()


@pytest.mark.usefixtures("third_package")
def test_third_package_adds_a_verb_by_one_file() -> None:
    assert "Look:\n" in (listed := CliRunner().invoke(verbs, ["--help"]).output)
    assert "\n  say-hello  " in listed
    assert "\n  which " in listed
    assert CliRunner().invoke(verbs, ["say-hello"]).output == "hello\n"


def start(*arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, which ends with the names of imported modules."""
    code = (
        "import sys\n"
        "from rightfit.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    kedros_own = Path(kedro.framework.project.__file__).with_name("rich_logging.yml")
    return run_python(
        "-c", code, *arguments, folder=project, check=True, KEDRO_LOGGING_CONFIG=str(kedros_own)
    )


def _newest(study: Study, name: str) -> Path:
    return sorted((study.root / "08_reporting" / name).glob(f"*/{name}"))[-1]


def test_plan_counts_candidates_and_names_what_must_be_trained_first(ask: Ask) -> None:
    result = ask("plan", "--params", "evaluation.preset=standard")

    assert result.exit_code == 0, result.output
    assert "Preset standard; nothing is measured now." in result.output
    assert "landsat.linear: 1 candidate," in result.output
    assert "train first: landsat.forest" in result.output


def test_plan_of_faulty_parameters_is_refused(ask: Ask) -> None:
    result = ask("plan", "--params", "evaluation.preset=quik")

    assert result.exit_code == 1
    assert "evaluation.preset" in result.output
