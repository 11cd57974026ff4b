"""Try a model family on a small table, before a search relies on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rightfit.families.checking.protocol import Finding, list_tasks
from rightfit.families.checking.protocol import check_family as try_family
from rightfit.families.family import Configuration
from rightfit.families.registry import get_family, list_defaults, split_reference
from rightfit.families.schema import Task
from rightfit.parameters.faults import explain_faults
from rightfit.parameters.raw import RawParameters
from rightfit.tuning.search.space import ModelBlock
from rightfit.verbs.options import echo_lines, faults_as_message
from rightfit.verbs.place import Place

SECTION = "Run"


@click.command("check-family")
@click.argument("name")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option(
    "--conf-source",
    type=click.Path(exists=True, path_type=Path),
    help="Folder or archive of the configuration; conf in the project if not given.",
)
def check_family(name: str, env: str | None, conf_source: Path | None) -> None:
    """Try a model family on a small table, before a search relies on it.

    NAME is a model of parameters_models.yml or an import path.
    """
    findings = []
    with faults_as_message(ImportError):
        models = Place(env=env, conf_source=conf_source).read_parameters()["models"]
        trial = find_trial(name, models)
        for task in trial.tasks:
            echo_lines([f"{task}:"])
            for finding in trial.run(task):
                findings.append(finding)
                echo_lines([describe_finding(finding)])
    echo_lines([describe_verdict(name, findings)])
    if any(finding.outcome == "fails" for finding in findings):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class FamilyTrial:
    """A family to be tried."""

    family: str
    configuration: Configuration
    tasks: list[Task]

    def run(self, task: Task) -> Iterator[Finding]:
        """Try the family on a small table of one task."""
        return try_family(self.family, self.configuration, task)


MARKS = {"ok": "ok   ", "note": "note ", "fails": "FAILS"}


def find_trial(name: str, models: RawParameters) -> FamilyTrial:
    """Find what is to be tried under a name.

    Raises:
        ValueError: If there is no such family, or the model's block is wrong.
    """
    if name not in models:
        family = get_family(name)
        users = [model for model, block in models.items() if _is_family(block, name)]
        if not users:
            return FamilyTrial(name, {}, list_tasks(family))
        name = users[0]  # its settings are some that the family knows
    faults = list(explain_faults("models", models, [name], ModelBlock))
    if faults:
        raise ValueError("; ".join(faults) + ". Correct parameters_models.yml.")
    block = ModelBlock.model_validate(models[name])
    configuration = choose_configuration(block)
    return FamilyTrial(block.family, configuration, list_tasks(get_family(block.family)))


def _is_family(block: Any, name: str) -> bool:
    family = block.get("family") if isinstance(block, Mapping) else None
    return isinstance(family, str) and split_reference(family) == split_reference(name)


def choose_configuration(block: ModelBlock) -> Configuration:
    """Return the settings that a search would try first, or the least that the space allows."""
    first = block.params.first(list_defaults(get_family(block.family)), "classification")
    least = {name: item.grid(2)[0] for name, item in block.space.root.items()}
    return {**block.fixed, **(least if first is None else first)}


def describe_finding(finding: Finding) -> str:
    """Return a finding as one line."""
    return f"{MARKS[finding.outcome]} {finding.promise:<27} {finding.detail}"


def describe_verdict(name: str, findings: list[Finding]) -> str:
    """Return whether a search may rely on the family."""
    if any(finding.outcome == "fails" for finding in findings):
        return f"{name} is not ready: it FAILS above; what builds on that was not tried."
    n_notes = sum(finding.outcome == "note" for finding in findings)
    noted = f", with {n_notes} note{'s' * (n_notes > 1)}" if n_notes else ""
    return f"{name} is ready for a search{noted}."
