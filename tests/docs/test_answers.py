"""What users ask most is answered, each question on a page of its own, in a minute's reading."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from harness.guides import GUIDE, read_blocks

from rightfit.kedro_project.validation import find_block_faults
from rightfit.params.defaults import complete_parameters, merge

WORDS_A_MINUTE = 250
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"
# Page -> what its answer names
ANSWERS = {
    "csv": ["file_format: csv", "target: {column:", "kedro run --pipelines perf"],
    "torch_module": ["family: torch", "module:", "rf.measure(module"],
    "notebook_model": ["rf.compare(", "rf.rank("],
    "p99_at_rate": ["latency_under_load_p99_ms: {max:", "rate_per_s: 100", "rightfit load-test"],
    "machines": ["dask worker tcp://", "training.cluster=tcp://"],
    "gpu": ["devices: [cpu, cuda]", "training.device", 'device="cuda"'],
    "deploy": ["rightfit export", "rightfit serve", "rightfit which"],
    "too_slow": ["rf.tune_serving(", 'tuned.export("web", "served")'],
    "longer_search": ["training.budget_cpu_s"],
    "why_not": ["rejections.parquet", "ranking.explain("],
    "only_ranking": ["kedro run --pipelines ranking"],
    "groups": ["split: {method: by_group", "validation: {method: by_group"],
    "ci": ["rightfit check --against baseline.json"],
    "other_machine": ["rightfit remote pack", "rightfit remote import", "environment: board"],
}
BESIDE_THE_GUIDE = sorted(
    page
    for folder in ("howto", "tutorial", "explanation")
    for page in (DOCS / folder).glob("*.md")
    if page.stem not in GUIDE and read_blocks(page)
)


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_stands_in_its_first_minute(name: str) -> None:
    text = (DOCS / "howto" / f"{name}.md").read_text()
    first_minute = "".join(re.findall(r"\S+\s*", text)[:WORDS_A_MINUTE])

    assert text.startswith(("# How do I ", "# Why did "))
    assert [part for part in ANSWERS[name] if part not in first_minute] == []


@pytest.mark.parametrize("name", ANSWERS)
def test_question_is_listed_among_the_most_asked(name: str) -> None:
    most_asked = (DOCS / "howto" / "index.md").read_text().partition("## All")[0]

    assert f"]({name}.md)" in most_asked


@pytest.mark.parametrize("page", BESIDE_THE_GUIDE, ids=lambda page: page.stem)
def test_blocks_of_a_page_are_right_parameters(page: Path, project_path: Path) -> None:
    """They change or add to those of the repository, as an environment of it would."""
    base = project_path / "conf" / "base"
    parameters = {}
    for file in base.glob("parameters_*.yml"):
        parameters |= yaml.safe_load(file.read_text())
    for block in read_blocks(page):
        assert block.language == "yaml"
        if not block.file.startswith("conf/base/parameters_"):  # of the catalog
            continue
        changed = yaml.safe_load(block.text)
        if "datasets" in changed:
            parameters["grid"]["datasets"] += list(changed["datasets"])
        parameters = merge(parameters, changed)

    assert find_block_faults(complete_parameters(parameters)) == []


@pytest.mark.parametrize(
    "page",
    [page for page in sorted(DOCS.rglob("*.md")) if PYTHON.search(page.read_text())],
    ids=lambda page: page.stem,
)
def test_python_of_a_page_is_python(page: Path) -> None:
    for block in PYTHON.findall(page.read_text()):
        ast.parse(block)


def test_runtime_and_stopping_rule_of_the_pages_have_what_is_asked_of_them() -> None:
    for page, name, methods in (
        ("runtime", "WithoutArena", ("list_files", "list_imports", "open")),
        ("stopping_rule", "BehindBest", ("prune",)),
    ):
        known: dict[str, object] = {}
        exec(PYTHON.findall((DOCS / "howto" / f"{page}.md").read_text())[0], known)  # noqa: S102

        assert [method for method in methods if not hasattr(known[name](), method)] == []
