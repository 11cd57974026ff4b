from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightfit._core.errors import RightfitError
from rightfit.models.sources import read_family_sources, read_own_sources, read_sources

FAMILY = """
import json
import orchards
from orchards import pruning
from orchards.tools.saw import cut

def train():
    from .shed import door
    from rightfit.models.sklearn_io import load_skops
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A family in a package of its own, built on some of its modules."""
    files = {
        "__init__": "",
        "apple": FAMILY,
        "pruning": "from orchards.basics import ladder",
        "basics": "ladder = 1",
        "shed": "from . import apple\ndoor = 2",
        "tools/__init__": "",
        "tools/saw": "def cut(): ...",
        "unused": "",
    }
    for name, text in files.items():
        file = tmp_path / "orchards" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield "orchards.apple"
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchards"]:
        del sys.modules[name]


def test_imports_are_followed_within_the_package_and_the_library(family: str) -> None:
    sources = read_sources(family)

    assert list(sources) == [
        "orchards",
        "orchards.apple",
        "orchards.basics",
        "orchards.pruning",
        "orchards.shed",
        "orchards.tools.saw",
        "rightfit._core.errors",
        "rightfit._core.extras",
        "rightfit.models.onnx_graph",
        "rightfit.models.predictions",
        "rightfit.models.schema",
        "rightfit.models.served_family",
        "rightfit.models.sklearn_io",
        "rightfit.models.tree_export",
    ]
    assert sources["orchards.basics"] == "ladder = 1"


def test_module_that_a_family_is_built_on_is_read_anew(family: str, tmp_path: Path) -> None:
    before = read_sources(family)
    (tmp_path / "orchards" / "basics.py").write_text("ladder = 2")
    after = read_sources(family)

    assert before != after


def test_described_family_depends_on_what_describes_and_saves_it() -> None:
    assert {
        "rightfit_search.families.boosting",
        "rightfit_search.families.ensembles",
        "rightfit_search.families.family",
        "rightfit.models.sklearn_io",
        "rightfit_search.families.stored_rows",
        "rightfit_search.families.training_work",
        "rightfit.models.tree_export",
    } <= set(read_sources("rightfit_search.families.boosting"))


def test_words_of_errors_are_no_part_of_a_familys_code() -> None:
    assert {"rightfit._core.extras", "rightfit._core.errors"} <= set(
        read_sources("rightfit_search.families.boosting")
    )
    assert not {"rightfit._core.extras", "rightfit._core.errors"} & set(
        read_family_sources("rightfit_search.families.boosting")
    )


def test_family_does_not_depend_on_another_one() -> None:
    assert "rightfit_search.families.net" not in read_sources("rightfit_search.families.linear")
    assert "rightfit_search.families.registry" not in read_sources(
        "rightfit_search.families.linear"
    )


@pytest.mark.parametrize(
    ("family", "library"),
    [("rightfit_search.families.net", "torch"), ("sklearn:sklearn.svm.SVC", "sklearn")],
)
def test_reading_the_code_of_a_family_imports_no_library(
    family: str, library: str, tmp_path: Path
) -> None:
    asked = "from rightfit.models.sources import read_family_sources as read; "
    code = asked + f"import sys; read('{family}'); sys.exit('{library}' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)

    assert ended.returncode == 0


def test_code_of_a_program_itself_is_out_of_reach() -> None:
    with pytest.raises(RightfitError, match="put it into a module"):
        read_own_sources("__main__")
