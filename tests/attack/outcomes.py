"""What is tried, what became of it, and how often which outcome was seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.contacts import list_contacts, trace_command, without_switches

KINDS = (
    "clear", "tracebacks", "accepted_wrongly", "late", "hangs", "orphans", "losses",
    "code_executed", "wrong_numbers", "doors_differ", "sequences_differ", "connections_outside",
)  # fmt: skip
PATIENCE_S = 120
SEQUENCE = "sequence"  # begins the name of a sequence of commands
CANARY = "owned"  # a file that executed code would make


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Args:
        name: What was tried.
        kind: One of :data:`KINDS`.
        detail: What was seen, for a bad outcome.
    """

    name: str
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Attempt:
    """A case that waits to be tried.

    Args:
        name: What is tried.
        attempt: Tries it; a suite of tests gives an outcome for each.
    """

    name: str
    attempt: Callable[[], Iterable[Outcome]]


@dataclass(frozen=True)
class Part:
    """Cases of one kind.

    Args:
        list_attempts: Lists them; gets an empty folder of its own, and does nothing slow.
        quick_step: A quick attack takes every so-manieth case; ``None``: none of them.
        patience_s: Within which each must end, suites of tests as a whole.
        n_at_once: Cases that a process is given at once.
    """

    list_attempts: Callable[[Path], Sequence[Attempt]]
    quick_step: int | None = 1
    patience_s: float = PATIENCE_S
    n_at_once: int = 1


@dataclass
class Tally:
    """Counts the outcomes of cases, and says which ones were bad."""

    counts: Counter[str] = field(default_factory=Counter)
    cpu_s: dict[str, float] = field(default_factory=dict)  # by part; with ended child processes
    n_cases: int = 0
    n_sequences: int = 0
    is_traced: bool = True
    is_whole: bool = True  # no interruption ended it

    def add(self, outcome: Outcome) -> None:
        """Count one case."""
        self.n_cases += 1
        self.n_sequences += outcome.name.startswith(f"{SEQUENCE} ")
        self.counts[outcome.kind] += 1
        if outcome.kind != "clear":
            detail = " ".join(outcome.detail.split())[-400:]
            sys.stderr.write(f"{outcome.kind}: {outcome.name}: {detail}\n")

    def to_json(self) -> str:
        """Return the counts as one line; null is what could not be traced."""
        counts: dict[str, int | None] = {kind: self.counts[kind] for kind in KINDS}
        if not self.is_traced:
            counts["connections_outside"] = None
        about = {"cases": self.n_cases, "sequences": self.n_sequences, "is_whole": self.is_whole}
        cpu_s = {part: round(seconds) for part, seconds in self.cpu_s.items()}
        return json.dumps({**about, **counts, "cpu_s": cpu_s})

    @property
    def is_clean(self) -> bool:
        """Whether every case was tried, and ended in a clear way."""
        return self.is_whole and self.counts["clear"] == self.n_cases > 0


@dataclass(frozen=True)
class Command:
    """A command and how it must end.

    Args:
        name: What is tried.
        arguments: The program and its arguments; ``sh -c`` where streams are redirected.
        must_fail: Whether it must be refused before any node; else it must succeed.
        told: Texts that its output must hold.
        environment: Variables beside the usual ones.
    """

    name: str
    arguments: Sequence[str]
    must_fail: bool = True
    told: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def try_command(command: Command, folder: Path, *, is_traced: bool = False) -> tuple[str, str]:
    """Run a command and judge its end.

    Args:
        command: The command.
        folder: Where it runs.
        is_traced: Whether to look whom it contacts; nothing then tells libraries not to report.

    Returns:
        The kind of outcome and what was seen.
    """
    if not is_traced:
        return _try(command, command.arguments, folder, dict(os.environ))
    with tempfile.NamedTemporaryFile("r", suffix=".trace") as trace:
        traced = trace_command(Path(trace.name), command.arguments)
        kind, detail = _try(command, traced, folder, without_switches(os.environ))
        contacts = list_contacts(trace.read())
    return ("connections_outside", str(contacts)) if contacts else (kind, detail)


def _try(
    command: Command, arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> tuple[str, str]:
    process = subprocess.Popen(
        arguments, cwd=folder, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**environment, "COLUMNS": "400", **command.environment},
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "hangs", command.name
    if _end_group(process.pid):
        return "orphans", output
    if (folder / CANARY).exists():
        return "code_executed", output
    return _judge(command, process.returncode, output)


def _judge(command: Command, status: int, output: str) -> tuple[str, str]:
    if "Traceback (most recent call last)" in output or "Logging error" in output:
        return "tracebacks", output
    if command.must_fail and status == 0:
        return "accepted_wrongly", output
    if command.must_fail and "Running node" in output:
        return "late", output
    flat = " ".join(output.split())
    if any(text not in flat for text in command.told):
        return "tracebacks", f"status {status}, not told: {command.told}: {output}"
    if not command.must_fail and status != 0:
        return "losses", output
    return "clear", ""


def _end_group(group: int) -> bool:
    """End what a command has left running; tell whether there was anything."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
