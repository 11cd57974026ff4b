"""The site builds without a warning, broken links among them, and opens from a folder."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rightfit

pytestmark = pytest.mark.long

HREFS = "links => links.map(link => link.getAttribute('href'))"
FINISHED = ".search-summary:has-text('Search finished')"  # results appear one after the other
MOST_README_WORDS = 900


@pytest.fixture(scope="module")
def site(project_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    done = subprocess.run(
        [*build, "--builder", "html", "--doctree-dir", folder / "read", "docs", folder / "html"],
        cwd=project_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_reference_holds_every_public_name(site: Path) -> None:
    folder = site / "reference" / "made" / "api"

    names = {name for name in rightfit.__all__ if not name.startswith("_")}
    assert {page.stem for page in folder.glob("*.html")} == names
    for name in names:
        assert f'id="rightfit.{name}"' in (folder / f"{name}.html").read_text()


def test_reference_holds_keys_metrics_commands_and_columns(site: Path) -> None:
    made = site / "reference" / "made"
    expected = {
        "parameters": ["paused_memory_mib", "max_degradation", "p99_limit_ms", "keep_winner"],
        "metrics": ["latency_under_load_p99_ms", "cost_usd_per_1m_rows"],
        "commands": ["rightfit export", "--with-server", "rightfit remote measure"],
        "results": ["rejections.parquet", "stop_checkpoint", "p_best"],
    }

    for page, words in expected.items():
        text = re.sub(r"<[^>]+>", "", (made / f"{page}.html").read_text())
        assert [word for word in words if word not in text] == []


@pytest.mark.browser
def test_search_finds_a_page_from_a_folder_without_a_network(
    site: Path, open_page: Callable[..., Any]
) -> None:
    page = open_page(
        (site / "search.html").as_uri() + "?q=p99+limit", viewport={"width": 390, "height": 800}
    )
    page.wait_for_selector(FINISHED)
    found = page.locator("#search-results li a").all_inner_texts()
    page.goto((site / "howto" / "application.html").as_uri())

    assert any("application" in title for title in found[:3]), found
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


QUESTIONS = {
    "why did model lose": "howto/run",
    "why not model": "howto/run",
    "explain loser": "howto/run",
    "time limit": "howto/run",
    "memory limit": "howto/application",
    "limit p95 memory": "howto/application",
    "max latency and memory": "howto/application",
    "hard limit": "howto/application",
    "custom metric": "howto/metric",
    "cost matrix metric": "howto/metric",
    "misclassification cost": "howto/metric",
    "own metric": "howto/metric",
    "quality callable": "howto/metric",
    "progress": "howto/search_python",
    "n_jobs": "howto/search_python",
    "time series split": "howto/table",
    "csv dates missing": "howto/table",
    "load my own data": "howto/table",
    "missing values": "howto/table",
    "million rows minutes": "howto/large_table",
    "30 CPU minutes million rows": "howto/large_table",
    "limit cpu time": "howto/run",
    "gate CI": "howto/ci",
    "continuous integration": "howto/ci",
    "fail build regression": "howto/ci",
    "number of workers": "howto/machines",
}


@pytest.mark.browser
def test_search_leads_from_a_question_to_its_page(
    site: Path, open_page: Callable[..., Any]
) -> None:
    missed = {}
    for question, expected in QUESTIONS.items():
        page = open_page(f"{(site / 'search.html').as_uri()}?q={question.replace(' ', '+')}")
        page.wait_for_selector(FINISHED)
        links = page.locator("#search-results li > a")
        first = [str(link).partition(".html")[0] for link in links.evaluate_all(HREFS)[:3]]
        if expected not in first:
            missed[question] = first
        page.close()

    assert missed == {}


def test_search_leaves_out_decisions_and_evidence(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")

    assert '"howto/table"' in index
    assert '"decisions/' not in index
    assert '"explanation/evidence/' not in index


def test_llms_txt_lists_the_pages_with_what_they_are_about(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)]+)\)", text)

    assert "[How do I work with a run?](howto/run.html): " in text
    assert [page for page in linked if not (site / page).is_file()] == []
    assert not any("decisions" in page for page in linked)


def test_readme_is_short_and_names_the_test_command(project_path: Path) -> None:
    text = (project_path / "README.md").read_text()

    assert len(text.split()) <= MOST_README_WORDS
    assert "make perf" in text
    assert "make test" in text
