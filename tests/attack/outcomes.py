"""What became of each case, counted by kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KINDS = (
    "clear", "tracebacks", "accepted_wrongly", "late", "hangs", "orphans", "losses",
    "code_executed",
)  # fmt: skip
PATIENCE_S = 120
CANARY = "owned"  # a file that executed code would make


@dataclass
class Tally:
    """Counts the outcomes of cases, and says which ones were bad."""

    counts: Counter[str] = field(default_factory=Counter)
    n_cases: int = 0

    def add(self, name: str, kind: str, detail: str = "") -> None:
        """Count one case.

        Args:
            name: What was tried.
            kind: One of :data:`KINDS`.
            detail: What was seen, for a bad outcome.
        """
        self.n_cases += 1
        self.counts[kind] += 1
        if kind != "clear":
            sys.stderr.write(f"{kind}: {name}: {' '.join(detail.split())[-400:]}\n")

    def to_json(self) -> str:
        """Return the counts as one line."""
        return json.dumps({"cases": self.n_cases, **{kind: self.counts[kind] for kind in KINDS}})

    @property
    def is_clean(self) -> bool:
        """Whether every case ended in a clear way."""
        return self.counts["clear"] == self.n_cases


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


def try_command(command: Command, folder: Path, guarded: Iterable[Path] = ()) -> tuple[str, str]:
    """Run a command and judge its end.

    Args:
        command: The command.
        folder: Where it runs.
        guarded: Files that it must not change.

    Returns:
        The kind of outcome and what was seen.
    """
    before = {path: path.read_bytes() for path in guarded}
    process = subprocess.Popen(
        command.arguments, cwd=folder, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "400", "KEDRO_DISABLE_TELEMETRY": "1", **command.environment},
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
    if any(not path.exists() or path.read_bytes() != before[path] for path in before):
        return "losses", output
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
