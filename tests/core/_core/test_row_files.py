"""Tests of :mod:`rightfit._core.row_files`."""

from pathlib import Path

import polars as pl
import pytest

from rightfit._core.errors import RightfitError
from rightfit._core.row_files import N_SAMPLE_BYTES, find_separator, read_rows, scan_rows


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n1;2\n", ";"),
        ("\ufeffOrt;Preis (€, netto);Menge\nUlm;1,5;2\nKöln;2,5;3\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('a,b\n"x;y",1\n"z;z",2\n', ","),
        ('a;b\n"two\nlines, here";1\nx;2', ";"),
        ("a\n1\n", ","),
        ("a,b\n1,2,3\n", ","),
        ("a;b\n1;2\n3;4;5\n6;7,5\n", ";"),
        ("", ","),
    ],
)
def test_the_separator_cuts_each_line_alike(text: str, separator: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")

    assert find_separator(tmp_path / "table.csv") == separator


def test_a_sample_that_ends_within_a_line_is_enough(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("ä;b;c\n" + "ü,1;2;3\n" * N_SAMPLE_BYTES, encoding="utf-8")

    assert find_separator(tmp_path / "table.csv") == ";"


def test_a_header_longer_than_the_sample_is_enough(tmp_path: Path) -> None:
    names = ";".join(f"größe_{number}" for number in range(N_SAMPLE_BYTES // 8))
    (tmp_path / "table.csv").write_text(f"{names}\n" + ";" * names.count(";"), encoding="utf-8")

    assert find_separator(tmp_path / "table.csv") == ";"


@pytest.mark.parametrize("n_lines", [0, N_SAMPLE_BYTES])
def test_another_encoding_is_refused_with_what_to_do(n_lines: int, tmp_path: Path) -> None:
    lines = b"a;b\n" * n_lines + "Straße;Ort\n".encode("cp1252")
    (tmp_path / "table.csv").write_bytes(lines)

    with pytest.raises(ValueError, match=r'read_csv\("table.csv", encoding="cp1252"\)'):
        read_rows(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Cars of 2026\n\nbrand;km\nVW;1,5\nVW;2,5\n",
            "its header seems to stand below a title: line 1 is 'Cars of 2026'",
        ),
        ("km\n1,5\n2,5\n", "line 2 has 2 fields, the header has 1: '1,5'"),
        ("a,b\n1,2\n3,4,5\n6,7,8\n", "line 3 has 3 fields, the header has 2: '3,4,5'"),
        ("a,b\r\n1,2\r\n\r\n3\r\n4,5,6\r\n", "line 5 has 3 fields, the header has 2: '4,5,6'"),
        ("a;b\n1;2\n3;4;5\n6;7\n", "line 3 has 3 fields, the header has 2: '3;4;5'"),
        ('a,b\n"two\nlines",2\n3,Ulm, Bern\n', "line 4 has 3 fields.*in double quotes"),
        ('a,b,c\n1,2,3\n4,"5,6\n7,8,9\n', "line 3 has 2 fields.*quotes end on line 4"),
    ],
)
def test_a_line_of_too_many_fields_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8", newline="")

    with pytest.raises(RightfitError, match=rf"table.csv cannot be read: {message}"):
        read_rows(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("values", "is_text"),
    [
        (["01067", "99999"], True),
        (["01067", ""], True),
        (["1067", "99999"], False),
        (["007", "1000"], False),
        (["01", "12"], False),
        (["-01", "123"], False),
        (["00.5", "12.5"], False),
    ],
)
def test_codes_of_digits_keep_their_zeros_where_asked(
    values: list[str], is_text: bool, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("code,n\n" + "".join(f"{value},1\n" for value in values))

    with scan_rows(path, keeps_codes=True) as scan:
        codes = scan.collect()["code"]

    assert (codes.dtype == pl.String) == is_text
    assert read_rows(path)["code"].dtype.is_numeric()
