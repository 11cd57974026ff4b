"""Write the reference pages that are made from code: API, commands, parameters, metrics, results.

The pages lie in ``docs/reference/made`` and are not kept: each build writes them anew.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import rightfit
from rightfit.cli.verb_group import SECTIONS, VerbGroup, list_verbs, load_verb
from rightfit.measuring.metrics import METRICS
from rightfit.measuring.profile import profiles_schema
from rightfit.params.defaults import read_default
from rightfit.ranking.explanation.findings import RULES
from rightfit_kedro.grid import CascadeBlock, GridParams
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_kedro.key_meanings import find_meaning, find_models, read_block_comments
from rightfit_kedro.parameters import BLOCKS
from rightfit_kedro.validation import NAMED_BLOCKS, WHOLE_BLOCKS
from rightfit_search.searching.search_tables import ACCOUNT_SCHEMA, CURVE_SCHEMA, TRIAL_SCHEMA

SOURCE = Path(rightfit.__file__).parents[1]
EXAMPLES = Path(__file__).with_name("api_examples.yml")
FUNCTIONS = ("measure", "compare", "tune_serving", "rank", "search", "log_export", "open_project")
TYPES_LAST = ("RightfitError",)
"""Public names that are shown last."""

PARAMETERS: Mapping[str, tuple[str, Mapping[str, type[BaseModel]]]] = {
    "grid": ("Which cells exist: every dataset with every model.", {"grid": GridParams}),
    "datasets": (
        "One block per dataset. It needs `tables` and `target`; the rest is inferred from the "
        "tables at the first run.",
        {"datasets.<name>": NAMED_BLOCKS["datasets"]},
    ),
    "applications": (
        "One block per application: who will use a model, and what fits them.",
        {"applications.<name>": NAMED_BLOCKS["applications"]},
    ),
    "models": (
        "One block per model. Which keys it has follows from its `family`.",
        {
            "models.<name>": NAMED_BLOCKS["models"],
            "models.<name> (family: imported)": ImportedBlock,
            "models.<name> (family: cascade)": CascadeBlock,
        },
    ),
    "training": ("How each cell is searched.", {"training": WHOLE_BLOCKS["training"]}),
    "evaluation": (
        "What is measured, and how thoroughly.",
        {"evaluation": WHOLE_BLOCKS["evaluation"]},
    ),
    "ranking": ("Rules for every application.", {"ranking": WHOLE_BLOCKS["ranking"]}),
    "http_load": (
        "Loading the winners over HTTP.",
        {"http_load": WHOLE_BLOCKS["http_load"]},
    ),
}
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "trials": TRIAL_SCHEMA,
    "learning_curves": CURVE_SCHEMA,
    "search_audit": ACCOUNT_SCHEMA,
}
"""Columns of tables that no module describes in words."""


def write_pages(docs: Path) -> None:
    """Write all pages below ``docs``."""
    folder = docs / "reference" / "made"
    (folder / "api").mkdir(parents=True, exist_ok=True)
    pages = {
        **_write_api(),
        "commands.md": _write_commands(),
        "parameters.md": _write_parameters(),
        "metrics.md": _write_metrics(),
        "results.md": _write_results(),
        "findings.md": _write_findings(),
        "security.md": _read_page(docs.parent / "SECURITY.md"),
        "changelog.md": _read_page(docs.parent / "CHANGELOG.md"),
    }
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # else it is not read
            path.write_text(text, encoding="utf-8")


def _read_page(path: Path) -> str:
    """Return a page of the repository's root as one among the pages made."""
    return path.read_text(encoding="utf-8").replace("](docs/", "](../../")


def _write_api() -> dict[str, str]:
    """Write a page for each public name, and one that lists them."""
    names = [name for name in rightfit.__all__ if not name.startswith("_")]
    classes = [name for name in names if name not in (*FUNCTIONS, *TYPES_LAST)]
    examples = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    ordered = (*FUNCTIONS, *classes, *TYPES_LAST)
    pages = {}
    for name in ordered:
        kind = "autofunction" if name in FUNCTIONS else "autoclass"
        options = "" if name in FUNCTIONS else "\n   :members:"
        directive = f".. {kind}:: rightfit.{name}{options}"
        text = f"# `{name}`\n\n```{{eval-rst}}\n{directive}\n```\n"
        if example := examples.get(name):
            text += f"\n## Example\n\n```python\n{example['code']}```\n"
            text += f"\nIt printed:\n\n```text\n{example['output']}```\n"
        pages[f"api/{name}.md"] = text
    rows = [
        (f"[`{name}`](api/{name}.md)", _clean(inspect.getdoc(getattr(rightfit, name)) or ""))
        for name in ordered
    ]
    rows = [(name, meaning.partition("\n")[0].partition(". ")[0]) for name, meaning in rows]
    toctree = "\n".join(f"api/{name}" for name in ordered)
    pages["api.md"] = "\n".join(
        [
            "# Python\n",
            "Every public name of `import rightfit as rf`. All else may change in any release.\n",
            _tabulate(("name", "what it is"), rows),
            f"```{{toctree}}\n:hidden:\n\n{toctree}\n```\n",
        ]
    )
    return pages


def _write_commands() -> str:
    parts = [
        "# Commands\n",
        "Each is `rightfit VERB` and, in a Kedro project, also `kedro rightfit VERB`. The main job "
        "is Kedro's own command, `kedro run --pipelines perf`; `rightfit run` has its options.\n",
    ]
    for section in SECTIONS:
        parts.append(f"## {section}\n")
        for name in (name for name, verb in list_verbs().items() if verb.section == section):
            parts += _describe_command(name, load_verb(name))
    return "\n".join(parts)


def _describe_command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"rightfit {name}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"### `rightfit {name}`\n\n{_clean(command.help or '')}\n"
    yield f"```text\n{' '.join(usage.split())}\n```\n"
    rows = [record for one in command.params if (record := one.get_help_record(context))]
    yield _tabulate(("option", "meaning"), [(f"`{a}`", _clean(b)) for a, b in rows])
    if isinstance(command, VerbGroup):
        for verb in command.verbs:
            yield from _describe_command(f"{name} {verb}", load_verb(verb, command.entries))


def _write_parameters() -> str:
    parts = [
        "# Parameters\n",
        "Each block is a file `conf/base/parameters_BLOCK.yml`. `grid`, `datasets` and "
        "`applications` must be yours; for the others the library has values, and a key in your "
        "`conf/` replaces the one of the same name. `--params evaluation.preset=standard` sets a "
        "key for one run. A wrong key or value ends the command before anything runs.\n",
    ]
    for block, (text, models) in PARAMETERS.items():
        parts.append(f"## {block}\n\n{text}\n")
        package = BLOCKS.get(block)
        values = read_default(block, package) if package and block != "models" else {}
        comments = read_block_comments(block)
        seen: set[type[BaseModel]] = set()
        for path, model in models.items():
            described = list(_describe_model(path, model, values, comments, seen))
            parts += described[2:] if path == block else described  # its title stands above
    return "\n".join(parts)


def _describe_model(
    path: str,
    model: type[BaseModel],
    values: Any,
    comments: Mapping[tuple[str, ...], str],
    seen: set[type[BaseModel]],
) -> Iterator[str]:
    """Yield a section for a model, then one for each model that its fields hold."""
    if model in seen:
        return
    seen.add(model)
    fields, inner = [], []
    kind = ""
    if variant := [
        name for name, one in model.model_fields.items() if get_origin(one.annotation) is Literal
    ]:
        named = get_args(model.model_fields[variant[0]].annotation)
        kind = f" ({variant[0]}: {named[0]})" if len(named) == 1 and "(" not in path else ""
    schema = model.model_json_schema(mode="validation")
    for name, field in model.model_fields.items():
        known = values.get(name) if isinstance(values, Mapping) else None
        shown = _write_value(known) if known is not None else _write_default(field, values, name)
        meaning = _escape(find_meaning(model, name, path, comments))
        allowed = _describe_type(schema.get("properties", {}).get(name, {}), schema)
        fields.append((f"`{name}`", allowed, shown, meaning))
        inner += [(f"{path}.{name}", part, known) for part in find_models(field.annotation)]
    if fields:
        yield f"### {path.replace('<', '&lt;')}{kind}\n"
        yield f"{_clean(inspect.getdoc(model) or '')}\n"
        yield _tabulate(("key", "allowed", "value if left out", "meaning"), fields)
    for place, part, known in inner:
        shared = {} if not isinstance(known, Mapping) else known
        yield from _describe_model(place, part, shared, comments, seen)


def _describe_type(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Write a part of a JSON schema in words."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        inner = schema["$defs"][name]
        return "block" if inner.get("properties") else _describe_type(inner, schema)
    for key in ("anyOf", "oneOf"):
        if key in part:
            words = dict.fromkeys(_describe_type(one, schema) for one in part[key])
            return " or ".join(word for word in words if word)
    if "enum" in part or "const" in part:
        return ", ".join(f"`{one}`" for one in part.get("enum", [part.get("const")]))
    kind = part.get("type", "any value")
    if kind == "array":
        return f"list of {_describe_type(part.get('items', {}), schema)}"
    if kind == "object":
        inner = part.get("additionalProperties")
        of = _describe_type(inner, schema) if isinstance(inner, Mapping) else ""
        return f"mapping to {of}" if of else "mapping"
    words = {
        "integer": "whole number",
        "string": "text",
        "boolean": "true or false",
        "null": "null",
    }
    bounds = [
        f"{sign} {part[key]:,g}" if abs(part[key]) < 1e9 else ""  # such bounds only keep it finite
        for key, sign in {
            "exclusiveMinimum": ">",
            "minimum": "≥",
            "exclusiveMaximum": "<",
            "maximum": "≤",
        }.items()
        if key in part
    ]
    return " ".join([words.get(kind, kind), ", ".join(filter(None, bounds))]).strip()


def _write_default(field: FieldInfo, values: Any, name: str) -> str:
    if isinstance(values, Mapping) and name in values:  # the library's value is null
        return "`null`"
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None or value in ((), {}) else _write_value(value)


def _write_value(value: Any) -> str:
    if isinstance(value, Mapping) or (isinstance(value, list) and value and len(str(value)) > 60):
        return "see below"
    if isinstance(value, BaseModel):
        return ""
    listed = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(listed, default_flow_style=True, width=200).removesuffix("...\n").strip()
    return f"`{text}`"


def _write_metrics() -> str:
    described = yaml.safe_load(Path(__file__).with_name("metrics.yml").read_text(encoding="utf-8"))
    rows = [
        (
            f"`{metric.column}`",
            metric.unit or metric.scale or "",
            metric.better,
            *described["metrics"][metric.column],
        )
        for metric in METRICS
    ]
    columns = ("metric", "unit", "better", "how it is measured", "95 % interval", "not covered")
    return "\n".join(
        [
            "# Metrics, and how each is measured\n",
            "Each metric is a column of `resource_profiles.parquet`. An application names it in "
            "`objectives` or `constraints`; `constraints` also takes `n_threads`. Where there is a "
            "95 % interval, it stands beside the metric as `_low` and `_high`. A metric that was "
            "not measured is null, with its reason in `null_reasons`.\n",
            _tabulate(columns, rows),
            described["notes"],
        ]
    )


def _write_results() -> str:
    parts = [
        "# Results\n",
        "Every file that a run writes, relative to the data root (`data/`). Versioned files lie in "
        "a folder named after the run: `rankings.parquet/<version>/rankings.parquet`. "
        "`{dataset}` and `{model}` stand for each of yours. The names are those of the catalog.\n",
    ]
    described = _find_described_tables()
    for file in sorted(
        (SOURCE / "rightfit_kedro" / "catalog_entries").glob("*.yml"), key=_read_layer
    ):
        entries = _read_entries(file)
        if not entries:
            continue
        parts.append(f"## {file.stem.replace('_', ' ').capitalize()}\n")
        for name, (comment, entry) in entries.items():
            where = entry.get("filepath") or entry.get("path") or entry.get("url") or ""
            parts.append(f"### `{name}`\n")
            if where:
                parts.append(f"`{where}`{', versioned' if entry.get('versioned') else ''}\n")
            parts.append(f"{_link_code(comment)}\n")
            short = name.rpartition(".")[2]
            if short in described:
                parts.append(f"{described[short]}\n")
            columns = _list_columns(short)
            if columns:
                parts.append(_tabulate(("column", "type"), columns))
    return "\n".join(parts)


def _write_findings() -> str:
    parts = [
        "# Findings\n",
        "Each remark on a run has a code. The report, the terminal, `rightfit which`, its JSON, "
        "`report.md` and the README of an export show the same ones. An error or a warning should "
        "be read before a decision is used; a note explains one. Where a rule was not checked, the "
        "report says why under *Not applicable*.\n",
        _tabulate(
            ("code", "finding", "severity"),
            [
                (f"[{code}](#{code.lower()})", rule.title, rule.severity)
                for code, rule in RULES.items()
            ],
        ),
    ]
    for code, rule in RULES.items():
        parts.append(f"({code.lower()})=\n## {code}: {rule.title}\n\n{rule.meaning}\n")
        parts.append(f"**What to do.** {rule.action}\n")
    return "\n".join(parts)


def _list_columns(name: str) -> list[tuple[str, str]]:
    if name in SCHEMAS:
        schema = SCHEMAS[name]
    elif name == "resource_profiles":
        schema = {
            key: kind
            for key, kind in profiles_schema().items()
            if not key.endswith(("_low", "_high"))
        }
    else:
        return []
    return [(f"`{column}`", str(kind).partition("(")[0]) for column, kind in schema.items()]


def _read_layer(file: Path) -> int:
    order = ("reporting", "charts", "profiles", "model_output", "models", "model_input")
    return order.index(file.stem) if file.stem in order else len(order)


def _read_entries(file: Path) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the entries of a catalog file with the comments above them, templates left out."""
    text = file.read_text(encoding="utf-8")
    entries = yaml.safe_load(text)
    found, comment = {}, []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        elif key := re.match(r'"?([^":\s]+(?:\.[^":\s]+)*)"?:', line):
            if comment and isinstance(entries.get(key[1]), Mapping):
                found[key[1]] = (" ".join(comment), entries[key[1]])
            comment = []
        elif not line.strip():
            comment = []
    return found


@functools.cache
def _find_described_tables() -> Mapping[str, str]:
    """Return what modules say of a table's columns, by table."""
    found = {}
    for file in sorted(SOURCE.glob("rightfit*/**/*.py")):
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        for paragraph in text.split("\n\n"):
            if table := re.match(r"Table ``(\w+)``: ?", paragraph):
                found[table[1]] = _clean(paragraph)
    rankings = ast.get_docstring(
        ast.parse((SOURCE / "rightfit/ranking/explanation/rankings.py").read_text(encoding="utf-8"))
    )
    found["rankings"] = _clean((rankings or "").partition("\n\n")[2])
    return found


def _clean(text: str) -> str:
    """Turn a docstring's markup into Markdown's, a paragraph a line."""
    text = re.sub(r"``(.+?)``", r"`\1`", text).replace("`None`", "`null`")
    text = re.sub(r" \(`params:[^`]+`\)", "", text)
    text = re.sub(r":\w+:`~?([\w.]+)`", lambda role: f"`{role[1].rpartition('.')[2]}`", text)
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _link_code(comment: str) -> str:
    return re.sub(r"\b(\w+_\w+)\b", r"`\1`", comment)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _tabulate(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
