"""Which errors end in one message, and which keep their traceback."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy.exc
from kedro.io import DataCatalog, DatasetError

from rightfit._core.errors import RightfitError
from rightfit_kedro.config_loader import check_data_root
from rightfit_kedro.explain import describe_csv, explain


def catch(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as err:
        return err
    raise AssertionError("nothing was raised")


def raise_error(error: BaseException) -> BaseException:
    def fail() -> None:
        raise error

    return catch(fail)


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: No space left"),
        (OSError("16384 requested and 96 written"), "A file: 16384 requested"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
        (
            sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError("database is locked")),
            "The database of the searches: database is locked",
        ),
    ],
)
def test_error_of_the_system_is_told_with_its_place(error: Exception, place: str) -> None:
    wrapped = RuntimeError("around it")
    wrapped.__cause__ = error

    assert str(explain(raise_error(error))).startswith(place)
    assert str(explain(raise_error(wrapped))).startswith(place)


def test_a_full_disk_is_told_with_the_places_that_may_be_full() -> None:
    error = raise_error(OSError(errno.ENOSPC, "No space left on device"))

    assert "in data_root and in the folder of temporary files" in str(explain(error))


def test_own_check_is_told_in_its_words() -> None:
    error = catch(lambda: check_data_root(""))

    assert isinstance(error, RightfitError)
    assert explain(error) == str(error)


def test_slips_and_foreign_errors_keep_their_traceback() -> None:
    slip = catch(lambda: int("x"))
    foreign = raise_error(ValueError("theirs"))
    lost = raise_error(ConnectionResetError("theirs"))

    assert [explain(error) for error in (slip, foreign, lost)] == [None] * 3


def test_damaged_content_is_told_with_its_cure() -> None:
    missing = catch(lambda: pl.DataFrame({"a": [1]}).select("b"))

    for error in (missing, DatasetError("no parquet")):
        assert "Make it anew: kedro run --pipelines perf" in str(explain(error))


def test_result_that_no_run_has_written_is_told_as_such(tmp_path: Path) -> None:
    never = {
        "type": "polars.EagerPolarsDataset",
        "file_format": "parquet",
        "filepath": str(tmp_path / "resource_profiles.parquet"),
        "versioned": True,
    }
    catalog = DataCatalog.from_config({"resource_profiles": never})

    told = explain(catch(lambda: catalog.load("resource_profiles")))

    assert str(told).startswith("No run has written resource_profiles yet.")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"Ort;Preis\nUlm;1,5\nBern;2\n", 'load_args: {separator: ";"}'),
        (b"Ort,Preis\nUlm,1\nBern,2,3\n", "Line 3 has 3 fields, the header has 2"),
        ("Ort,Straße\nKöln,A\n".encode("cp1252"), "load_args: {encoding: cp1252}"),
        ("Ort,Straße\nKöln,A\n".encode("utf-16"), "load_args: {encoding: utf-16}"),
    ],
)
def test_advice_on_a_csv_file_says_what_its_entry_lacks(
    content: bytes, advice: str, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(content)
    entry = {"type": "polars.EagerPolarsDataset", "file_format": "csv", "filepath": str(file)}
    catalog = DataCatalog.from_config({"orders": entry})

    told = explain(catch(lambda: catalog.load("orders")), {"orders": str(file)})

    assert advice in str(told)


def test_a_csv_file_in_the_place_of_a_parquet_file_needs_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flats.csv").write_text("rooms;rent\n1;2,5\n")

    advice = describe_csv(str(tmp_path / "flats.parquet"))

    assert (
        "flats: {type: polars.EagerPolarsDataset, file_format: csv, filepath: flats.csv}" in advice
    )
    assert 'load_args: {separator: ";"}' in advice
    assert describe_csv(str(tmp_path / "houses.parquet")) == ""


def test_fault_of_a_parameter_ends_with_the_file_that_holds_its_block() -> None:
    error = RightfitError("training.device is cuda.", key="training.device")

    assert explain(error) == (
        "training.device is cuda. The block training stands in parameters_training.yml."
    )
