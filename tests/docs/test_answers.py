"""What users ask most is answered, each question under its heading, in a minute's reading."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from harness.guides import GUIDE, Block, read_blocks

from rightfit.params.defaults import merge
from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.validation import find_block_faults

WORDS_A_MINUTE = 250
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"
# Page, and heading -> what its answer names
ANSWERS = {
    "table#how-do-i-use-my-own-csv-file": [
        "file_format: csv",
        "target: {column:",
        "kedro run --pipelines perf",
    ],
    "own_parts#how-do-i-use-my-torch-module": ["family: torch", "module:", "rf.measure(module"],
    "notebook_model": ["rf.compare(", "rf.rank("],
    "application#how-do-i-set-a-p99-limit-at-100-requestss": [
        "latency_under_load_p99_ms: {max:",
        "rate_per_s: 100",
        "rightfit load-test",
    ],
    "machines#how-do-i-use-four-machines": ["dask worker tcp://", "training.cluster=tcp://"],
    "gpu": ["devices: [cpu, cuda]", "training.device", 'device="cuda"'],
    "deploy": ["rightfit export", "rightfit serve", "rightfit which"],
    "too_slow": ["rf.tune_serving(", 'tuned.export("web", "served")'],
    "run#how-do-i-search-longer": ["training.budget_cpu_s"],
    "run#why-did-a-model-lose": ["rejections.parquet", "ranking.explain("],
    "run#how-do-i-rank-again-without-searching": ["kedro run --pipelines ranking"],
    "table#how-do-i-keep-groups-together-in-a-split": [
        "split: {method: by_group",
        "validation: {method: by_group",
    ],
    "ci": ["rightfit check --against baseline.json"],
    "machines#how-do-i-rank-by-another-machines-figures": [
        "rightfit remote pack",
        "rightfit remote import",
        "environment: board",
    ],
}


def find_whole_blocks(page: Path) -> list[Block]:
    """Return the blocks that are no part of the guide's project."""
    return [block for block in read_blocks(page) if page.stem not in GUIDE or block.is_whole]


BESIDE_THE_GUIDE = sorted(
    page
    for folder in ("howto", "tutorial", "explanation")
    for page in (DOCS / folder).glob("*.md")
    if find_whole_blocks(page)
)


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_stands_in_its_first_minute(name: str) -> None:
    page, _, heading = name.partition("#")
    parts = re.split(
        r"^##? (?=How do I |Why did |Which )",
        (DOCS / "howto" / f"{page}.md").read_text(),
        flags=re.M,
    )[1:]
    by_heading = {re.sub(r"[^\w -]", "", part.partition("\n")[0].lower()): part for part in parts}
    text = by_heading[heading.replace("-", " ")] if heading else parts[0]
    first_minute = "".join(re.findall(r"\S+\s*", text)[:WORDS_A_MINUTE])

    assert [part for part in ANSWERS[name] if part not in first_minute] == []


@pytest.mark.parametrize("name", ANSWERS)
def test_question_is_listed_among_the_most_asked(name: str) -> None:
    most_asked = (DOCS / "howto" / "index.md").read_text().partition("## All")[0]

    assert f"]({name.replace('#', '.md#') if '#' in name else name + '.md'})" in most_asked


@pytest.mark.parametrize("page", BESIDE_THE_GUIDE, ids=lambda page: page.stem)
def test_blocks_of_a_page_are_right_parameters(page: Path, project_path: Path) -> None:
    """They change or add to those of the repository, as an environment of it would."""
    base = project_path / "conf" / "base"
    parameters = {}
    for file in base.glob("parameters_*.yml"):
        parameters |= yaml.safe_load(file.read_text())
    for block in find_whole_blocks(page):
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
    programs = PYTHON.findall((DOCS / "howto" / "own_parts.md").read_text())
    for program, name, methods in (
        (programs[0], "WithoutArena", ("list_files", "list_imports", "open")),
        (programs[1], "BehindBest", ("prune",)),
    ):
        known: dict[str, object] = {}
        exec(program, known)  # noqa: S102

        assert [method for method in methods if not hasattr(known[name](), method)] == []
