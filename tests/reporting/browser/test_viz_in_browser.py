"""kedro-viz in a real browser: a dataset clicked open shows its chart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.long

START_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def viz_url(
    bootstrapped: Path, reported_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """kedro-viz on a data folder with charts."""
    port = find_free_port()
    log = tmp_path_factory.mktemp("viz") / "log.txt"
    command = [
        *(sys.executable, "-m", "kedro", "viz", "run", "--include-hooks", "--no-browser"),
        *("--port", str(port)),
        *("--pipeline", "reporting", "--env", "test", "--params", f"data_root={reported_root}"),
    ]
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command,
            cwd=bootstrapped,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://localhost:{port}"
    try:
        wait_for(f"{url}/api/main", server, log)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # kedro-viz leaves its server to a process of its own
        server.wait()


def find_free_port() -> int:
    """Return a port nobody listens on, in the range that kedro-viz takes."""
    for port in range(42_000, 49_151):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)):
                return port
    pytest.fail("every port from 42000 to 49150 is taken")


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own server
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"kedro-viz did not start: {log.read_text()}")
            time.sleep(0.2)
        else:
            return


@pytest.mark.browser
def test_viz_shows_the_chart_of_a_clicked_dataset(chromium: Browser, viz_url: str) -> None:
    context = chromium.new_context(viewport={"width": 1600, "height": 1000})
    context.add_init_script(
        "localStorage.setItem('KedroViz', JSON.stringify({showFeatureHints: false}))"
    )
    context.route("**/*", lambda route: keep_at_home(route, viz_url))
    page = context.new_page()
    page.goto(f"{viz_url}/?pid=reporting")
    page.locator(".pipeline-node", has_text="landsat_front_chart").click()
    panel = page.locator(".pipeline-metadata")
    panel.locator(".js-plotly-plot .main-svg").first.wait_for()
    title = panel.locator(".js-plotly-plot .gtitle").first.text_content()
    n_marks = panel.locator(".js-plotly-plot .scatterlayer .point").count()
    context.close()

    assert title == "Landsat: quality against latency p50"
    assert n_marks >= 24


def keep_at_home(route: Route, url: str) -> None:
    """Let requests to our own server through and no other."""
    if route.request.url.startswith(url):
        route.continue_()
    else:
        route.abort()
