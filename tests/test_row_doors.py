"""A file of rows is the same rows to whoever takes it, or is refused in the same words."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.metrics import r2_score

from rightfit._core.errors import RightfitError
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.api.own_models import prepare_models, read_params
from rightfit.cli.verb_group import verbs
from rightfit.data.request_path.raw_rows import load_rows
from rightfit.data.request_path.usage import read_export
from rightfit.measuring.given_models import list_export_texts
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit_deploy.http_load.loading import read_bodies
from rightfit_search.api.fitted import FittedModel
from rightfit_search.api.search import search
from rightfit_search.api.searched_table import read_table
from rightfit_search.tables.model_inputs import read_predictions
from rightfit_search.tables.teaching import Teacher

pytestmark = pytest.mark.whole

LATE = 10_050  # rows before the first text: more than any sample of the first rows
TABLES: dict[str, tuple[str, dict[str, list[object]]]] = {
    "german.csv": (
        "Preis;Tag\n1.234,5;01.02.2024\nk.A.;\n",
        {"Preis": ["1.234,5", "k.A."], "Tag": ["01.02.2024", None]},
    ),
    "late_text.csv": (
        "a,b\n" + "1,2\n" * LATE + "x,2\n",
        {"a": ["1"] * LATE + ["x"], "b": [2] * (LATE + 1)},
    ),
    "late_fraction.csv": (
        "a,b\n" + "1,2\n" * LATE + "1.5,2\n",
        {"a": [1.0] * LATE + [1.5], "b": [2] * (LATE + 1)},
    ),
    "quoted.csv": (
        'a,b\n"x, y",1\n"two\nlines; ""or""",2\n',
        {"a": ["x, y", 'two\nlines; "or"'], "b": [1, 2]},
    ),
    "mark.csv": ("\ufeffa;b\n1;2\n", {"a": [1], "b": [2]}),
    "gaps.csv": ("a,b\n1.5,n/a\n,7\n", {"a": [1.5, None], "b": ["n/a", "7"]}),
    "dates.csv": ("a\tb\n2024-01-31\t1\n\t2\n", {"a": ["2024-01-31", None], "b": [1, 2]}),
    "truth.csv": (
        "a,b,c\n0,true,1\n1,True,true\n",
        {"a": [0, 1], "b": [True, True], "c": ["1", "true"]},
    ),
    "large.csv": (
        f"a,b\n{2**53 + 1},1\n7,{10**20}\n",
        {"a": [2**53 + 1, 7], "b": [1.0, 1e20]},
    ),
    "zeros.csv": ("a,b\n007,007\n010,x\n", {"a": [7, 10], "b": ["007", "x"]}),
    "short.csv": ("a,b\n1\n2,3\n", {"a": [1, 2], "b": [None, 3]}),
    "UPPER.CSV": ("a|b\n1|2\n", {"a": [1], "b": [2]}),
    "quotes.csv": ('"a ""b""",c\n1,2\n', {'a "b"': [1], "c": [2]}),
    "d[1].csv": ("a,b\n1,2\n", {"a": [1], "b": [2]}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_csv_file_has_the_same_types_wherever_a_value_first_stands(
    name: str, tmp_path: Path
) -> None:
    text, columns = TABLES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "d1.csv").write_text("a,b\nno,no\n")  # which d[1].csv as a pattern would read

    table = read_table(tmp_path / name)
    rows = read_row_table(str(tmp_path / name))

    expected = pl.DataFrame(columns)
    assert table.select(table.columns).equals(expected, null_equal=True)
    assert table.select(table.columns).schema == expected.schema
    assert rows.content.equals(expected, null_equal=True)
    assert rows.content.schema == expected.schema


ARROW = pa.table(
    {
        "dictionary": pa.array(["b", "a", None]).dictionary_encode(),
        "numbers": pa.array([5, 6, 5]).dictionary_encode(),
        "large": pa.array(["a", None, ""], pa.large_string()),
        "decimal": pa.array([Decimal("1.50"), None, Decimal(-2)], pa.decimal128(9, 2)),
        "zone": pa.array([0, None, 1], pa.timestamp("us", tz="Europe/Berlin")),
        "day": pa.array([0, None, 1], pa.date32()),
        "half": pa.array(np.array([1, 2, 3], np.float16)),
        "huge": pa.array([2**63, None, 1], pa.uint64()),
    }
)


@pytest.mark.parametrize("kind", ["parquet", "pq"])
def test_a_parquet_file_is_read_as_the_table_that_was_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"d[1].{kind}"
    pq.write_table(ARROW, path)
    pq.write_table(ARROW[:1], tmp_path / f"d1.{kind}")  # which d[1] as a pattern would read

    table, rows = read_table(path), read_row_table(path)

    whole = table.select(table.columns)
    for raw in (ARROW, pl.DataFrame(ARROW)):
        assert whole.equals(read_table(raw), null_equal=True)
        assert whole.schema == read_table(raw).schema
        for name in ARROW.column_names:
            expected = read_row_table(raw).column(name)
            np.testing.assert_array_equal(rows.column(name), expected)
            assert rows.column(name).dtype == expected.dtype


@dataclass(frozen=True)
class Doors:
    """A model that has learnt from a German file, and its export."""

    model: FittedModel
    export: Path
    file: Path

    def predict(self, path: Path) -> npt.NDArray[Any]:
        return self.model.predict(path)

    def predict_copy(self, path: Path) -> npt.NDArray[Any]:
        return copy.deepcopy(self.model).predict(str(path))

    def ask_program(self, path: Path) -> npt.NDArray[Any]:
        """Ask the exported folder's own program, which knows nothing of rightfit."""
        n_rows = len(pl.DataFrame(read_row_table(path).content))
        [body] = read_bodies(path, read_export(self.export).inputs, n_rows=n_rows)
        command = [sys.executable, "-E", str(self.export / "usage.py")]
        done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
        return np.array([answer["value"] for answer in json.loads(done.stdout)])

    def measure(self, path: Path) -> npt.NDArray[Any]:
        """Return what the export answers for the rows that it is measured with."""
        params = read_params(None, (1,), ("cpu",), "quick")
        with prepare_models(
            {"export": self.export}, path, None, params, dataset="d", quality=None, trust=False
        ) as prepared:
            [((_, runtime), file)] = prepared.files.items()
            bundle = prepared.bundles["export"]
            answer = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
            rows: Any = load_rows(str(file.path))
            return np.asarray(answer(rows[0 : len(rows)])).reshape(-1)

    def teach(self, path: Path) -> npt.NDArray[Any]:
        """Return how the export labels a table for a search."""
        frame = read_table(path, texts=list_export_texts([self.export]))
        with temporary_folder("doors") as folder:
            teacher = Teacher(
                self.export, table=path, frame=frame, target="", folder=folder, max_s=None, seed=0
            )
            labelled = teacher.label_unlabelled()
        labels: npt.NDArray[Any] = labelled[""].to_numpy()
        return labels


HEAD = "Preis (€);PLZ;Tag;neu;Nummer;Punkte;Notiz;Miete"
CODES = ("01234", "04109", "10115", "A12")
NOTES = ('"zwei\nZeilen"', '"Bad; Balkon"', "Küche")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    folder = tmp_path_factory.mktemp("doors")
    rng = np.random.default_rng(0)
    lines = []
    for i in range(300):
        price, code, note = rng.uniform(900, 9_000), rng.integers(4), rng.integers(3)
        points, is_new = rng.normal(), rng.random() < 0.5
        rent = price / 10 + 90 * code + 60 * note + 50 * points + 70 * is_new + i % 28
        values = (
            write_german(price) if i % 11 else "k.A.", CODES[code], f"{i % 28 + 1:02d}.03.2024",
            ("wahr", "true", "True")[i % 2 + 1] if is_new else "false", str(2**53 + 1 + i % 9),
            f"{points:.3f}" if i % 7 else "n/a", NOTES[note], write_german(rent),
        )  # fmt: skip
        lines.append(";".join(values))
    file = folder / "german.csv"
    file.write_text("\n".join([HEAD, *lines]), encoding="utf-8-sig")
    found = search(file, "Miete", task="regression", families=["linear"], n_trials=1, n_jobs=1)
    model = found.best()
    model.export(folder / "export")
    return Doors(model, folder / "export", file)


def write_german(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


FEW: dict[str, list[str]] = {  # values as they are written, of which each column has a few
    "Preis (€)": ["1.234", "2.345"],  # thousands, as in the rows learnt from
    "PLZ": ["01234", "04109"],
    "Tag": ["03.04.2024", "30.04.2024"],
    "neu": ["1", "0"],
    "Nummer": [str(2**53 + 3), "7"],
    "Punkte": ["1.5", "-2"],
    "Notiz": ["Küche", '"zwei\nZeilen"'],
}
ALL_DOORS = [Doors.predict, Doors.predict_copy, Doors.ask_program, Doors.measure, Doors.teach]


@pytest.mark.parametrize("door", ALL_DOORS[1:])
@pytest.mark.parametrize("kind", ["learnt", "few", "parquet"])
def test_every_door_gives_the_same_answers(
    kind: str, door: Callable[[Doors, Path], npt.NDArray[Any]], doors: Doors, tmp_path: Path
) -> None:
    path = doors.file
    if kind != "learnt":
        path = tmp_path / ("few.csv" if kind == "few" else "few.parquet")
        write_few(path)

    answers = door(doors, path)

    expected = doors.predict(path)
    np.testing.assert_allclose(answers, expected, rtol=1e-5)
    assert np.ptp(expected) > 0


def write_few(path: Path) -> None:
    """Write rows whose columns look like those of other types; in Parquet as the types they are."""
    if path.suffix == ".csv":
        lines = [";".join(values) for values in zip(*FEW.values(), strict=True)]
        path.write_text("\n".join([";".join(FEW), *lines]), encoding="utf-8")
        return
    columns = {
        "Preis (€)": pa.array([Decimal("1234.00"), Decimal("2345.00")]),
        "PLZ": pa.array(FEW["PLZ"]).dictionary_encode(),
        "Tag": pa.array(FEW["Tag"], pa.large_string()),
        "neu": pa.array([True, False]),
        "Nummer": pa.array([2**53 + 3, 7], pa.uint64()),
        "Punkte": pa.array(np.array([1.5, -2], np.float16)),
        "Notiz": pa.array(["Küche", "zwei\nZeilen"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), path)


def test_a_few_rows_mean_what_they_mean_in_a_request(doors: Doors, tmp_path: Path) -> None:
    for name in ("few.csv", "few.parquet"):
        write_few(tmp_path / name)
    read = {"neu": [True, False], "Nummer": [2**53 + 3, 7], "Punkte": [1.5, -2.0]}
    columns = FEW | read | {"Notiz": ["Küche", "zwei\nZeilen"]}

    expected = doors.model.predict(pl.DataFrame(columns).to_dicts())

    for name in ("few.csv", "few.parquet"):
        np.testing.assert_allclose(doors.predict(tmp_path / name), expected, rtol=1e-6)


def test_the_command_judges_an_export_on_a_german_file(doors: Doors) -> None:
    options = ["--rows", str(doors.file), "--target", "Miete", "--quality", "r2", "--json"]

    result = CliRunner().invoke(verbs, ["measure", str(doors.export), *options])

    assert result.exit_code == 0, result.output
    quality = json.loads(result.stdout)["profile"]["metrics"]["quality_raw"]["value"]
    rents = pl.read_csv(doors.file, separator=";", infer_schema=False)["Miete"]
    truth = [float(rent.replace(".", "").replace(",", ".")) for rent in rents]
    assert quality == pytest.approx(r2_score(truth, doors.predict(doors.file)), abs=1e-5)


NO_ROWS: dict[str, tuple[bytes, str]] = {
    "latin.csv": ("Größe;b\n1;2\n".encode("cp1252"), r'encoding="cp1252"'),
    "late_latin.csv": (b"a;b\n" * 20_000 + "ü;b\n".encode("cp1252"), "it is not in UTF-8"),
    "utf16.csv": ("a,b\n1,2".encode("utf-16"), r'encoding="utf-16"'),
    "empty.csv": (b"", r"empty\.csv cannot be read: empty CSV"),
    "empty.parquet": (b"", r"empty\.parquet cannot be read"),
    "cut.parquet": (b"PAR1" + bytes(99), r"cut\.parquet cannot be read"),
    "header.csv": (b"a,b\n", r"header\.csv has no rows"),
    "more.csv": (b"a,b\n1,2,3\n", "line 2 has 3 fields, the header has 2"),
}


def make_no_rows(folder: Path) -> None:
    for name, (content, _) in NO_ROWS.items():
        (folder / name).write_bytes(content)
    pl.DataFrame({"a": []}).write_parquet(folder / "header.parquet")
    wide = pa.table({"price": pa.array([Decimal(1)], pa.decimal256(50))})
    pq.write_table(wide, folder / "wide.parquet")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")


FAULTS = {name: message for name, (_, message) in NO_ROWS.items()} | {
    "header.parquet": r"header\.parquet has no rows",
    "wide.parquet": r"wide\.parquet cannot be read: precision must be",
    "absent.csv": r"There is no file .*absent\.csv\.",
    "folder.csv": r"There is no file .*folder\.csv, but a folder",
    "pipe.csv": "only regular files are read",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_cannot_be_read_is_refused_in_the_same_words(
    name: str, doors: Doors, tmp_path: Path
) -> None:
    make_no_rows(tmp_path)
    path = tmp_path / name
    encoder = doors.model._feeding.encoder
    readers: list[Callable[[], object]] = [
        lambda: read_table(path),
        lambda: read_row_table(path),
        lambda: doors.model.predict(path),
        lambda: read_bodies(path, read_export(doors.export).inputs, n_rows=1),
        lambda: read_predictions(path, InputSchema(("a",), (), None), encoder, kind="raw"),
    ]

    refusals = []
    for read in readers:
        with pytest.raises(RightfitError, match=FAULTS[name]) as caught:
            read()
        refusals.append(str(caught.value))

    assert refusals == refusals[:1] * len(readers)


@pytest.mark.parametrize("door", ALL_DOORS)
def test_a_missing_column_is_named_alike(
    door: Callable[[Doors, Path], object], doors: Doors, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(
        "PLZ;Tag;neu;Nummer;Punkte;Notiz\n01234;01.03.2024;1;7;1;x\n"
    )

    with pytest.raises(RightfitError, match=r"The rows lack the columns \['Preis \(€\)'"):
        door(doors, tmp_path / "rows.csv")
