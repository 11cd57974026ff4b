"""No module of ours imports itself over others, not under TYPE_CHECKING or in a function either."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest


def read_imports(source: Path) -> dict[str, set[str]]:
    """Return for each module in a folder of packages which of them it imports, anywhere."""
    paths = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for package in source.glob("*/__init__.py")
        for path in package.parent.rglob("*.py")
    }
    return {name: find_imports(path.read_text(), name, paths) for name, path in paths.items()}


def find_imports(text: str, name: str, paths: dict[str, Path]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    # a package's __init__ only hands on what its modules hold
    modules = {n for n, path in paths.items() if path.name != "__init__.py"}
    return (found & modules) - {name}


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle, empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as err:
        circle: list[str] = err.args[1]
        return circle
    return []


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, set()),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, {"b", "c"}),
    ],
)
def test_circle_is_found(imports: dict[str, set[str]], circle: set[str]) -> None:
    assert set(find_circle(imports)) == circle


def test_hidden_imports_count() -> None:
    text = "if TYPE_CHECKING:\n    import rightfit.a.b\ndef f():\n    from rightfit.a import c\n"
    paths = {name: Path(f"{name}.py") for name in ("rightfit.a.b", "rightfit.a.c")}

    assert find_imports(text, "rightfit.d", paths) == {"rightfit.a.b", "rightfit.a.c"}


def test_no_module_imports_itself_over_others(project_path: Path) -> None:
    assert find_circle(read_imports(project_path / "src")) == []
