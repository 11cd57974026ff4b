"""Exports of another version: they answer alike, or are refused."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.exports import choose, make_model
from factories.studies import make_raw

from rightfit.data.request_path import usage
from rightfit.exporting.export_folder import export_model
from rightfit.models.export_check import HASHES

CALL = "model.json"
OTHERS = (None, "new", -1, 0, 3, 10**400, [], {}, True, [[0]], float("nan"))
GONE = object()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("versions")
    model = make_model(folder / "bundle")
    export_model(choose(model), model, folder / "export")
    return folder / "export"


def list_places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each field, nested ones too."""
    keys = content if isinstance(content, dict) else range(min(len(content), 2))
    for key in keys if isinstance(content, dict | list) else ():
        yield (*place, key)
        if isinstance(content[key], dict | list):
            yield from list_places(content[key], (*place, key))


def change(content: Any, place: tuple[Any, ...], value: object) -> Any:
    """Return a copy with another value at a place, or without it."""
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    if value is GONE:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed


def test_fields_of_another_version_change_no_answer(exported: Path, tmp_path: Path) -> None:
    columns = {name: make_raw()[name].to_list()[:20] for name in make_raw().columns}
    answers = usage.open_model(exported)(columns)
    content = json.loads((exported / CALL).read_text())
    cases = [((), content | {"new_field": {"a": 1}})]
    for place in list_places(content):
        cases += [(place, change(content, place, value)) for value in (GONE, *OTHERS)]
    n_refused = 0
    shutil.copytree(exported, tmp_path / "other")
    listed = (exported / HASHES).read_text()
    before = hashlib.sha256((exported / CALL).read_bytes()).hexdigest()

    for place, changed in cases:
        text = json.dumps(changed).encode()
        (tmp_path / "other" / CALL).write_bytes(text)
        after = hashlib.sha256(text).hexdigest()
        (tmp_path / "other" / HASHES).write_text(listed.replace(before, after))
        try:
            others = usage.open_model(tmp_path / "other")(columns)
        except ValueError:  # and nothing else
            n_refused += 1
        else:
            np.testing.assert_allclose(others, answers, err_msg=str(place))

    assert len(cases) > 200
    assert n_refused > len(cases) / 4
