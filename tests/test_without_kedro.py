"""What the command line says where Kedro is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import rightfit
from rightfit.__main__ import main
from rightfit._core.errors import RightfitError
from rightfit.cli.verb_group import list_verbs, verbs

WITHOUT_PROJECT = ("load-test", "measure", "remote", "serve")


@pytest.fixture(autouse=True)
def without_kedro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kedro", None)


@pytest.mark.parametrize("verb", sorted(set(list_verbs()) - set(WITHOUT_PROJECT)))
def test_verb_of_a_project_names_the_extra(verb: str) -> None:
    result = CliRunner().invoke(verbs, [verb])

    assert result.exit_code == 1
    assert result.output == (
        f"Error: rightfit {verb} needs kedro, which this environment lacks: "
        "pip install 'rightfit[kedro]'\n"
    )


def test_verb_of_a_group_names_the_extra_too() -> None:
    result = CliRunner().invoke(verbs, ["remote", "pack", "packed"])

    assert result.exit_code == 1
    assert result.output.startswith("Error: rightfit remote pack needs kedro")


def test_packed_candidates_are_measured_without_kedro() -> None:
    assert CliRunner().invoke(verbs, ["remote", "measure", "--help"]).exit_code == 0


@pytest.mark.parametrize("verb", WITHOUT_PROJECT)
def test_other_verbs_do_their_work(verb: str) -> None:
    result = CliRunner().invoke(verbs, [verb, "--help"])

    assert result.exit_code == 0


def test_fault_of_a_verb_without_a_project_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(verbs, ["measure", str(tmp_path / "none.onnx")])

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1


def test_pipeline_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["--pipelines", "perf"])

    assert "rightfit run needs kedro" in capsys.readouterr().err


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    listed = capsys.readouterr().out
    assert all(f"\n  {verb}" in listed for verb in list_verbs())


def test_project_opened_from_python_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(RightfitError, match=r"needs kedro.*pip install 'rightfit\[kedro\]'"):
        rightfit.open_project(tmp_path)


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [([], "ex", ["explain", "export"]), (["remote"], "p", ["pack"]), (["which"], "--app", [])],
)
def test_shell_completes_verbs_that_cannot_be_imported(
    words: list[str], begun: str, expected: list[str]
) -> None:
    shell = ShellComplete(verbs, {}, "rightfit", "_RIGHTFIT_COMPLETE")

    assert [item.value for item in shell.get_completions(words, begun)] == expected
