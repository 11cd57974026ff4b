"""Dates in texts and in columns of times become the same features through every door."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from harness.new_rows import encode_new_rows
from hypothesis import given
from hypothesis import strategies as st

from rightfit.data.request_path.dates import DATE_PARTS, read_texts
from rightfit.data.request_path.encoder import Date, Encoder
from rightfit.data.request_path.encoder_graph import build_encoder
from rightfit.data.request_path.opening import compile_encoder
from rightfit.models.onnx_session import open_session
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset

START = datetime.datetime(2024, 2, 27)  # a Tuesday
TIMES = [START + datetime.timedelta(hours=7 * i) for i in range(120)]
WRITTEN = {
    "iso": "%Y-%m-%d",
    "iso with time": "%Y-%m-%dT%H:%M:%SZ",
    "day/month": "%d/%m/%Y",
    "month/day": "%m/%d/%Y %H:%M",
    "dots": "%d.%m.%Y %H:%M",
    "name in the middle": "%d %b %Y",
    "name first": "%B %d, %Y %H:%M",
    "name between strokes": "%d-%b-%Y",
    "weekday and name": "%a, %d %b %Y %H:%M:%S",
}
ODD = [
    "",
    "31/12/2024",
    "12-31-2024 24:00",
    "2024-13-01",
    "2024-02",
    "2/2024",
    "9" * 400,
    "²/1/2024",
    "3 Jan 2024",
    "JAN 3, 2024 10:15",
    "03jan2024",
    "2024-Sept-03",
    "May 2024",
    "1 may or june 2024",
    "1 jan 2 jan 2024",
    "1 Apr\u0131l 2024",
    "1 Apr\u0130L 2024",
    "1 \u017fep 2024",
    "janu 3 2024",
    "Jan",
    "32 Dec 2024",
]
DATE = Date(
    column="when",
    parts=DATE_PARTS,
    fills=tuple(float(i) for i in range(11)),
    means=(3.0,) * 11,
    scales=(7.0,) * 11,
)


def prepare(when: pl.Series, **features: Any) -> PreparedDataset:
    table = pl.DataFrame({"when": when, "cost": [float(i * i % 83) for i in range(len(when))]})
    block = {"tables": ["rides"], "target": {"column": "cost"}, **features}
    return prepare_dataset("rides", DatasetBlock.model_validate(block), {"rides": table})


def test_parts_of_a_date_are_those_of_the_calendar() -> None:
    is_date, parts = read_texts(["2024-02-29T18:00", "1/3/2023", "2024-02"], month_first=False)

    assert is_date.tolist() == [[1], [1], [1]]
    assert parts.tolist() == [
        [2024, 2, 18, 19782.75, 0, 0, 0, 1, 0, 0, 0],
        [2023, 3, 0, 19417, 0, 0, 1, 0, 0, 0, 0],
        [2024, 2, 0, 19754, 0, 0, 0, 1, 0, 0, 0],  # the first day of a month
    ]


@given(time=st.datetimes(datetime.datetime(1000, 1, 1)))
def test_any_date_is_read_as_python_reads_it(time: datetime.datetime) -> None:
    _, [parts] = read_texts([time.isoformat()], month_first=False)

    days = (time - datetime.datetime(1970, 1, 1)).days + (60 * time.hour + time.minute) / 1440
    weekdays = [float(time.isoweekday() == day) for day in range(1, 8)]
    assert parts.tolist() == [time.year, time.month, time.hour, days, *weekdays]


@given(
    texts=st.lists(
        st.text(max_size=20) | st.datetimes().map(str) | st.sampled_from(ODD),
        min_size=1,
        max_size=5,
    ),
    month_first=st.booleans(),
    month_names=st.booleans(),
)
def test_graph_and_numpy_read_any_text_alike(
    texts: list[str], month_first: bool, month_names: bool
) -> None:
    step = DATE.model_copy(update={"month_first": month_first, "month_names": month_names})
    encoder = Encoder(steps=(step,)).to_json()
    column = np.array(texts, dtype=object)[:, None]

    by_graph = open_session(build_encoder(encoder)).run(None, {"texts": column})[0]

    np.testing.assert_array_equal(compile_encoder(encoder)({"when": texts}), by_graph)


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_texts_are_recognised_and_read_as_times_are(written: str) -> None:
    texts = pl.Series("when", [time.strftime(written) for time in TIMES])
    by_texts = prepare(texts)
    times = pl.Series("when", TIMES).dt.truncate("1m" if "%H" in written else "1d")
    by_times = prepare(times)

    assert by_texts.spec.features.date == by_times.spec.features.date == ("when",)
    assert by_texts.spec.features.month_first == (("when",) if written.startswith("%m") else ())
    assert "when_weekday=7" in by_texts.data_card.input_schema.features
    assert by_texts.encode("train").equals(by_times.encode("train"))
    encoded = encode_new_rows(by_texts, times.to_frame())
    np.testing.assert_array_equal(
        compile_encoder(by_texts.encoder.to_json())({"when": texts.to_list()}), encoded
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 Jan 2024", "2024-01-03T00:00"),
        ("Jan 3, 2024", "2024-01-03T00:00"),
        ("03-JAN-2024 10:15", "2024-01-03T10:15"),
        ("2024-September-03", "2024-09-03T00:00"),
        ("May 2024", "2024-05-01T00:00"),
        ("Sun, 31 Dec 2023 23:59:59 +0000", "2023-12-31T23:59"),
        ("3 Janvier 2024", None),
        ("3 Jan 24", None),
        ("Jan 3", None),
        ("1 May or June 2024", None),
    ],
)
@pytest.mark.parametrize("month_first", [False, True])
def test_names_of_months_are_read_wherever_they_stand(
    text: str, expected: str | None, month_first: bool
) -> None:
    is_date, parts = read_texts([text], month_first=month_first)

    assert bool(is_date[0, 0]) is (expected is not None)
    if expected is not None:
        np.testing.assert_array_equal(parts, read_texts([expected], month_first=month_first)[1])


def test_only_a_column_that_has_names_of_months_is_searched_for_them() -> None:
    plain = prepare(pl.Series("when", [time.strftime("%Y-%m-%d") for time in TIMES]))
    named = prepare(pl.Series("when", [time.strftime("%d %b %Y") for time in TIMES]))

    assert [step["month_names"] for step in plain.encoder.to_json()["steps"]] == [False]
    assert [step["month_names"] for step in named.encoder.to_json()["steps"]] == [True]


def test_a_gap_is_filled_with_the_median_of_the_train_rows() -> None:
    encode = compile_encoder(Encoder(steps=(DATE,)).to_json())

    gap, word = encode({"when": [None, "soon"]})

    np.testing.assert_allclose(gap, [(i - 3) / 7 for i in range(11)], rtol=1e-6)
    assert gap.tolist() == word.tolist()


def test_day_and_month_that_cannot_be_told_apart_are_remarked() -> None:
    texts = pl.Series("when", [f"0{1 + i % 9}/0{1 + i % 7}/2024" for i in range(120)])

    ambiguous = prepare(texts)
    decided = prepare(texts, features={"date": ["*"], "month_first": ["when"]})

    assert ambiguous.data_card.features.month_first == ()
    [remark] = [text for text in ambiguous.data_card.remarks if "when" in text]
    assert "day and month cannot be told apart" in remark
    assert decided.data_card.features.month_first == ("when",)
    assert ambiguous.encode("train").columns == decided.encode("train").columns
    assert not ambiguous.encode("train").equals(decided.encode("train"))


@pytest.mark.parametrize(("zone", "n_remarks"), [("Europe/Berlin", 1), (None, 0)])
def test_zone_of_times_is_remarked_since_it_is_not_converted(
    zone: str | None, n_remarks: int
) -> None:
    times = pl.Series("when", TIMES)

    card = prepare(times.dt.replace_time_zone(zone)).data_card

    assert card.features.date == ("when",)
    remarks = [text for text in card.remarks if "when" in text]
    assert len(remarks) == n_remarks
    assert all("Europe/Berlin" in text for text in remarks)


def test_months_are_dates() -> None:
    months = pl.Series("when", [f"20{20 + i % 5}-{1 + i % 12:02d}" for i in range(120)])
    first_days = (months + "-01").str.to_date()

    by_months, by_days = prepare(months), prepare(first_days)

    assert by_months.spec.features.date == ("when",)
    assert by_months.encode("train").equals(by_days.encode("train"))


@pytest.mark.parametrize(
    "texts",
    [
        ["2023-24", "2024-25"],  # seasons
        ["2023/01", "2023/02"],  # maybe numbers of a year
        ["13/13/2024", "1/1/2024"],
        ["13/1/2024", "1/13/2024"],  # neither order reads both
        ["2024-01-01", "soon"],
        ["10.5.3", "1.2.3"],
    ],
)
def test_other_texts_are_no_dates(texts: list[str]) -> None:
    assert prepare(pl.Series("when", texts * 60)).spec.features.date == ()


def test_dates_that_are_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features\.date names 'when', which is Int64"):
        prepare(pl.Series("when", list(range(120))), features={"date": ["when"]})
