from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from rightfit._core import plugins
from rightfit._core.errors import RightfitError
from rightfit._core.plugins import find_plugins, load_plugin

GROUP = "rightfit.instruments"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Two packages that add instruments: one works, one imports a library that is missing."""
    entries = [
        EntryPoint("wattmeter", "third_package.meters:read_w", GROUP),
        EntryPoint("scale", "third_package.scales:weigh_g", GROUP),
        EntryPoint("broken", "third_package.broken:read", GROUP),
        EntryPoint("wattmeter", "third_package.other:verb", "rightfit.verbs"),
    ]
    package = tmp_path / "third_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "meters.py").write_text("def read_w():\n    return 7\n")
    (package / "scales.py").write_text("import optuna\n")
    (package / "broken.py").write_text("import third_package.no_such_part\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    for module in ("", ".meters", ".scales", ".broken"):
        monkeypatch.delitem(sys.modules, f"third_package{module}", raising=False)
    monkeypatch.setattr(plugins, "entry_points", EntryPoints(entries).select)
    find_plugins.cache_clear()
    yield
    find_plugins.cache_clear()


def test_parts_of_a_group_are_found_without_importing_them() -> None:
    found = find_plugins(GROUP)

    assert list(found) == ["broken", "scale", "wattmeter"]
    assert "third_package" not in sys.modules


def test_part_is_imported_when_it_is_used() -> None:
    read_w = load_plugin(GROUP, "wattmeter", purpose="A test")

    assert read_w() == 7


def test_missing_part_names_the_nearest() -> None:
    with pytest.raises(RightfitError, match=r"^A test needs 'watmeter'.*did you mean 'wattmeter'"):
        load_plugin(GROUP, "watmeter", purpose="A test")


def test_missing_library_of_an_extra_names_the_extra() -> None:
    with pytest.raises(RightfitError, match=r"^A scale needs optuna.*'rightfit\[search\]'$"):
        load_plugin(GROUP, "scale", purpose="A scale")


def test_other_missing_module_is_a_defect_of_its_package() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        load_plugin(GROUP, "broken", purpose="A test")
