"""The GitHub Action's steps, run one after the other as a runner does, with the programs stood in.

``rightfit check`` itself, and the Markdown that it writes: tests/kedro/verbs/test_check.py.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PROGRAM = """#!/usr/bin/env bash
printf '%s\\n' "{name} $*" >> "$CALLS"
{work}
"""
CHECK = """
while [ $# -gt 0 ]; do
    [ "$1" = --markdown ] && [ -n "$VERDICT" ] && printf '%s' "$VERDICT" > "$2"
    shift
done
exit "$CHECKED"
"""


@dataclass(frozen=True)
class ActionRun:
    """What a run of the action has left."""

    exit_status: int
    calls: list[str]
    summary: str
    outputs: dict[str, str]


@dataclass(frozen=True)
class Runner:
    """Runs the steps of ``action.yml`` in a folder."""

    action: dict[str, Any]
    folder: Path

    def run(self, *, checked: int, verdict: str, number: str = "7", **inputs: str) -> ActionRun:
        """Run the steps until one fails.

        Args:
            checked: Exit status of ``rightfit check``.
            verdict: What it writes as Markdown; empty: nothing.
            number: Of the pull request; empty outside one.
            inputs: Other inputs than the action's own values, ``_`` for ``-``.
        """
        values = {name: field["default"] for name, field in self.action["inputs"].items()}
        values |= {name.replace("_", "-"): value for name, value in inputs.items()}
        known = {f"inputs.{name}": value for name, value in values.items()}
        known |= {"github.token": "t", "github.event.number": number}
        files = {name: self.folder / name for name in ("CALLS", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        outputs: dict[str, str] = {}
        exit_status = 0
        for step in self.action["runs"]["steps"]:
            if exit_status or not self.holds(step.get("if", "true == true"), known):
                continue
            written = self.folder / "output"
            written.write_text("")
            environment = {
                **os.environ,
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_OUTPUT": str(written),
                "GITHUB_REPOSITORY": "me/study",
                "CHECKED": str(checked),
                "VERDICT": verdict,
                **{name: str(file) for name, file in files.items()},
                **{name: fill(text, known) for name, text in step.get("env", {}).items()},
            }
            bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            exit_status = subprocess.run(bash, env=environment, cwd=self.folder).returncode
            outputs |= dict(line.split("=", 1) for line in written.read_text().splitlines())
            known |= {f"steps.{step['id']}.outputs.{k}": v for k, v in outputs.items()}
        calls = files["CALLS"].read_text().splitlines()
        return ActionRun(exit_status, calls, files["GITHUB_STEP_SUMMARY"].read_text(), outputs)

    def holds(self, condition: str, known: dict[str, str]) -> bool:
        """Evaluate a step's condition: comparisons and values joined by &&."""
        for part in condition.split(" && "):
            left, sign, right = re.fullmatch(r"(\S+?)(?: ([!=]=) '?(\w*)'?)?", part).groups()
            value = known.get(left, left)
            if not value if sign is None else (value == right) != (sign == "=="):
                return False
        return True


def fill(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda name: known[name[1]], str(text))


@pytest.fixture
def runner(project_path: Path, tmp_path: Path) -> Runner:
    for name, work in (("rightfit", CHECK), ("kedro", ""), ("gh", "cat ${@: -1:1} > commented")):
        path = tmp_path / name
        path.write_text(PROGRAM.format(name=name, work=work))
        path.chmod(0o755)
    return Runner(yaml.safe_load((project_path / "action.yml").read_text()), tmp_path)


@pytest.mark.parametrize(("checked", "allow", "expected"), [
    (0, "false", 0), (1, "false", 1), (3, "false", 3), (3, "true", 0), (1, "true", 1)
])  # fmt: skip
def test_verdict_is_commented_and_decides(
    runner: Runner, checked: int, allow: str, expected: int
) -> None:
    run = runner.run(checked=checked, verdict="**web_api** regressed", allow_undecided=allow)

    assert run.exit_status == expected
    assert run.outputs == {"status": str(checked)}
    assert run.summary == "**web_api** regressed"
    check, comment = run.calls
    assert check.startswith("rightfit check --against baseline.json --markdown ")
    assert comment.startswith("gh pr comment 7 --repo me/study --body-file ")
    assert (runner.folder / "commented").read_text() == run.summary


def test_fault_without_a_verdict_fails_and_is_commented(runner: Runner) -> None:
    run = runner.run(checked=1, verdict="")

    assert run.exit_status == 1
    assert "failed before it had a verdict" in run.summary


def test_push_is_checked_without_a_comment_after_the_pipeline(runner: Runner) -> None:
    run = runner.run(
        checked=0, verdict="same", number="", pipeline="perf", arguments="--margin-pct 10"
    )

    assert run.exit_status == 0
    assert [call.split()[0] for call in run.calls] == ["kedro", "rightfit"]
    assert run.calls[0] == "kedro run --pipelines perf"
    assert run.calls[1].endswith("--margin-pct 10")
