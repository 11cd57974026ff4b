"""kedro-viz in a real browser: stages unfold, and a dataset clicked open shows its chart."""

from __future__ import annotations

import json
import os
import random
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
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.long

START_TIMEOUT_S = 600
LAYERS = ["raw", "intermediate", "feature", "model_input", "models", "model_output", "reporting"]


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
        *("--env", "test", "--params", f"data_root={reported_root}"),
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
    for port in random.sample(range(42_000, 49_151), 100):  # another run looks for one, too
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)):
                return port
    pytest.fail("100 ports from 42000 to 49150 are taken")


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


@pytest.fixture
def page(chromium: Browser, viz_url: str) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1600, "height": 1000})
    context.add_init_script(
        "localStorage.getItem('KedroViz')"
        " || localStorage.setItem('KedroViz', JSON.stringify({showFeatureHints: false}))"
    )
    context.route("**/*", lambda route: keep_at_home(route, viz_url))
    yield context.new_page()
    context.close()


@pytest.mark.browser
def test_viz_shows_the_stages_as_boxes_that_unfold(page: Page, viz_url: str) -> None:
    page.goto(f"{viz_url}/?pid=perf&types=nodes")
    boxes = page.locator(".pipeline-node")

    expect(boxes).to_have_count(5)
    stages = ["data_engineering", "performance_evaluation", "ranking", "report", "training"]
    assert sorted(boxes.all_text_contents()) == stages
    boxes.filter(has_text="training").click()
    expect(boxes.filter(has_text="landsat")).to_have_count(1)
    expect(boxes.filter(has_text="fashion_mnist")).to_have_count(1)


@pytest.mark.browser
def test_viz_keeps_showing_boxes_at_the_plain_address(page: Page, viz_url: str) -> None:
    boxes = page.locator(".pipeline-node")
    page.goto(f"{viz_url}/?pid=perf&types=nodes")
    expect(boxes).to_have_count(5)

    page.goto(f"{viz_url}/?pid=perf")
    expect(boxes).to_have_count(5)


@pytest.mark.browser
def test_viz_shows_every_dataset_in_one_of_the_layers(viz_url: str) -> None:
    with urllib.request.urlopen(f"{viz_url}/api/pipelines/perf") as answer:  # noqa: S310 - ours
        shown = json.load(answer)

    assert shown["layers"] == LAYERS
    datasets = [node for node in shown["nodes"] if node["type"] == "data"]
    assert [node["name"] for node in datasets if node["layer"] not in LAYERS] == []


@pytest.mark.browser
def test_viz_shows_the_chart_of_a_clicked_dataset(page: Page, viz_url: str) -> None:
    page.goto(f"{viz_url}/?pid=reporting")
    page.locator(".pipeline-node", has_text="landsat_front_chart").click()
    panel = page.locator(".pipeline-metadata")
    panel.locator(".js-plotly-plot .main-svg").first.wait_for()
    title = panel.locator(".js-plotly-plot .gtitle").first.text_content()
    n_marks = panel.locator(".js-plotly-plot .scatterlayer .point").count()

    assert title == "Landsat: quality against latency p50"
    assert n_marks >= 24


def keep_at_home(route: Route, url: str) -> None:
    """Let requests to our own server through and no other."""
    if route.request.url.startswith(url):
        route.continue_()
    else:
        route.abort()
