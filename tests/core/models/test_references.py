"""Families are found by name, as any installed package declares them."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from rightfit.models import references
from rightfit.models.references import load_family, name_path, split_reference


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package declares a family and a maker of families."""
    modules = {"orchard": "rightfit_search.families.forest", "grafts": "my_study.grafts"}
    entries = {name: EntryPoint(name, path, references.GROUP) for name, path in modules.items()}
    monkeypatch.setattr(references, "find_plugins", lambda group: entries)


@pytest.mark.usefixtures("declared")
def test_name_that_a_package_declares_leads_to_its_family() -> None:
    assert load_family("orchard") is load_family("rightfit_search.families.forest")
    assert split_reference("grafts:my_study.trees.Apple") == (
        "my_study.grafts",
        ["my_study.trees.Apple"],
    )


@pytest.mark.usefixtures("declared")
def test_import_path_is_needed_by_processes_that_look_up_no_names() -> None:
    assert name_path("grafts:my_study.trees.Apple") == "my_study.grafts:my_study.trees.Apple"
    assert name_path("my_study.svm") == "my_study.svm"


def test_library_declares_its_families() -> None:
    names = ("boosting", "catboost", "forest", "lightgbm", "linear", "net", "xgboost")

    assert all("." in name_path(name) for name in names)
