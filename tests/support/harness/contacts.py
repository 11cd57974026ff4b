"""Whom a command contacts, traced with strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME_SERVICE = 53
ADDRESS = re.compile(
    r"(?:connect|sendto|sendmsg|sendmmsg)\(.*?(?:htons\((\d+)\)).*?"
    r'(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
)
SWITCHES = (  # against telemetry; set by CI and tests, not by a user's shell
    "DO_NOT_TRACK", "KEDRO_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "ORT_DISABLE_TELEMETRY",
)  # fmt: skip


def list_contacts(trace: str) -> list[str]:
    """Return the addresses outside this machine and all name servers in a trace."""
    found = []
    for line in trace.splitlines():
        match = ADDRESS.search(line)
        if match:
            port, address = int(match[1]), match[2] or match[3]
            is_local = address.startswith("127.") or address == "::1"
            if port == NAME_SERVICE or not is_local:
                found.append(f"{address}:{port}")
    return found


def find_strace() -> str | None:
    """Return the program that traces; ``None`` if it is not installed."""
    return shutil.which("strace")


def trace_command(trace: Path, command: Sequence[str]) -> list[str]:
    """Return a command that runs another one and writes down its contacts."""
    return [
        find_strace() or "strace", "--seccomp-bpf", "-f", "-qq",
        "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace), *command,
    ]  # fmt: skip


def without_switches(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as a user's shell has it."""
    return {key: value for key, value in environment.items() if key not in SWITCHES}


def run_traced(command: Sequence[str], *, folder: Path, home: Path) -> list[str]:
    """Run a command to its end; return whom it contacted, and what libraries noted for later.

    onnxruntime writes a device id and a database of events into the home folder at once, and
    reports them some time later.
    """
    home.mkdir(exist_ok=True)
    trace = home / "trace.txt"
    done = subprocess.run(
        trace_command(trace, command),
        cwd=folder,
        env=without_switches(os.environ)
        | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    noted = [str(path) for name in ("onnxruntime", "kedro") for path in home.rglob(f"*{name}*")]
    return list_contacts(trace.read_text()) + noted
