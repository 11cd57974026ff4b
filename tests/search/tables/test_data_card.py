from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from rightfit.models.schema import InputSchema
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.data_card import hash_frame, make_data_card
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps
from rightfit_search.tables.table_check import RawCheck, check_tables

Describe = Callable[..., DatasetSpec]
Tables = dict[str, pl.DataFrame]


def write_card(spec: DatasetSpec, tables: Tables) -> dict[str, Any]:
    rows, counts = assemble(spec, tables)
    card = make_data_card(
        spec,
        dataset_name="travel",
        rows=rows,
        encoder=fit_encoder_steps(spec.features, rows.filter(pl.col("part") == "train")),
        raw_check=RawCheck(
            tables=check_tables(spec, tables, dataset_name="travel"), inferred=(), remarks=()
        ),
        row_counts=counts,
    )
    return card.model_dump(mode="json")


def test_card_says_what_the_dataset_is(describe: Describe, tables: Tables) -> None:
    card = write_card(describe(), tables)

    assert card["dataset"] == "travel"
    assert card["quality"] == {
        "name": "roc_auc",
        "worst": 0.5,
        "best": 1.0,
        "options": {},
        "threshold": None,
        "costs": None,
    }
    assert card["n_rows"] == {"train": 4, "validation": 2, "test": 2}
    assert card["rows"]["dropped"] == [{"reason": "delay is missing", "n_rows": 1}]
    assert card["class_shares"]["train"] == {"in_time": 0.5, "late": 0.5}
    assert card["tables"]["places"]["n_rows"] == 2
    assert (card["licence"], card["source"], card["notes"]) == ("CC0 1.0", "made by hand", ["tiny"])


def test_card_is_json_and_its_schema_fits_the_encoded_rows(
    describe: Describe, tables: Tables
) -> None:
    spec = describe()
    rows, _ = assemble(spec, tables)
    encoder = fit_encoder_steps(spec.features, rows.filter(pl.col("part") == "train"))

    card = json.loads(json.dumps(write_card(spec, tables), allow_nan=False))
    schema = InputSchema.from_dict(card["input_schema"])

    assert list(schema.features) == apply_encoder(encoder, rows).columns
    assert schema.classes == ("in_time", "late")
    assert schema.image_shape is None


def test_data_version_stays_when_only_words_change(describe: Describe, tables: Tables) -> None:
    version = write_card(describe(), tables)["data_version"]
    reworded = describe(notes=["other"], licence="MIT", title="Journeys")

    assert len(version) == 16
    assert write_card(describe(), tables)["data_version"] == version
    assert write_card(reworded, tables)["data_version"] == version


@pytest.mark.parametrize(
    "changes",
    [
        {"target__at_least": 29},
        {"target__classes": ["punctual", "late"]},
        {"validation__share": 0.5},
        {"features__indicate_missing": []},
        {"features__min_category_share": 0.6},
        {"quality__best": 0.9},
    ],
)
def test_data_version_changes_with_the_prepared_content(
    describe: Describe, tables: Tables, changes: dict[str, Any]
) -> None:
    version = write_card(describe(), tables)["data_version"]

    assert write_card(describe(**changes), tables)["data_version"] != version


def test_data_version_changes_with_a_test_row(describe: Describe, tables: Tables) -> None:
    version = write_card(describe(), tables)["data_version"]
    tables["trips"] = tables["trips"].with_columns(
        load=pl.when(pl.col("day") == 6).then(-101.0).otherwise("load")
    )

    assert write_card(describe(), tables)["data_version"] != version


def test_version_changes_with_the_code_of_a_metric_of_ones_own(
    describe: Describe, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = set()
    for source in ("return 1", "return 2"):
        monkeypatch.setattr(
            "rightfit_search.tables.data_card.read_function_sources",
            lambda name, source=source: {"my_study.metrics": source},
        )
        versions.add(write_card(describe(), tables)["data_version"])

    assert len(versions) == 2


FRAME = pl.DataFrame(
    {
        "number": [1, 2, None, 4],
        "share": [0.5, None, 1.5, 2.5],
        "text": ["a", None, "b", "a"],
        "image": [b"\x00\x01", b"", b"\x00\x01", None],
        "flag": [True, None, False, True],
        "day": [date(2013, 1, 1), None, date(2013, 1, 2), date(2013, 1, 1)],
    }
)


def test_hash_does_not_depend_on_how_the_frame_is_stored() -> None:
    pieces = pl.concat([FRAME.head(1), FRAME.tail(3)], rechunk=False)

    assert pieces["text"].n_chunks() == 2
    assert hash_frame(pieces) == hash_frame(FRAME)


def test_hash_stays_the_same_across_machines_and_versions() -> None:
    assert hash_frame(FRAME)[:16] == "9f9d08111bcd3353"


@pytest.mark.parametrize(
    "other",
    [
        FRAME.with_columns(number=pl.Series([1, 2, 0, 4])),  # 0 is not null
        FRAME.with_columns(text=pl.Series(["a", "", "b", "a"])),
        FRAME.with_columns(text=pl.Series(["b", None, "a", "b"])),
        FRAME.with_columns(image=pl.Series([b"\x00", b"\x01", b"\x00\x01", None])),
        FRAME.with_columns(flag=pl.Series([True, False, False, True])),
        FRAME.with_columns(number=pl.col("number").cast(pl.Int32)),
        FRAME.rename({"number": "count"}),
        FRAME.select(reversed(FRAME.columns)),
        FRAME.reverse(),
        FRAME.head(3),
    ],
)
def test_different_frames_have_different_hashes(other: pl.DataFrame) -> None:
    assert hash_frame(other) != hash_frame(FRAME)
