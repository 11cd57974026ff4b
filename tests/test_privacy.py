"""Nothing phones home: commands look up no name and connect to no other machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from factories.exports import choose, make_model
from factories.onnx_files import write_softmax
from factories.studies import make_raw
from harness.contacts import find_strace, list_contacts, run_traced
from harness.ports import find_free_port

from rightfit.exporting.export_folder import export_model

pytestmark = [pytest.mark.whole, pytest.mark.long]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    if find_strace() is None:
        if os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS"):
            pytest.fail("strace is missing: apt-get install strace")
        pytest.skip("strace is missing: apt-get install strace")
    return tmp_path / "home"


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


def test_a_run_contacts_nobody(
    project_path: Path, tmp_path: Path, sample_data: Path, home: Path
) -> None:
    params = f"data_root={tmp_path / 'data'},grid.datasets=[landsat]"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "01_raw").symlink_to(sample_data)
    run = [sys.executable, "-m", "kedro", "run", "--env", "test", "--pipelines", "perf"]

    assert run_traced([*run, "--params", params], folder=project_path, home=home) == []


def test_a_packaged_run_contacts_nobody(
    project_path: Path, tmp_path: Path, sample_data: Path, home: Path
) -> None:
    """There is no project whose file ``.telemetry`` would keep Kedro from reporting."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "01_raw").symlink_to(sample_data)
    run = [
        sys.executable, "-m", "rightfit", "--pipelines", "data_engineering", "--env", "test",
        "--conf-source", str(project_path / "conf"), "--params", "grid.datasets=landsat",
    ]  # fmt: skip

    assert run_traced(run, folder=tmp_path, home=home) == []


def test_measuring_contacts_nobody(tmp_path: Path, home: Path) -> None:
    model = write_softmax(tmp_path / "model.onnx", np.eye(3))
    measure = [sys.executable, "-m", "rightfit", "measure", str(model)]

    assert run_traced(measure, folder=tmp_path, home=home) == []


def test_an_exported_program_contacts_nobody(tmp_path: Path, home: Path) -> None:
    model = make_model(tmp_path / "bundle")
    export_model(choose(model), model, tmp_path / "out")
    program = "import usage, time; usage.open_model(); time.sleep(2)"  # it reports after a moment

    assert run_traced([sys.executable, "-c", program], folder=tmp_path / "out", home=home) == []


SERVED = """
import os, signal, sys, threading, time, urllib.request
from pathlib import Path
import server

def ask():
    url = "http://127.0.0.1:" + sys.argv[1]
    while True:
        try:
            assert urllib.request.urlopen(url + "/health").status == 200
            break
        except OSError:
            time.sleep(0.1)
    body = Path("rows.json").read_bytes()
    request = urllib.request.Request(url + "/predict", body, {"Content-Type": "application/json"})
    assert urllib.request.urlopen(request).status == 200
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=ask).start()
server.serve_folder(Path.cwd(), host="127.0.0.1", port=int(sys.argv[1]), limits=server.Limits())
"""


def test_a_served_model_contacts_nobody(tmp_path: Path, home: Path) -> None:
    model = make_model(tmp_path / "bundle")
    folder = tmp_path / "out"
    export_model(choose(model), model, folder, with_server=True)
    (folder / "rows.json").write_text(make_raw().drop("label").head(3).write_json())

    served = [sys.executable, "-c", SERVED, str(find_free_port())]

    assert run_traced(served, folder=folder, home=home) == []
