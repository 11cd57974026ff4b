"""Places that cannot be written, and tables replaced since, are named before anything runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import pytest
from kedro.io import DataCatalog
from kedro.io.core import Version
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from kedro_datasets.polars import EagerPolarsDataset

from rightfit_kedro import checks
from rightfit_kedro.checks import find_unwritable, warn_of_newer_tables
from rightfit_kedro.nodes import NodeFunction
from rightfit_kedro.pipelines.data_engineering.nodes import assemble_rows, check_raw_tables


def test_writable_place_has_no_fault_and_is_left_as_it_was(tmp_path: Path) -> None:
    assert find_unwritable([tmp_path / "new" / "deep", tmp_path]) == []
    assert list(tmp_path.iterdir()) == []


def test_file_and_missing_file_system_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    faults = find_unwritable([tmp_path / "file" / "x", tmp_path / "link" / "x", Path("/proc/x")])

    assert len(faults) == 3
    assert all("cannot be written: " in fault for fault in faults)
    assert str(tmp_path / "file") in faults[0]


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", open_full)

    assert find_unwritable([tmp_path]) == [
        f"{tmp_path} cannot be written: No space left on device."
    ]


@pytest.mark.parametrize(
    ("written_s", "is_told"), [(1.7e9, False), (1.9e9, True)], ids=["before", "since"]
)
def test_a_table_written_since_the_results_that_a_run_reads_is_named(
    written_s: float,
    is_told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = tmp_path / "homes.parquet"
    table.touch()
    os.utime(table, (written_s, written_s))
    version = "2026-01-01T00.00.00.000Z"
    spec = tmp_path / "spec.json" / version / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.write_text("{}")
    catalog = DataCatalog(
        {
            "homes": EagerPolarsDataset(filepath=str(table), file_format="parquet"),
            "homes.spec": JSONDataset(
                filepath=str(tmp_path / "spec.json"), version=Version(None, None)
            ),
        }
    )
    outputs = ["homes.spec", "homes.raw_check"]
    reading = Node(
        NodeFunction(check_raw_tables, dataset_name="homes"),
        ["params:datasets.homes", "inferred_descriptions", "homes"],
        outputs,
    )
    following = Node(NodeFunction(assemble_rows), [*outputs, "homes"], ["rows", "counts"])
    monkeypatch.setattr(checks, "pipelines", {"data_engineering": Pipeline([reading])})

    warn_of_newer_tables(Pipeline([following]), catalog)
    assert (f"before {table} was written last" in caplog.text) == is_told

    caplog.clear()
    warn_of_newer_tables(Pipeline([reading, following]), catalog)  # it reads the new rows
    assert not caplog.text
