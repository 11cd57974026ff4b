"""The JSON Schema of a project's parameters, with which editors complete and check its YAML.

It is made from the models that check a run. A file may hold any part of a block, since environments
change single keys: so no key is required, and what depends on several keys is left to the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.params.defaults import read_default
from rightfit.ranking.applications.applications import (
    METRIC_BLOCKS,
    Constraint,
    Objective,
    ServingDemand,
)
from rightfit_kedro.grid import CASCADE, IMPORTED, CascadeBlock, GridParams
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_kedro.key_meanings import find_meaning, find_models, read_block_comments
from rightfit_kedro.parameters import BLOCKS
from rightfit_kedro.validation import NAMED_BLOCKS, WHOLE_BLOCKS
from rightfit_search.families.registry import MADE
from rightfit_search.searching.space import ModelBlock
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.description_parts import Target

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"  # which every editor's YAML server reads
FILE = "rightfit.schema.json"
"""Its name in a project's folder of configuration."""
EDITOR_COMMENT = f"# yaml-language-server: $schema=../{FILE}\n"
"""First line of a file in a folder of that, such as ``conf/base``, which editors read."""
TEXT: Schema = {"type": "string"}
NAME_LIST: Schema = {"type": "array", "items": TEXT}
OTHER_MODELS: Mapping[str, type[BaseModel]] = {IMPORTED: ImportedBlock, CASCADE: CascadeBlock}
PATHS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "grid": {"grid": GridParams},
    **{name: {f"{name}.<name>": model} for name, model in NAMED_BLOCKS.items()},
    **{name: {name: model} for name, model in WHOLE_BLOCKS.items()},
    "models": {
        "models.<name>": ModelBlock,
        **{f"models.<name> (family: {name})": model for name, model in OTHER_MODELS.items()},
    },
}
"""Each parameter's models by the path under which they stand, as the reference shows it."""


def write_schema() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(make_schema(), ensure_ascii=False) + "\n"


def make_schema() -> Schema:
    """Return the schema of a file of parameters; keys that are not Rightfit's are allowed."""
    placed = [place for block, models in PATHS.items() for place in _walk(block, models)]
    kinds = list(dict.fromkeys(model for _, _, model in placed))
    references, schema = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/definitions/{model}"
    )
    refs = {kind: references[kind, "validation"] for kind in kinds}
    definitions = {name: _loosen(part) for name, part in schema["$defs"].items()}
    keys = {
        kind: definitions[ref["$ref"].rpartition("/")[2]]["properties"]
        for kind, ref in refs.items()
    }
    _add_short_forms(keys, refs)
    for block, path, model in reversed(placed):  # the first place of a model has the last word
        for name in model.model_fields:
            if meaning := find_meaning(model, name, path, read_block_comments(block)):
                keys[model][name] = _describe(keys[model][name], meaning)
    named: Mapping[str, Schema] = {name: refs[model] for name, model in NAMED_BLOCKS.items()}
    named = {**named, "models": _choose_by_family(refs)}
    return {
        "$schema": DIALECT,
        "title": "Parameters of Rightfit",
        "type": "object",
        "properties": {
            "grid": refs[GridParams],
            **{name: {"type": "object", "additionalProperties": of} for name, of in named.items()},
            **{name: refs[model] for name, model in WHOLE_BLOCKS.items()},
        },
        "definitions": definitions,
    }


def _walk(
    block: str, models: Mapping[str, type[BaseModel]]
) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield each model in a parameter with the parameter's name and the model's path."""
    for path, model in models.items():
        yield block, path, model
        for name, field in model.model_fields.items():
            for inner in find_models(field.annotation):
                yield from _walk(block, {f"{path}.{name}": inner})


def _loosen(part: Any) -> Any:
    """Return a part of pydantic's schema, in draft 7, that takes a part of a block."""
    if isinstance(part, list):
        return [_loosen(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    spelling = {"oneOf": "anyOf", "prefixItems": "items"}
    loose = {
        spelling.get(key, key): _loosen(value)
        for key, value in part.items()
        if key not in ("properties", "required", "discriminator", "default", "title")
    }
    if isinstance(text := loose.get("description"), str):  # a docstring
        loose["description"] = text.partition("\n\n>>>")[0].replace("``", "`")
    if "properties" in part:
        loose["properties"] = {key: _loosen(value) for key, value in part["properties"].items()}
    return loose


def _describe(part: Schema, meaning: str) -> Schema:
    """Return a key's schema with its meaning, beside which draft 7 allows no reference."""
    return {**({"allOf": [part]} if "$ref" in part else part), "description": meaning}


def _add_short_forms(
    keys: Mapping[type[BaseModel], dict[str, Schema]], refs: Mapping[type[BaseModel], Schema]
) -> None:
    """Add what validators take beside pydantic's types, and the names that may be completed."""
    grid, dataset, model = keys[GridParams], keys[DatasetBlock], keys[ModelBlock]
    shipped = sorted(read_default("models", BLOCKS["models"]))
    grid["models"]["items"] = {"anyOf": [{"enum": shipped}, TEXT]}
    grid |= {name: {"anyOf": [part, TEXT]} for name, part in grid.items()}  # as --params has them
    dataset["tables"] = {"anyOf": [dataset["tables"], NAME_LIST]}
    keys[Target]["classes"]["items"] = {"type": ["string", "integer"]}
    sizes = keys[ServingDemand]
    sizes["batch_size"] = {"anyOf": [sizes["batch_size"], {"type": "integer", "minimum": 1}]}
    for family, key in MADE.items():
        model[key] = {"anyOf": [TEXT, NAME_LIST], "description": f"path, of family: {family}"}
    application = keys[NAMED_BLOCKS["applications"]]
    for block, part in (("objectives", Objective), ("constraints", Constraint)):
        application[block]["additionalProperties"] = False
        application[block]["properties"] = {
            name: _describe(refs[part], _word_metric(name)) for name in METRIC_BLOCKS[block]
        }


def _word_metric(name: str) -> str:
    """Return a metric's label, unit and direction."""
    if name not in METRICS_BY_COLUMN:
        return "threads that serve"
    metric = METRICS_BY_COLUMN[name]
    unit = metric.unit or metric.scale
    return f"{metric.label}{f', {unit}' if unit else ''}; {metric.better} is better"


def _choose_by_family(refs: Mapping[type[BaseModel], Schema]) -> Schema:
    """Return the schema of a model's block, whose keys follow from its family."""
    chosen = refs[ModelBlock]
    for family, model in OTHER_MODELS.items():
        names_it = {"properties": {"family": {"const": family}}, "required": ["family"]}
        chosen = {"if": names_it, "then": refs[model], "else": chosen}
    return chosen
