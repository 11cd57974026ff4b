from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from factories.configurations import BOOSTERS

import rightfit
from rightfit._core.errors import RightfitError
from rightfit._core.extras import EXTRAS, find_version, require
from rightfit_search.families.registry import get_family

DISTRIBUTIONS = {  # where it is not the module's name
    "PIL": "pillow",
    "kedro_datasets": "kedro-datasets",
    "sklearn": "scikit-learn",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without the libraries of any extra."""
    for name in EXTRAS:
        monkeypatch.setitem(sys.modules, name, None)


def test_installed_libraries_are_no_fault() -> None:
    require("sklearn.ensemble", "numpy", purpose="A forest")


@pytest.mark.usefixtures("bare")
def test_missing_libraries_name_their_extras_in_one_sentence() -> None:
    with pytest.raises(
        RightfitError,
        match=re.escape(
            "A net of trees needs torch and sklearn, which this environment lacks: "
            "pip install 'rightfit[torch,sklearn]'"
        ),
    ):
        require("torch", "sklearn.ensemble", "sklearn.tree", purpose="A net of trees")


def test_too_old_a_library_is_named_with_the_version_that_is_needed() -> None:
    require("sklearn>=1.4", purpose="An estimator")

    with pytest.raises(
        RightfitError, match=r"needs scikit-learn 99\.1 or newer, but \d.*>=99\.1'$"
    ):
        require("sklearn>=99.1", purpose="An estimator")


@pytest.mark.parametrize(
    ("name", "extras"), [("search", "search"), ("RightfitClassifier", "search,sklearn")]
)
@pytest.mark.usefixtures("bare")
def test_public_name_of_an_extra_names_it(
    name: str, extras: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(vars(rightfit), name, raising=False)

    with pytest.raises(RightfitError, match=rf"rightfit\.{name} needs .*'rightfit\[{extras}\]'"):
        getattr(rightfit, name)


@pytest.mark.usefixtures("bare")
def test_libraries_of_no_extra_are_left_to_their_import() -> None:
    require("my_study.no_such_module", "numpy", purpose="A family")


@pytest.mark.parametrize("name", BOOSTERS)
def test_family_of_a_library_names_the_extra_that_brings_it(
    name: str, project_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = tomllib.loads((project_path / "pyproject.toml").read_text())["project"]
    family = get_family(name)

    assert any(one.startswith(f"{name}>") for one in declared["optional-dependencies"][name])
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RightfitError, match=rf"lacks: pip install 'rightfit\[{name}\]'"):
        family.load_libraries()


@pytest.mark.parametrize("library", EXTRAS)
def test_extra_brings_its_library(library: str, project_path: Path) -> None:
    declared = tomllib.loads((project_path / "pyproject.toml").read_text())["project"]
    extra = declared["optional-dependencies"][EXTRAS[library]]
    names = {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in extra}

    assert DISTRIBUTIONS.get(library, library) in names


def test_version_of_what_is_not_installed_is_none() -> None:
    assert find_version("no-such-distribution") is None
