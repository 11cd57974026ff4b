from __future__ import annotations

import pytest

from rightfit.preparation.patterns import expand_names

COLUMNS = ["v2", "v1", "size_mm", "a*b", "note"]


@pytest.mark.parametrize(
    ("names", "expanded"),
    [
        (["note", "v1"], ("note", "v1")),
        (["v*"], ("v2", "v1")),  # in the table's order
        (["v?", "*_mm"], ("v2", "v1", "size_mm")),
        (["v1..v3"], ("v1", "v2", "v3")),
        (["v08..v10"], ("v08", "v09", "v10")),
        (["a*b"], ("a*b",)),  # a column of that very name
        (["w*"], ("w*",)),  # a later check names what matches nothing
        (["*"], ("v2", "v1", "size_mm", "a*b")),
    ],
)
def test_patterns_stand_for_columns(names: list[str], expanded: tuple[str, ...]) -> None:
    assert expand_names(names, COLUMNS, excluded=["note"]) == expanded
