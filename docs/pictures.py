"""Make the documentation's pictures anew: ``make docs-images``.

The report's comes from the results in ``data/`` (of ``make perf``), the tutorial's from its own
code and from a fresh project of the starter, which takes some five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 860
DRAWN_MS = 3000
PORT = 24_141  # of kedro-viz
MOST_TRIES = 180  # a second each, until kedro-viz listens
VIZ_SETTINGS = {
    "theme": "light",
    "visible": {"sidebar": False, "miniMap": False},
    "userPreferences": {"showFeatureHints": False},
    "showFeatureHints": False,
}
COLUMNS = 110
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml [^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = "project_name: My Study\nrightfit_requirement: rightfit\nsample_data: 'yes'\n"
ROWS = (
    "import polars; polars.read_parquet('data/01_raw/landsat.parquet').head(100)"
    ".write_json('rows.json')"
)


def main() -> None:
    """Make the pictures whose source is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, default=DOCS.parent / "data")
    parser.add_argument("--project", type=Path, help="a finished project of the starter")
    given = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        show_report(browser, find_report(given.data_root), "report")
        show_pipeline(browser)
        show_models(browser, Path(folder))
        project = given.project or make_project(Path(folder))
        show_project(browser, project)
        browser.close()


def find_report(data_root: Path) -> Path:
    """Return the latest report of a data root."""
    found = data_root / "08_reporting" / "report.html"
    if not found.is_file():
        sys.exit(f"There is no report in {data_root}: run make perf, or name a --data-root.")
    return found


def show_report(browser: Browser, report: Path, name: str) -> None:
    """Take a picture of a report's first screen."""
    take_picture(browser, report.as_uri(), name, WIDTH, HEIGHT)


def take_picture(browser: Browser, url: str, name: str, width: int, height: int) -> None:
    """Take a picture of a page's first screen."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    page.add_init_script(f"localStorage.setItem('KedroViz', '{json.dumps(VIZ_SETTINGS)}')")
    page.goto(url)
    page.add_style_tag(content=".feature-hints, .update-reminder-unexpanded { display: none }")
    page.wait_for_timeout(DRAWN_MS)
    shot = Image.open(io.BytesIO(page.screenshot()))
    shot.convert("RGB").quantize(128).save(IMAGES / f"{name}.png", optimize=True)
    page.close()


def show_pipeline(browser: Browser) -> None:
    """Take a picture of the main job's pipeline in kedro-viz."""
    command = kedro(f"viz run --include-hooks --no-browser --host 127.0.0.1 --port {PORT}")
    told = {"KEDRO_DISABLE_TELEMETRY": "1"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=DOCS.parent,
        env=os.environ | told,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # it serves in a process of its own
    ) as server:
        try:
            for _ in range(MOST_TRIES):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT)):
                    break
                time.sleep(1)
            take_picture(
                browser, f"http://127.0.0.1:{PORT}/?pid=perf&types=nodes", "pipeline", 1600, 1200
            )
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def show_models(browser: Browser, folder: Path) -> None:
    """Run the first tutorial, and take a picture of its report."""
    blocks = PYTHON.findall((DOCS / "tutorial" / "models.md").read_text(encoding="utf-8"))
    run([sys.executable, "-c", "".join(blocks)], folder)
    show_report(browser, folder / "report.html", "tutorial_report")


def make_project(folder: Path) -> Path:
    """Make a project of the starter."""
    (folder / "answers.yml").write_text(ANSWERS, encoding="utf-8")
    run(kedro("new --starter rightfit --config answers.yml"), folder)
    return folder / "my-study"


def show_project(browser: Browser, project: Path) -> None:
    """Follow the other tutorials in a project, and take their pictures."""
    told = run(kedro("run --pipelines perf"), project).replace(str(project), "/home/me/my-study")
    show_terminal("make perf", told, "tutorial_terminal")
    show_report(browser, find_report(project / "data"), "tutorial_project")

    applications = project / "conf" / "base" / "parameters_applications.yml"
    block = YAML.findall((DOCS / "tutorial" / "application.md").read_text(encoding="utf-8"))[0]
    before = applications.read_text(encoding="utf-8")
    if block not in before:
        applications.write_text(f"{before}\n{block}", encoding="utf-8")
    run(kedro("run --pipelines ranking"), project)
    which = "which --application conveyor"
    show_terminal(f"rightfit {which}", run(kedro(f"rightfit {which}"), project), "tutorial_which")

    run(kedro("rightfit export --force --application interactive --dataset landsat out"), project)
    run([sys.executable, "-c", ROWS], project)
    load = "load-test out/ --rows rows.json --limit-ms 50"
    printed = run(kedro(f"rightfit {load}"), project, columns=140)
    show_terminal(f"rightfit {load}", printed, "tutorial_load", 140)


def kedro(words: str) -> list[str]:
    """Return a command line of Kedro in this environment."""
    return [sys.executable, "-m", "kedro", *shlex.split(words)]


def run(command: Sequence[str], folder: Path, columns: int = COLUMNS) -> str:
    """Run a command and return what it prints."""
    told = {"COLUMNS": str(columns), "KEDRO_DISABLE_TELEMETRY": "1", "FORCE_COLOR": "1"}
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=folder,
        env=os.environ | told | {"RIGHTFIT_LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def show_terminal(command: str, text: str, name: str, columns: int = COLUMNS) -> None:
    """Write what a command prints as a picture of a terminal, without a font from elsewhere."""
    console = Console(record=True, width=columns, file=io.StringIO())
    console.print(f"$ {command}", style="bold", highlight=False)
    text = re.sub(r"Linux\s+\S+", "Linux", text)
    lines = [line for line in text.strip("\n").split("\n") if " INFO " not in line]
    console.print(Text.from_ansi("\n".join(lines)))
    console.print()  # or the underscores of the last line are cut off
    svg = console.export_svg(title=" ", unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (IMAGES / f"{name}.svg").write_text(svg.replace("Fira Code", "ui-monospace"), encoding="utf-8")


if __name__ == "__main__":
    main()
