"""Debian's Chromium, driven by Playwright: fixtures of every test that opens a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

SHOWN_MS = 120_000  # a busy machine takes long to lay out a page
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skipped where there is none, unless programs are required."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "Chromium is missing: apt-get install chromium"
        if os.environ.get("RIGHTFIT_REQUIRE_PROGRAMS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright  # not of the core's environment

    expect.set_options(timeout=SHOWN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page; what it complains of is collected in its attribute ``complaints``."""
    contexts = []

    def open_one(url: str, **context_options: Any) -> Page:
        context = chromium.new_context(**context_options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SHOWN_MS)
        page.complaints = []
        page.on("console", lambda message: _note_message(page, message))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: _note_request(page, request))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()


def _note_message(page: Page, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        page.complaints.append(message.text)


def _note_request(page: Page, request: Request) -> None:
    if not request.url.startswith(("file:", "data:", "blob:")):
        page.complaints.append(f"request to {request.url}")
