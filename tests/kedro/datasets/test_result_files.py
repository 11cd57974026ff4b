from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError

from rightfit_search.tables.assembling import DroppedRows, RowCounts

COUNTS = RowCounts(
    read=9, dropped=(DroppedRows(reason="late", n_rows=1),), kept=8, unmatched={"places": 2}
)


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    entry: dict[str, Any] = {
        "type": "rightfit_kedro.datasets.result_files.JsonModelDataset",
        "model": "rightfit_search.tables.assembling.RowCounts",
        "filepath": str(tmp_path / "counts.json"),
        "versioned": True,
    }
    return DataCatalog.from_config({"counts": entry}, save_version="first")


def test_model_is_saved_as_plain_json_and_loaded_as_itself(
    catalog: DataCatalog, tmp_path: Path
) -> None:
    catalog.save("counts", COUNTS)

    (path,) = tmp_path.glob("counts.json/first/counts.json")
    assert json.loads(path.read_text())["dropped"] == [{"reason": "late", "n_rows": 1}]
    assert catalog.load("counts") == COUNTS
    assert catalog.exists("counts")
    shown = catalog.get("counts").preview()  # by kedro-viz
    assert json.loads(shown) == json.loads(path.read_text())


def test_file_of_another_form_is_refused(catalog: DataCatalog, tmp_path: Path) -> None:
    catalog.save("counts", COUNTS)
    (path,) = tmp_path.glob("counts.json/first/counts.json")
    path.write_text('{"read": "many"}')

    with pytest.raises(DatasetError, match="read"):
        catalog.load("counts")


def test_what_no_run_has_written_may_have_a_content(tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "type": "rightfit_kedro.datasets.result_files.JsonModelDataset",
        "model": "rightfit.ranking.records.load_records.LoadCurves",
        "filepath": str(tmp_path / "load_curves.json"),
        "versioned": True,
    }
    optional = DataCatalog.from_config({"curves": entry | {"missing": {"loads": []}}})
    needed = DataCatalog.from_config({"curves": entry})

    assert optional.load("curves").loads == ()
    with pytest.raises(DatasetError, match="Did not find any versions"):
        needed.load("curves")
