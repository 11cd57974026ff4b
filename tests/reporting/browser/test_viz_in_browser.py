"""kedro-viz in a real browser: a dataset clicked open shows its chart."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from handmade import run_ranking_and_reporting
from playwright.sync_api import Browser, Route

START_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def viz_url(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """kedro-viz on a data folder with charts."""
    root = tmp_path_factory.mktemp("data")
    run_ranking_and_reporting(bootstrapped, root)
    port = find_free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--port", str(port)),
            *("--pipeline", "reporting", "--env", "test", "--params", f"data_root={root}"),
        ],
        cwd=bootstrapped,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://localhost:{port}"
    try:
        wait_for(f"{url}/api/main", server)
        yield url
    finally:
        server.terminate()
        server.wait()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own server
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise
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
