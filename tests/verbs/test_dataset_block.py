from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml
from click.testing import CliRunner
from kedro.io import DataCatalog

from rightfit.preparation.block import DatasetBlock
from rightfit.verbs.dataset_block import describe, propose_block


def make_orders() -> pl.DataFrame:
    return pl.DataFrame(
        {"size": [float(i % 7) for i in range(60)], "late": ["yes", "no", "no"] * 20}
    )


@pytest.mark.parametrize("entry", ["orders", "orders_csv"])
def test_block_is_proposed_for_an_entry_or_a_raw_file(tmp_path: Path, entry: str) -> None:
    make_orders().write_parquet(tmp_path / "orders.parquet")
    make_orders().write_csv(tmp_path / "orders.csv")
    csv = {"type": "polars.EagerPolarsDataset", "file_format": "csv"}
    catalog = DataCatalog.from_config(
        {"orders_csv": {**csv, "filepath": str(tmp_path / "orders.csv")}}
    )

    text = propose_block(catalog, entry, str(tmp_path), target="late", name="late_orders")

    block = DatasetBlock.model_validate(yaml.safe_load(text)["late_orders"])
    assert block.tables == {entry: entry}
    assert block.find_gaps() == ()


def test_unknown_entry_ends_the_command_with_one_message(
    bootstrapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bootstrapped)

    result = CliRunner().invoke(describe, ["nothing_there", "--target", "late"])

    assert result.exit_code == 1
    assert "nothing_there" in result.output
    assert "Traceback" not in result.output
