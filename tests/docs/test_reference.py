"""The reference made from the code: every key has a meaning, every finding a section."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TypeGuard

import pytest
import yaml

from rightfit.measuring.metrics import METRICS
from rightfit.ranking.explanation.findings import PAGE, RULES, find

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = yaml.safe_load((DOCS / "api_examples.yml").read_text(encoding="utf-8"))


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


def test_every_metric_has_one_row_that_says_how_it_is_measured(
    pages: Callable[[str], str],
) -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (lower|higher) \| (.*) \|$", pages("metrics.md"), re.M)
    texts = [how.partition(" | ")[0] for *_, how in rows]

    assert [column for column, *_ in rows] == [metric.column for metric in METRICS]
    assert len(set(texts)) == len(texts)
    for column, text in zip([column for column, *_ in rows], texts, strict=True):
        assert len(text) > len(column)


def test_every_finding_has_its_section_where_its_address_leads(
    pages: Callable[[str], str],
) -> None:
    text = pages("findings.md")

    for code, rule in RULES.items():
        page, _, anchor = find(code, "run", "-").address.partition("#")
        assert page == PAGE
        assert f"({anchor})=\n## {code}: {rule.title}\n\n{rule.meaning}" in text


def test_every_public_function_has_a_page_with_an_example_that_runs_on(
    pages: Callable[[str], str],
) -> None:
    codes = [block["code"] for block in EXAMPLES.values()]

    for name in ("measure", "compare", "rank", "search", "open_project"):
        page = pages(f"api/{name}.md")
        assert EXAMPLES[name]["code"] in page
        assert EXAMPLES[name]["output"] in page
        assert f"rf.{name}(" in EXAMPLES[name]["code"]
    names = {node.id for code in codes for node in ast.walk(ast.parse(code)) if is_read(node)}
    bound = {node.id for code in codes for node in ast.walk(ast.parse(code)) if is_bound(node)}
    imported = {alias.asname or alias.name for code in codes for alias in list_imports(code)}
    assert names - bound - imported - set(dir(builtins)) == set()


def is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def is_bound(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def list_imports(code: str) -> list[ast.alias]:
    imports = (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import | ast.ImportFrom))
    return [alias for node in imports for alias in node.names]
