from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rightfit.verbs.commands import verbs

Ask = Callable[[str], Result]


@pytest.fixture
def ask(bootstrapped: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(bootstrapped)
    return lambda name: CliRunner().invoke(verbs, ["check-family", name, "--env", "test"])


def test_model_of_the_configuration_is_tried_line_by_line(ask: Ask) -> None:
    result = ask("linear")

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[-1] == "linear is ready for a search."
    assert lines[0] == "classification:"
    assert lines[1].startswith("ok    is complete")
    assert "alpha=0.0001, penalty=l2" in lines[2]  # what a search tries first
    assert "regression:" in lines
    assert "of the variance" in result.output


def test_family_is_tried_by_its_import_path_with_settings_of_a_model(ask: Ask) -> None:
    result = ask("rightfit.families.linear")

    assert result.exit_code == 0
    assert "alpha=0.0001" in result.output


def test_family_that_fails_ends_with_an_exit_code(ask: Ask) -> None:
    result = ask("sklearn:sklearn.dummy.DummyClassifier")

    assert result.exit_code == 1
    assert "FAILS learns" in result.output
    assert "is not ready" in result.output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "Error: There is no model family 'nosuch'"),
        ("my_study.nosuch", "Error: There is no module 'my_study.nosuch'"),
        ("sklearn:sklearn.svm.SCV", "Error: The module sklearn.svm has no 'SCV'"),
    ],
)
def test_unknown_family_gets_one_message(name: str, message: str, ask: Ask) -> None:
    result = ask(name)

    assert result.exit_code == 1
    assert message in result.output
