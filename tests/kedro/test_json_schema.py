"""Editors complete and check YAML by the schema: what a run takes passes, and slips do not."""

from __future__ import annotations

import html
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from rightfit_kedro.json_schema import make_schema
from rightfit_kedro.validation import NAMED_BLOCKS, WHOLE_BLOCKS
from rightfit_search.families.registry import MADE

BLOCKS = {"grid", *NAMED_BLOCKS, *WHOLE_BLOCKS}
PROJECT = Path(__file__).parents[2]
YAML_BLOCK = re.compile(r"^( *)```yaml[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


class EditorLoader(yaml.SafeLoader):
    """Reads numbers as YAML 1.2 has them, as editors do."""


EditorLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$"),
    list("+-.0123456789"),
)


def read(text: str) -> Any:
    return yaml.load(text, EditorLoader)  # noqa: S506 - a safe loader


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return make_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft7Validator:
    return Draft7Validator(schema)


def list_texts() -> Iterator[tuple[str, str]]:
    """Yield the YAML that is shipped, with its place."""
    for folder in ("conf", "src", "benchmarks", "tests"):
        for path in sorted((PROJECT / folder).rglob("*.yml")):
            yield str(path.relative_to(PROJECT)), render(path.read_text())
    for path in [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]:
        for number, (indent, text) in enumerate(YAML_BLOCK.findall(path.read_text())):
            plain = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
            yield f"{path.relative_to(PROJECT)}:{number}", plain


def render(text: str) -> str:
    """Return a file of the template as one of a project with sample data."""
    plain = re.sub(
        r"\{%-? if .*? %\}(.*?)\{%-? else -?%\}.*?\{%-? endif -?%\}", r"\1", text, flags=re.S
    )
    return re.sub(r"\{\{ cookiecutter\.(\w+) \}\}", r"\1", plain)


TEXTS = {
    place: text
    for place, text in list_texts()
    if re.search(rf"^(?:{'|'.join(BLOCKS)}):", text, re.MULTILINE)
}


def test_many_texts_are_held_against_it() -> None:
    folders = {place.partition("/")[0] for place in TEXTS}

    assert {"benchmarks", "conf", "docs", "src"} <= folders
    assert len(TEXTS) > 40


@pytest.mark.parametrize("place", TEXTS)
def test_shipped_yaml_fits(place: str, validator: Draft7Validator) -> None:
    faults = [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(read(TEXTS[place]))]

    assert faults == []


MISTAKES = {
    "grid.model": "grid: {model: [linear]}",
    "grid.datasets": "grid: {datasets: [{a: 1}]}",
    "datasets.a.tabels": "datasets: {a: {tabels: [a], target: {column: y}}}",
    "datasets.a.target.colum": "datasets: {a: {target: {colum: y}}}",
    "datasets.a.task": "datasets: {a: {task: regresion}}",
    "datasets.a.max_train_rows": "datasets: {a: {max_train_rows: 0}}",
    "datasets.a.split": "datasets: {a: {split: {method: stratified, share: 2}}}",
    "datasets.a.features.numeric": "datasets: {a: {features: {numeric: age}}}",
    "models.m.famly": "models: {m: {famly: linear}}",
    "models.m.space.depth": "models: {m: {family: forest, space: {depth: {lo: 1, high: 9}}}}",
    "models.m.space": "models: {m: {family: imported, file: a.onnx, space: {}}}",
    "models.m.input": "models: {m: {family: imported, file: a.onnx, input: row}}",
    "models.m.n_candidates": "models: {m: {family: cascade, n_candidates: 0}}",
    "training.n_trial": "training: {n_trial: 12}",
    "training.n_trials": "training: {n_trials: many}",
    "training.budget_cpu_s": "training: {budget_cpu_s: -1}",
    "evaluation.runtimes": "evaluation: {runtimes: onnx}",
    "evaluation.preset": "evaluation: {preset: 3}",
    "ranking.confidence": "ranking: {confidence: 95}",
    "applications.a.objectives.latency": (
        "applications: {a: {objectives: {latency: {weight: 1, worst: 9, best: 1}}}}"
    ),
    "applications.a.objectives.quality.wieght": (
        "applications: {a: {objectives: {quality: {wieght: 1, worst: 0, best: 1}}}}"
    ),
    "applications.a.scenario": "applications: {a: {scenario: ofline}}",
    "applications.a.constraints.quality.max": (
        "applications: {a: {constraints: {quality: {max: high}}}}"
    ),
    "applications.a.rate_per_s": "applications: {a: {rate_per_s: 0}}",
}


@pytest.mark.parametrize("key", MISTAKES)
def test_mistake_is_refused_where_it_stands(key: str, validator: Draft7Validator) -> None:
    faults = [
        (list(map(str, e.path)), e.message) for e in validator.iter_errors(read(MISTAKES[key]))
    ]

    named = key.split(".")
    assert faults
    for path, message in faults:
        assert path == named or (path == named[:-1] and repr(named[-1]) in message)


def test_keys_are_described_as_in_the_reference(
    schema: dict[str, Any], project_path: Path, tmp_path: Path
) -> None:
    sys.path.insert(0, str(project_path / "docs"))
    reference = importlib.import_module("reference_pages")
    page = html.unescape(reference._write_parameters()).replace("\\|", "|")
    described = [
        (f"{name}.{key}", part.get("description"))
        for name, model in schema["definitions"].items()
        for key, part in model.get("properties", {}).items()
        if key not in MADE.values()
    ]

    assert [key for key, text in described if not text] == []
    texts = [
        (k, t) for k, t in described if not k.startswith("Application.") or "is better" not in t
    ]
    assert [key for key, text in texts if text not in page] == []
