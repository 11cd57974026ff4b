from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from rightfit.families.schema import InputSchema
from rightfit.preparation.assembling import assemble
from rightfit.preparation.describing import make_data_card
from rightfit.preparation.description import DatasetSpec
from rightfit.preparation.encoding import apply_encoder, fit_encoder_steps
from rightfit.preparation.table_check import RawCheck, check_tables

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
            "rightfit.preparation.describing.read_function_sources",
            lambda name, source=source: {"my_study.metrics": source},
        )
        versions.add(write_card(describe(), tables)["data_version"])

    assert len(versions) == 2
