from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run

from rightfit_kedro.command_line import explain_run_params, read_run_params


def read(text: str) -> Result:
    """Give a command ``--params``; it prints what it has read."""

    @click.command()
    @click.option("--params", callback=read_run_params)
    def command(params: dict[str, Any]) -> None:
        click.echo(repr(params))

    return CliRunner().invoke(command, ["--params", text])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("grid.datasets=[landsat", "expected ',' or ']'"),
        ("grid.datasets={landsat", "expected ',' or '}'"),
        ("grid=${x", "no viable alternative"),
        (f"training.seed={'9' * 5_000}", "Exceeds the limit (4300 digits)"),
        (f"training.seed={'[' * 5_000}", "maximum "),  # depth, in words that differ by version
    ],
    ids=range(5),
)
def test_value_that_cannot_be_read_is_refused_in_one_line(text: str, why: str) -> None:
    result = read(text)

    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.exit_code == 2
    assert line.startswith("Error: Invalid value for '--params': a value cannot be read (")
    assert why in line


def test_what_kedro_refuses_and_what_is_right_stay_as_they_are() -> None:
    assert "must contain a key and a value" in read("a").output
    assert read("a.b=[1],c=null").output == "{'a': {'b': [1]}, 'c': None}\n"


def test_a_version_without_a_name_is_refused_with_what_is_expected() -> None:
    explain_run_params()

    result = CliRunner().invoke(run, ["--load-versions", "garbage"])

    assert result.exit_code == 2
    assert "Expected the form of 'load_versions'" in result.output
    assert "found garbage instead" in result.output


def test_reader_is_wrapped_once() -> None:
    (option,) = (one for one in run.params if one.name == "params")
    once = explain_run_params()

    assert explain_run_params() is once
    assert option.callback is once
