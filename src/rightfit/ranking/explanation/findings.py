"""Findings: the remarks on a run, each with a code and a section of the documentation.

The report, the terminal, the JSON record and the Markdown report show the same findings. A rule has
one row of :data:`RULES`, from which the documentation's page of findings is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

Severity = Literal["error", "warning", "note", "not applicable"]

PAGE = "reference/made/findings.html"  # of the documentation


@dataclass(frozen=True)
class Rule:
    """The meaning of a finding, and what to do about it."""

    title: str
    severity: Severity
    meaning: str
    action: str


RULES: Mapping[str, Rule] = {
    "RF001": Rule(
        "No candidate qualifies",
        "error",
        "No candidate has every measurement the application needs and meets all its limits.",
        "Relax the limit that the decision names under *Would qualify*, search longer, or add a "
        "model family that is cheaper to serve. Measure again first if timings were disturbed.",
    ),
    "RF002": Rule(
        "Measured beside other work",
        "warning",
        "Another process used the cores, or a core was slow, while this was timed. Latencies are "
        "then too high and throughputs too low; quality and memory are not affected.",
        "Run the same again when the machine is quiet: what was disturbed is then measured again, "
        "once in a run, and nothing else. `rf.search` does so with the same `folder`.",
    ),
    "RF003": Rule(
        "Disturbed timings may hide a better candidate",
        "warning",
        "Other work disturbed the timing of candidates that would be better than the winner at the "
        "speed they may have on a quiet machine.",
        "Run the same again when the machine is quiet, which measures those candidates again, "
        "before you rely on the winner.",
    ),
    "RF004": Rule(
        "Limit within the measuring error",
        "warning",
        "The winner meets the limit, but the 95 % interval of the figure reaches beyond it: on "
        "another day it may break it. Limits relative to the best candidate are left out, because "
        "both are then measured on the same rows.",
        "Measure with `evaluation.preset: publish`, or leave some room in the limit.",
    ),
    "RF005": Rule(
        "Tied with others",
        "note",
        "The utilities of these candidates differ from the winner's by less than `equal_within`. "
        "The tie rule decided.",
        "Choose any of them. To decide otherwise, change `ranking.ties`.",
    ),
    "RF006": Rule(
        "Not told apart from others",
        "note",
        "The winner's chance of best is below 95 %: within the measuring errors, another candidate "
        "may be better by `equal_within` or more.",
        "Measure with more processes (`evaluation.preset: publish`) if costs decide, or use more "
        "test rows if quality decides.",
    ),
    "RF007": Rule(
        "The last run's winner stands",
        "note",
        "Another candidate, practically equal, would win without the earlier ranking. A model in "
        "use is not replaced for nothing.",
        "Set `ranking.keep_winner: false` to choose anew.",
    ),
    "RF008": Rule(
        "Winner at the edge of its search space",
        "note",
        "Searched settings of the winner lie at an end of their range. Better values may lie "
        "beyond it.",
        "Widen the range under `models.<name>.space` and search again.",
    ),
    "RF009": Rule(
        "Few rows judge the quality",
        "warning",
        "The winner's quality is known to no better than 0.02 of the scale from guessing to "
        "perfect, twice the difference that counts as practically equal by default.",
        "Use more test rows: raise `datasets.<name>.split`'s test share, or add rows. Four times "
        "as many rows halve the interval.",
    ),
    "RF010": Rule(
        "A column left out, or a meaning inferred",
        "note",
        "The dataset's block does not say what this column is, so it was inferred from the table.",
        "If it is wrong, name the column under `datasets.<name>.features`, or write "
        "`task` and `target` as you mean them.",
    ),
    "RF011": Rule(
        "A cheaper machine would do",
        "note",
        "The winner meets its limits on a smaller hardware tier than the largest that fits into "
        "the machine on which it was measured.",
        "Rent the smaller one. Prices and sizes are those of `evaluation.tiers`.",
    ),
    "RF012": Rule(
        "Limit broken under load",
        "warning",
        "The winner meets its latency limit one request at a time, or without a server at the rate "
        "its application names, but its server does not at any rate that was tried.",
        "Limit `latency_under_load_p99_ms`, which counts waiting, and load the exported winner for "
        "longer: `rightfit load-test`.",
    ),
    "RF013": Rule(
        "Hardly better than guessing",
        "warning",
        "The winner's quality is less than 0.02 of the scale above `quality.worst` of its dataset, "
        "or its 95 % interval reaches it. Where nothing else is written, that is what guessing "
        "reaches.",
        "Look which columns were left out, and at outliers of the target; add columns that tell of "
        "it, or search longer. Limit `quality` by `min`, so that no such model can win.",
    ),
    "RF014": Rule(
        "Search ended early",
        "note",
        "The budget was spent after less than half of the configurations that were planned.",
        "Raise `training.budget_cpu_s`, or train on a sample of the rows.",
    ),
    "RF015": Rule(
        "A family without a feasible trial",
        "note",
        "No trial of this family's search meets the application's limits.",
        "Relax the limit named, or leave the family out of the grid.",
    ),
    "RF016": Rule(
        "Newer profiles are not ranked",
        "warning",
        "Profiles were measured after this ranking was made.",
        "Rank them: `kedro run --pipelines ranking`.",
    ),
    "RF017": Rule(
        "Profile no longer stored",
        "warning",
        "What was measured of the winner is no longer stored, so that figures are missing.",
        "Measure again, or restore the profiles of that run.",
    ),
    "RF018": Rule(
        "Quality may look too good",
        "warning",
        "A model may know the answers of test rows: from rows recorded twice, from other rows of "
        "the same identifier, or from a column that is filled in after the outcome.",
        "Drop repeated rows, split by group (`datasets.<name>.split` and `validation`, "
        "`method: by_group`), or name the column under `datasets.<name>.not_features`.",
    ),
    "RF019": Rule(
        "Same graph, other costs",
        "note",
        "The winner and other candidates serve the same graph with other weights, so they should "
        "cost the same, but their samples contradict each other. Weights may be the cause, such as "
        "denormal numbers, or other work on the machine.",
        "Measure again on a quiet machine. If it stays, the weights are the cause, and each "
        "candidate's own figures hold.",
    ),
    "RF020": Rule(
        "Feeding takes more than half",
        "note",
        "Most of a request's time goes into reading, checking and encoding its columns, not into "
        "the model: a smaller model would hardly answer sooner.",
        "Send several rows a request, or columns as arrays or Arrow where rows are many; look at "
        "columns of long texts, dates and images first.",
    ),
}
"""The rules by code. A code is never used again for something else."""


class Finding(BaseModel):
    """A remark on a run.

    Args:
        code: Key of :data:`RULES`.
        severity: How much it matters; ``not applicable``: the rule was not checked.
        subject: What it is about: application and dataset, a dataset, a search, or the run.
        sentence: What was found, or why the rule was not checked.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    subject: str
    sentence: str

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def address(self) -> str:
        """Section of the documentation that says what to do."""
        return f"{PAGE}#{self.code.lower()}"

    @property
    def is_urgent(self) -> bool:
        """Whether it must be read before the decision is used."""
        return self.severity in ("error", "warning")

    def __str__(self) -> str:
        return f"{self.code} {self.sentence}"


def find(code: str, subject: str, sentence: str) -> Finding:
    """Make a finding of a rule, of the rule's severity."""
    return Finding(code=code, severity=RULES[code].severity, subject=subject, sentence=sentence)


def skip(code: str, subject: str, reason: str) -> Finding:
    """Say why a rule was not checked."""
    return Finding(code=code, severity="not applicable", subject=subject, sentence=reason)


def group_findings(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Put findings of one code and sentence together."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.sentence), []).append(finding)
    return list(groups.values())


def join_subjects(group: Iterable[Finding]) -> str:
    """Name the subjects of a group.

    >>> join_subjects([skip("RF001", "web, shop", "no"), skip("RF001", "night, shop", "no")])
    'web, shop; night, shop'
    """
    return "; ".join(finding.subject for finding in group)


def name_subject(application: str, dataset: str) -> str:
    """Name a decision as the subject of a finding.

    >>> name_subject("web_api", "landsat")
    'web_api, landsat'
    """
    return f"{application}, {dataset}"
