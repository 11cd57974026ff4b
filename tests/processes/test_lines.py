from __future__ import annotations

import os

import pytest

from rightfit.processes import lines
from rightfit.processes.lines import LineReader


def make_pipe() -> tuple[LineReader, int]:
    reading, writing = os.pipe()
    return LineReader(reading), writing


def test_lines_are_read_one_by_one_until_the_end() -> None:
    reader, writing = make_pipe()
    os.write(writing, "é\nb\nhalf".encode())
    os.close(writing)

    read = [reader.read(1.0) for _ in range(3)]
    reader.close()

    assert read == ["é", "b", None]
    assert reader.is_closed


def test_half_a_line_is_not_waited_for_beyond_the_limit() -> None:
    reader, writing = make_pipe()
    os.write(writing, b"half")

    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        reader.read(0.05)
    os.close(writing)


def test_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    reader, writing = make_pipe()
    os.write(writing, b"x" * 20)

    with pytest.raises(ValueError, match="more than 10 bytes without an end of line"):
        reader.read(1.0)
    os.close(writing)


def test_what_waits_is_seen_but_the_end_is_nothing() -> None:
    reader, writing = make_pipe()
    before = reader.has_more()
    os.write(writing, b"a\n")
    while_waiting = reader.has_more()
    read = reader.read(1.0)
    os.close(writing)

    assert (before, while_waiting, read, reader.has_more()) == (False, True, "a", False)
