"""The reference made from the code: every key has a meaning, every finding a section."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from rightfit.ranking.explanation.findings import PAGE, RULES, find

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Reads a page of the reference, made anew."""
    spec = spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    docs = tmp_path_factory.mktemp("project") / "docs"
    (docs / "reference").mkdir(parents=True)
    for name in ("SECURITY.md", "CHANGELOG.md"):
        (docs.parent / name).write_text("# -\n")
    module.write_pages(docs)
    return lambda name: (docs / "reference" / "made" / name).read_text(encoding="utf-8")


def test_every_parameter_has_a_meaning(pages: Callable[[str], str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", pages("parameters.md"), re.MULTILINE)

    assert len(rows) > 200
    assert [name for name, meaning in rows if not meaning.strip()] == []


def test_every_finding_has_its_section_where_its_address_leads(
    pages: Callable[[str], str],
) -> None:
    text = pages("findings.md")

    for code, rule in RULES.items():
        page, _, anchor = find(code, "run", "-").address.partition("#")
        assert page == PAGE
        assert f"({anchor})=\n## {code}: {rule.title}\n\n{rule.meaning}" in text
