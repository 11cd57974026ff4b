from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import pytest

from rightfit._core.processes.codec import from_plain, to_plain


@dataclass(frozen=True)
class Part:
    share: float | None


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]
    values: dict[float, float | None]
    first: Part | None = None
    later: tuple[Part, ...] = ()
    loop: Literal["open", "closed"] = "open"


WHOLE = Whole("a", (Part(0.5), Part(None)), {0.5: 1.0, 0.95: None}, Part(1.0))


def test_record_survives_json() -> None:
    plain = json.loads(json.dumps(to_plain(WHOLE)))

    assert plain["values"] == {"0.5": 1.0, "0.95": None}
    assert from_plain(Whole, plain) == WHOLE


def test_unknown_fields_are_ignored_and_absent_ones_take_their_default() -> None:
    plain = {"name": "a", "parts": [], "values": {}, "ok": True}

    assert from_plain(Whole, plain) == Whole("a", (), {}, None)
    assert from_plain(Whole, plain | {"later": None}).later == ()  # a row of an older version


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"name": "a", "values": {}}, r"Whole lacks \['parts'\]"),
        ({"name": "a", "parts": [{}], "values": {}}, r"Part lacks \['share'\]"),
        ({"name": None, "parts": [], "values": {}}, "None stands where str must"),
        ({"name": "a", "parts": [{"share": "b"}], "values": {}}, "'b' stands where float must"),
        ({"name": "a", "parts": None, "values": {}}, r"Whole lacks \['parts'\]"),
        ({"name": "a", "parts": "abc", "values": {}}, "'abc' stands where list must"),
        ({"name": "a", "parts": [None], "values": {}}, "Part must be a JSON object, but got None"),
        ({"name": "a", "parts": [], "values": None}, r"Whole lacks \['values'\]"),
        ([], "Whole must be a JSON object, but got list"),
        (
            {"name": "a", "parts": [], "values": {}, "loop": "opn"},
            "'opn' stands where one of open, closed must",
        ),
    ],
)
def test_record_that_cannot_be_read_says_what_is_wrong(plain: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_plain(Whole, plain)
