from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from rightfit.preparation.fingerprint import hash_frame

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
