"""Airflow for one test: a folder of its own, its services, and nothing left running."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

PROJECT = Path(__file__).parents[3]
HOW_TO_INSTALL = "There is no Airflow environment; make one: make airflow-env"
T = TypeVar("T")
WAIT_S = 1800  # a loaded machine takes many times as long as a free one
SOURCES = ("conf", "deploy", "src", "Makefile", "pyproject.toml", "README.md", "LICENSE")


def find_airflow() -> Path | None:
    """Return the folder of Airflow's programs: RIGHTFIT_AIRFLOW_BIN, or the project's own."""
    folder = Path(os.environ.get("RIGHTFIT_AIRFLOW_BIN", PROJECT / ".venv-airflow" / "bin"))
    return folder if (folder / "airflow").exists() else None


@dataclass(frozen=True)
class Deployment:
    """The packaged project beside an Airflow of its own.

    Args:
        programs: Folder of Airflow's programs.
        folder: Everything of this deployment.
        environment: Environment variables of all its processes.
    """

    programs: Path
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        """Run a program of the Airflow environment; return what it printed."""
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-9000:]}\n{done.stderr[-9000:]}"
        return done.stdout

    @contextlib.contextmanager
    def serving(self, *command: str) -> Iterator[None]:
        """Keep a program running while the block runs; end it and all it started afterwards."""
        with (self.folder / f"{'-'.join(command[:2])}.log").open("w") as log:
            process = subprocess.Popen(
                [str(self.programs / command[0]), *command[1:]],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield
            finally:
                _end(process)

    def rankings(self, version: str) -> Path:
        """Return the rankings of a version."""
        folder = self.folder / "project" / "data" / "08_reporting" / "rankings.parquet"
        return folder / version / "rankings.parquet"


def package_project(folder: Path, prepare: Callable[[Path], None]) -> Path:
    """Run ``make airflow`` on a copy of the sources.

    Args:
        folder: Where the copy goes.
        prepare: Changes the copy's configuration folder first.

    Returns:
        The folder of what was built.
    """
    copy = folder / "sources"
    copy.mkdir()
    for name in SOURCES:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    prepare(copy / "conf")
    # -o: the tools are those of the environment that runs this test, nothing is installed
    tools = ["-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(
        ["make", *tools, "airflow"],  # noqa: S607
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def deploy(programs: Path, dist: Path, folder: Path, **environment: str) -> Deployment:
    """Lay out a deployment: the wheel, the configuration, the DAG, and the raw data.

    Args:
        programs: Folder of Airflow's programs.
        dist: What ``make airflow`` built.
        folder: An empty folder.
        **environment: More environment variables.
    """
    installed, project = folder / "installed", folder / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "01_raw").symlink_to(PROJECT / "data" / "01_raw")
    wheel = next(dist.glob("*.whl"))
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(installed), str(wheel)], check=True)
    ours = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(installed),
        "OMP_NUM_THREADS": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dist / "airflow" / "dags"),
        "RIGHTFIT_HOME": str(project),
        "RIGHTFIT_CONF_SOURCE": str(next(dist.glob("conf-*.tar.gz"))),
        "RIGHTFIT_SHARED_ROOT": str(project / "data"),
        "RIGHTFIT_DATA_ROOT": str(project / "data"),
    }
    kept = {key: value for key, value in os.environ.items() if key in ("HOME", "LANG", "TMPDIR")}
    return Deployment(programs, folder, kept | ours | environment)


class Api:
    """Airflow's REST API.

    Args:
        port: Of the API server on this machine.
    """

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._token = ""

    def get(self, path: str) -> dict[str, Any]:
        """Ask for a resource below ``/api/v2``."""
        return self._call("GET", f"/api/v2{path}", None)

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Create a resource below ``/api/v2``."""
        return self._call("POST", f"/api/v2{path}", content)

    def _call(self, method: str, path: str, content: dict[str, Any] | None) -> dict[str, Any]:
        if not self._token:
            self._token = self._send("GET", "/auth/token", None)["access_token"]
        return self._send(method, path, content)

    def _send(self, method: str, path: str, content: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own address
            self._url + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            result: dict[str, Any] = json.load(answer)
        return result


def wait_for(what: str, probe: Callable[[], T | None], *, every_s: float) -> T:
    """Ask until there is an answer; refused connections and missing resources count as none."""
    end_s = time.monotonic() + WAIT_S
    last: object = None
    while time.monotonic() < end_s:
        try:
            answer = probe()
        except (OSError, urllib.error.HTTPError) as err:
            answer, last = None, err
        if answer is not None:
            return answer
        time.sleep(every_s)
    raise AssertionError(f"No {what} within {WAIT_S} s; last: {last}")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all its descendants, also those in groups of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
