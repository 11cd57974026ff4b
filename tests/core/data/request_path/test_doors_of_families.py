"""Any row gets the same answer, or a refusal, by every door of every family.

Doors: ``predict`` of a found model, its plain graph on encoded rows, the exported program with its
compiled graph, and the exported server's JSON and Arrow.
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rightfit as rf
from rightfit.data.request_path import usage
from rightfit.models.runtimes import open_predictor
from rightfit_deploy import server
from rightfit_search.api.fitted import FittedModel

pytestmark = [pytest.mark.whole, pytest.mark.long]

N_ROWS = 150
N_EXAMPLES = 200  # of each family and task
FAMILIES = {
    "linear": "sklearn", "forest": "sklearn", "boosting": "sklearn", "lightgbm": "lightgbm",
    "xgboost": "xgboost", "catboost": "catboost",
}  # fmt: skip
TOWNS = ("Bonn", "Ulm", "1", "true", "", "São Tomé", "a\nb")
DRAW = np.random.default_rng(7)
TABLE = pl.DataFrame(
    {
        "size": [None if i % 11 == 0 else float(DRAW.normal()) for i in range(N_ROWS)],
        "n rooms": DRAW.integers(-3, 40, N_ROWS),
        "late?": [(None, True, False)[i % 3] for i in range(N_ROWS)],
        'town "ä"': [TOWNS[int(n)] for n in DRAW.integers(0, len(TOWNS), N_ROWS)],
        "huge": DRAW.normal(1e12, 1e9, N_ROWS),
    }
)
IS_SOLD = TABLE["size"].fill_null(0.3) + TABLE["n rooms"] / 20 > 1
TARGETS = {
    "classes": pl.Series("sold", ["yes" if one else "no" for one in IS_SOLD]),
    "numbers": pl.Series("sold", IS_SOLD.cast(pl.Float64) * 3 + TABLE["n rooms"]),
}
ROUNDING = 1e-4  # of sums in 32 bits of many trees' answers, the targets being as large as 43
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
TEXTS = st.none() | st.sampled_from(TOWNS) | st.text(max_size=4)
ANY = NUMBERS | TEXTS | st.booleans()
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "size": NUMBERS | st.floats(-5, 5) | ANY,
            "n rooms": st.integers(-9, 50) | NUMBERS | ANY,
            "late?": st.none() | st.booleans() | ANY,
            'town "ä"': TEXTS | ANY,
            "huge": st.floats(9e11, 1.1e12) | NUMBERS | ANY,
        }
    ),
    min_size=1,
    max_size=3,
)
ROW: dict[str, Any] = {"size": 0.1, "n rooms": 0, "late?": None, 'town "ä"': "", "huge": 1e12}
Rows = list[dict[str, Any]]
Door = Callable[[Rows], npt.NDArray[np.float64]]


def list_booleans(rows: Rows) -> list[bool]:
    """Tell which cells are booleans: Arrow writes those among numbers as numbers."""
    return [isinstance(cell, bool) for row in rows for cell in row.values()]


def open_doors(model: FittedModel, folder: Path) -> Mapping[str, Door]:
    """Return the ways into one model, by name; each raises ``ValueError`` where it refuses rows."""
    model.export(folder)
    described = usage.read_export(folder)
    program = usage.open_model(folder, described)
    graph = open_predictor(model._bundle, runtime="onnx", n_threads=1, device="cpu")
    kinds = {name: one.dtype for one in described.inputs for name in one.columns}

    def by_python(rows: Rows) -> npt.NDArray[np.float64]:
        return model._answer_rows(rows)

    def by_graph(rows: Rows) -> npt.NDArray[np.float64]:
        return np.asarray(graph(model._feeding.encode(rows)), dtype=np.float64)

    def by_program(rows: Rows) -> npt.NDArray[np.float64]:
        return np.asarray(program(usage.to_columns(rows)), dtype=np.float64)

    def by_server(kind: str, body: bytes) -> npt.NDArray[np.float64]:
        try:
            columns = server._read_columns(kind, body, server.Limits(), kinds)
        except server.RefusedError as err:
            raise ValueError(str(err)) from err
        return np.asarray(program(columns), dtype=np.float64)

    def by_json(rows: Rows) -> npt.NDArray[np.float64]:
        return by_server(server.JSON, json.dumps(rows, allow_nan=False).encode())

    def by_arrow(rows: Rows) -> npt.NDArray[np.float64]:
        table = pyarrow.Table.from_pylist(rows)
        if list_booleans(table.to_pylist()) != list_booleans(rows):
            raise pyarrow.ArrowInvalid("a column of numbers holds no boolean")
        sink = io.BytesIO()
        with pyarrow.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return by_server(server.ARROW, sink.getvalue())

    doors = (by_python, by_graph, by_program, by_json, by_arrow)
    return {door.__name__: door for door in doors}


@pytest.fixture(scope="module", params=[(f, t) for f in FAMILIES for t in TARGETS], ids="-".join)
def doors(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Door]:
    family, task = request.param
    if importlib.util.find_spec(FAMILIES[family]) is None:
        pytest.skip(f"{FAMILIES[family]} is not installed")
    table = TABLE.with_columns(TARGETS[task])
    found = rf.search(table, "sold", families=[family], n_trials=1, budget_cpu_s=None, n_jobs=1)
    return open_doors(found.best(), tmp_path_factory.mktemp("exported") / "model")


def ask(door: Door, rows: Rows) -> npt.NDArray[np.float64] | str | None:
    """Return the answers, why the rows are refused, or ``None`` if they cannot be sent so."""
    try:
        return door(rows)
    except (pyarrow.ArrowException, OverflowError):  # a column of several types
        return None
    except ValueError as err:  # JSON has no infinity
        return None if "not JSON compliant" in str(err) else str(err)


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(rows=ROWS)
@example(rows=TABLE.to_dicts())  # thresholds of XGBoost are values of training rows
@example(rows=[ROW | {'town "ä"': town} for town in (None, 0, True, 1)])
@example(rows=[ROW | {'town "ä"': 10**400}])
@example(rows=[ROW | {"size": 10**400}])
@example(rows=[ROW | {"late?": late} for late in (None, 0, True, 1.0)])
def test_any_rows_are_answered_alike_by_every_door(doors: Mapping[str, Door], rows: Rows) -> None:
    said = {name: ask(door, rows) for name, door in doors.items()}
    sent = {name: one for name, one in said.items() if one is not None}

    refusing = {name for name, one in sent.items() if isinstance(one, str)}
    assert refusing in (set(), set(sent)), sent
    for name, answers in sent.items():
        if not refusing:
            np.testing.assert_allclose(
                answers, sent["by_python"], rtol=1e-4, atol=ROUNDING, err_msg=name
            )
