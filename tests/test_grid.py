from __future__ import annotations

import pytest

from rightfit.grid import Grid, current_grid, has_grid, read_grid, use_parameters

PARAMETERS = {
    "grid": {"datasets": ["flights"], "models": ["net", "linear"]},
    "datasets": {"flights": {"tables": ["flights", "planes"]}, "landsat": {"tables": ["landsat"]}},
    "models": {"linear": {}, "net": {}},
}


def test_grid_is_what_the_parameters_name() -> None:
    grid = read_grid(PARAMETERS)

    assert grid == Grid(tables={"flights": ("flights", "planes")}, models=("net", "linear"))
    assert list(grid.cells()) == [("flights", "net"), ("flights", "linear")]


def test_every_fault_is_named_at_once() -> None:
    faulty = PARAMETERS | {"grid": {"datasets": ["flight"], "models": ["tree"]}}

    with pytest.raises(ValueError, match=r"\['flight'\], described .*\['tree'\].*parameters_grid"):
        read_grid(faulty)


def test_missing_block_is_named() -> None:
    with pytest.raises(ValueError, match=r"lacks the parameters \['models'\]"):
        read_grid({key: value for key, value in PARAMETERS.items() if key != "models"})


def test_use_parameters_tells_whether_the_grid_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rightfit.grid._current", [])
    assert not has_grid()
    with pytest.raises(RuntimeError, match="No configuration has been read yet"):
        current_grid()

    assert use_parameters(PARAMETERS)
    assert not use_parameters(PARAMETERS)
    assert use_parameters(PARAMETERS | {"grid": {"datasets": ["landsat"], "models": ["net"]}})
    assert current_grid().datasets == ("landsat",)
