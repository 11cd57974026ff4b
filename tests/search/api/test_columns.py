"""What a search says of a table's columns, and how it delivers identifiers and dates."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rightfit._core.errors import RightfitError
from rightfit.data.request_path.encoder import TargetMean
from rightfit_search.api.search import search
from rightfit_search.api.search_result import SearchResult

N_SHOPS, N_ROWS = 300, 1_500
RNG = np.random.default_rng(0)
SHOPS = RNG.integers(N_SHOPS, size=N_ROWS)
SALES = pl.DataFrame(
    {
        "shop": [f"shop {i}" for i in SHOPS],
        "day": [f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(N_ROWS)],
        "row": range(N_ROWS),
        "income": RNG.normal(size=N_SHOPS)[SHOPS] * 3 + RNG.normal(size=N_ROWS),
    }
)


@pytest.fixture(scope="module")
def sales() -> SearchResult:
    return search(SALES, "income", families=["linear"], n_trials=1, budget_cpu_s=None, n_jobs=1)


def test_identifiers_tell_their_level_of_the_target(sales: SearchResult) -> None:
    predicted = sales.best().predict(SALES.drop("income"))

    assert np.corrcoef(predicted, SALES["income"])[0, 1] > 0.9
    assert sales.remarks[-1] == "not used as features: 'row' (identifies rows)"


def test_the_delivered_model_looks_up_means_of_all_rows(sales: SearchResult) -> None:
    best = sales.best()

    [of_all] = [one for one in best._feeding.encoder.steps if isinstance(one, TargetMean)]
    [of_train] = [one for one in sales._feeding.encoder.steps if isinstance(one, TargetMean)]
    assert best.learnt_since is not None
    assert set(of_train.categories) < set(of_all.categories) == set(SALES["shop"])


def test_an_exported_program_reads_identifiers_and_dates_as_python_does(
    sales: SearchResult, tmp_path: Path
) -> None:
    sales.best().export(tmp_path)
    rows = [
        {"shop": "shop 7", "day": "3.12.2024"},
        {"shop": "never seen", "day": "2024-12-03"},
        {"shop": None, "day": None},
    ]

    program = [sys.executable, tmp_path / "usage.py"]
    written = subprocess.run(program, input=json.dumps(rows).encode(), capture_output=True)

    answers = [answer["value"] for answer in json.loads(written.stdout)]
    times = [datetime.datetime(2024, 12, 3), datetime.datetime(2024, 12, 3), None]
    by_times = pl.DataFrame({"shop": [row["shop"] for row in rows], "day": times})
    assert answers == pytest.approx(sales.best().predict(rows), abs=1e-5)
    assert sales.best().predict(by_times).tolist() == sales.best().predict(rows).tolist()


def test_texts_that_are_no_dates_are_told(
    sales: SearchResult, caplog: pytest.LogCaptureFixture
) -> None:
    days = ["3.12.2024", "31-Mar-2024", "31-Mar-2024", "", None]
    rows = pl.DataFrame({"shop": ["shop 7"] * len(days), "day": days})

    sales.best().predict(rows)

    [told] = caplog.messages
    assert told.startswith("read as missing, since no date: 2 texts of 'day', such as '31-Mar-")


@pytest.mark.parametrize("other", [{"shop": "shop 7"}, {"shop": "a", "day": None, "tip": 1}])
def test_rows_of_other_columns_than_the_first_are_refused_as_a_program_does(
    sales: SearchResult, other: dict[str, object]
) -> None:
    rows = [{"shop": "shop 7", "day": "3.12.2024"}, other]

    with pytest.raises(RightfitError, match="Row 1 has other columns than the first"):
        sales.best().predict(rows)


@pytest.mark.parametrize("quality", ["accuracy", "roc_auc"])
def test_a_winner_that_hardly_beats_guessing_is_told(
    quality: str, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame(
        {
            "x": rng.normal(size=3_000),
            "town": [f"town {i}" for i in rng.integers(1_500, size=3_000)],
            "late": rng.choice(["no", "yes"], 3_000, p=[0.8, 0.2]),
        }
    )

    result = search(
        table, "late", quality=quality, families=["linear"], n_trials=1, budget_cpu_s=None
    )

    unread, worthless = result.remarks
    assert unread.startswith("not used as features: 'town' (no category is in 1% of the train rows")
    assert worthless.startswith("quality: linear-000 is hardly better than guessing: ")
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warned[0] == unread
    assert warned[-1] == worthless


def test_marks_of_gaps_among_numbers_of_a_csv_are_gaps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    amounts = [f"{x:.3f}" if i % 9 else "n/a" for i, x in enumerate(rng.normal(size=100))]
    table = pl.DataFrame(
        {"amount": amounts, "town": ["NA", "SE", "DK", "FI"] * 25, "sold": ["no", "yes"] * 50}
    )
    table.write_csv(tmp_path / "table.csv")
    table.with_columns(pl.col("amount").replace("n/a", "lost")).write_parquet(
        tmp_path / "table.parquet"
    )

    read, stored = (
        search(tmp_path / f"table.{kind}", "sold", families=["linear"], n_trials=1, n_jobs=1)
        for kind in ("csv", "parquet")
    )

    assert read.data_card.features.numeric == ("amount",)
    assert read.data_card.features.categorical == ("town",)
    [remark] = [remark for remark in stored.data_card.remarks if "amount" in remark]
    assert "but 'lost' does not: correct it or write null in its place" in remark


def test_a_german_file_is_read_as_numbers_and_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    prices = [f"{x:.2f}".replace(".", ",") for x in rng.uniform(1, 9, size=100)]
    prices[::9] = ["k.A.", "-", "NA", "", "unbekannt", "n/a"] * 2
    lines = [f"{price};{'ja' if i % 2 else 'nein'}" for i, price in enumerate(prices)]
    (tmp_path / "table.csv").write_text("\n".join(["Preis (€);Bezahlt", *lines]), encoding="utf-8")

    found = search(tmp_path / "table.csv", "Bezahlt", families=["linear"], n_trials=1, n_jobs=1)

    assert found.data_card.features.numeric == ("Preis (€)",)
    assert not [remark for remark in found.remarks if "Preis" in remark]
    assert len(found.best().predict(pl.DataFrame({"Preis (€)": ["1,5", "k.A.", None]}))) == 3
