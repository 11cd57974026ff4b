from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError

from rightfit.preparation.assembling import DroppedRows, RowCounts
from rightfit.ranking.explanation.refits import Refits

COUNTS = RowCounts(
    read=9, dropped=(DroppedRows(reason="late", n_rows=1),), kept=8, unmatched={"places": 2}
)


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    entry: dict[str, Any] = {
        "type": "rightfit.datasets.json_model.JsonModelDataset",
        "model": "rightfit.preparation.assembling.RowCounts",
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


def test_file_of_another_form_is_refused(catalog: DataCatalog, tmp_path: Path) -> None:
    catalog.save("counts", COUNTS)
    (path,) = tmp_path.glob("counts.json/first/counts.json")
    path.write_text('{"read": "many"}')

    with pytest.raises(DatasetError, match="read"):
        catalog.load("counts")


def test_optional_record_is_empty_until_it_is_written(tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "type": "rightfit.datasets.json_model.JsonModelDataset",
        "model": "rightfit.ranking.explanation.refits.Refits",
        "optional": True,
        "filepath": str(tmp_path / "refits.json"),
        "versioned": True,
    }
    catalog = DataCatalog.from_config({"refits": entry})

    assert catalog.load("refits") == Refits()
    assert not catalog.exists("refits")
