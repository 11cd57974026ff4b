from __future__ import annotations

import pytest

from rightfit.grid import Grid, current_grid, read_grid, use_parameters

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


def test_use_parameters_tells_whether_the_grid_changed() -> None:
    before = current_grid_or_none()
    try:
        use_parameters(PARAMETERS)

        assert not use_parameters(PARAMETERS)
        assert current_grid().datasets == ("flights",)
        assert use_parameters(PARAMETERS | {"grid": {"datasets": ["landsat"], "models": ["net"]}})
    finally:
        restore(before)


def current_grid_or_none() -> Grid | None:
    try:
        return current_grid()
    except RuntimeError:
        return None


def restore(grid: Grid | None) -> None:
    from rightfit import grid as module

    module._current[:] = [] if grid is None else [grid]
