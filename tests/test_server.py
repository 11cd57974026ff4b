"""Kedro's HTTP server ranks on demand, as docs/howto/run.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from factories.reports import run_ranking_and_reporting
from harness.ports import find_free_port

pytestmark = [pytest.mark.whole, pytest.mark.long]

Post = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def post(bootstrapped: Path, root: Path) -> Iterator[Post]:
    """Start the server on a study; post a ranking with some parameters changed."""
    run_ranking_and_reporting(bootstrapped, root)
    port = find_free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "rightfit", "run-server", "--port", str(port), "--env", "test"],
        cwd=bootstrapped,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1", "RIGHTFIT_DATA_ROOTS": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", server)
        yield lambda **params: _ask(
            f"{url}/run",
            {"pipeline_names": ["ranking"], "params": {"data_root": str(root), **params}},
        )
    finally:
        server.terminate()
        server.wait(timeout=120)


@pytest.mark.slow
def test_server_ranks_on_demand(post: Post, root: Path) -> None:
    weighed = {"web_api": {"objectives": {"quality": {"weight": 50}}}}
    misspelt = {"web_api": {"objectives": {"qualty": {"weight": 9}}}}

    plain, changed = post(), post(applications=weighed)
    refused, again = post(applications=misspelt), post()

    assert [one["status"] for one in (plain, changed, again)] == ["success"] * 3
    first, other, last = (_read(root, one["run_id"]) for one in (plain, changed, again))
    assert other != first
    assert last == first  # a request's parameters end with it
    assert refused["status"] == "failure"
    assert "applications.web_api.objectives.qualty" in refused["error"]["message"]


@pytest.mark.slow
def test_server_lets_no_request_choose_files_or_code(post: Post, tmp_path: Path) -> None:
    elsewhere = post(data_root=str(tmp_path / "elsewhere"))
    retrained = post(models={"net": {"fixed": {"n_epochs": 1}}})

    assert [one["status"] for one in (elsewhere, retrained)] == ["failure"] * 2
    assert "may not set ['data_root']" in elsewhere["error"]["message"]
    assert "may not set ['models']" in retrained["error"]["message"]
    assert not (tmp_path / "elsewhere").exists()


def _read(root: Path, version: str) -> Any:
    name = "recommendations.json"
    return json.loads((root / "08_reporting" / name / version / name).read_text())


def _ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - on this machine
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=900) as answer:  # noqa: S310 - on this machine
        found: dict[str, Any] = json.load(answer)
    return found


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(3_000):
        assert server.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - on this machine
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"{url} does not answer")
