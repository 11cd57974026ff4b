"""Nothing phones home: commands look up no name and connect to no other machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exports import choose, make_model
from onnx_files import write_softmax

from rightfit.serving.export import export_model

NAME_SERVICE = 53
ADDRESS = re.compile(
    r"(?:connect|sendto|sendmsg|sendmmsg)\(.*?(?:htons\((\d+)\)).*?"
    r'(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
)

pytestmark = pytest.mark.whole


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


def run_traced(folder: Path, *command: str, home: Path) -> list[str]:
    """Run a command to its end; return whom it contacted, and what libraries noted for later.

    onnxruntime writes a device id and a database of events into the home folder at once, and
    reports them some time later.
    """
    strace = shutil.which("strace")
    if strace is None:
        if os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS"):
            pytest.fail("strace is missing: apt-get install strace")
        pytest.skip("strace is missing: apt-get install strace")
    home.mkdir(exist_ok=True)
    trace = home / "trace.txt"
    # As a user's shell, without what tests or CI set against telemetry.
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [strace, "--seccomp-bpf", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg",
         "-o", str(trace), *command],
        cwd=folder,
        env=environment | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    noted = [str(path) for path in home.rglob("*onnxruntime*")]
    return list_contacts(trace.read_text()) + noted


@pytest.mark.parametrize(
    ("line", "contacts"),
    [
        ('1 connect(3, {sa_family=AF_INET, sin_port=htons(443), '
         'sin_addr=inet_addr("20.42.65.1")}, 16) = 0', ["20.42.65.1:443"]),
        ('1 connect(3, {sa_family=AF_INET, sin_port=htons(53), '
         'sin_addr=inet_addr("127.0.0.1")}, 16) = 0', ["127.0.0.1:53"]),
        ('1 connect(3, {sa_family=AF_INET, sin_port=htons(8000), '
         'sin_addr=inet_addr("127.0.0.1")}, 16) = 0', []),
        ('1 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), '
         'inet_pton(AF_INET6, "2a01::1", &sin6_addr), sin6_scope_id=0}, 28) = 0', ["2a01::1:443"]),
        ('1 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0', []),
    ],
)  # fmt: skip
def test_a_trace_names_contacts(line: str, contacts: list[str]) -> None:
    assert list_contacts(line) == contacts


def test_a_run_contacts_nobody(project_path: Path, tmp_path: Path, sample_data: Path) -> None:
    params = f"data_root={tmp_path / 'data'}"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "01_raw").symlink_to(sample_data)

    contacts = run_traced(
        project_path,
        *(sys.executable, "-m", "kedro", "run", "--env", "test", "--pipelines", "perf"),
        *("--params", f"{params},grid.datasets=[landsat]"),
        home=tmp_path / "home",
    )

    assert contacts == []


def test_measuring_contacts_nobody(tmp_path: Path) -> None:
    model = write_softmax(tmp_path / "model.onnx", np.eye(3))

    contacts = run_traced(
        tmp_path,
        *(sys.executable, "-m", "rightfit", "measure", str(model)),
        home=tmp_path / "home",
    )

    assert contacts == []


def test_an_exported_program_contacts_nobody(tmp_path: Path) -> None:
    model = make_model(tmp_path / "bundle")
    export_model(choose(model), model, tmp_path / "out")
    program = "import usage, time; usage.open_model(); time.sleep(2)"  # it reports after a moment

    contacts = run_traced(tmp_path / "out", sys.executable, "-c", program, home=tmp_path / "home")

    assert contacts == []
