"""What a reader of the library must hold in mind, in figures: ``make structure``.

Code is lines without docstrings, comments and blanks. A single importer is a module that one other
module imports, a single use a function named in one other place, a pronoun a variable or parameter
whose name is a pronoun or a participle; a late import stands in a function. Figures are those of
the four packages together, code that of each, too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PRONOUNS = frozenset(
    re.findall(
        r"\w+",
        "one ones others found given known said told asked wanted own named kept made place places "
        "odd due here there these those what which who whom whose such same left taken seen meant "
        "written brought done held put",
    )
)
PACKAGES = ("rightfit", "rightfit_search", "rightfit_kedro", "rightfit_deploy")


def list_bindings(tree: ast.AST) -> Iterator[str]:
    """Yield the names of parameters and of variables, each as often as it is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id != "_":
            yield node.id


def list_pronouns(tree: ast.AST) -> list[str]:
    """Return the bindings whose name is a pronoun or a participle: the noun says more."""
    return [name for name in list_bindings(tree) if name.strip("_") in PRONOUNS]


def list_code(text: str, tree: ast.Module) -> list[int]:
    """Return the numbers of the lines that are code."""
    documented: set[int] = set()
    for node in ast.walk(tree):
        has_text = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if has_text and ast.get_docstring(node) is not None:
            documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [n for n, line in lines if line and line[0] != "#" and n not in documented]


def list_imports(tree: ast.Module, names: Collection[str]) -> set[str]:
    """Return which of the modules a module imports, anywhere in it."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= within.intersection(names) or {node.module}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules.intersection(names)


def count_lines(folder: Path) -> int:
    """Return the lines of all modules in a folder."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def measure(project: Path) -> dict[str, float]:
    """Return the figures of a project by name."""
    source = project / "src"
    names = {
        path: ".".join(path.relative_to(source).with_suffix("").parts)
        for package in PACKAGES
        for path in (source / package).rglob("*.py")
    }
    texts = {name: path.read_text(encoding="utf-8") for path, name in names.items()}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    modules = [name for name in texts if not name.endswith("__init__")]
    nodes = [(name, node) for name, tree in trees.items() for node in ast.walk(tree)]
    code = {(name, n) for name in texts for n in list_code(texts[name], trees[name])}
    imports = {
        (name, line)
        for name, node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    imported = Counter(chain.from_iterable(list_imports(tree, modules) for tree in trees.values()))
    words = Counter(re.findall(r"[A-Za-z_]\w+", "\n".join(texts.values())))
    functions = [
        node.name for _, node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    bindings = list(chain.from_iterable(map(list_bindings, trees.values())))
    pronouns = list(chain.from_iterable(map(list_pronouns, trees.values())))
    packages = Counter(name.partition(".")[0] for name, _ in code)
    late = [
        node
        for _, function in nodes
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return {
        **{f"code of {package}": packages[package] for package in PACKAGES},
        "lines": sum(count_lines(source / package) for package in PACKAGES),
        "lines of benchmarks": count_lines(project / "benchmarks"),
        "lines of tests": count_lines(project / "tests"),
        "code": len(code),
        "imports %": 100 * len(code & imports) / len(code),
        "late imports": len({id(node) for node in late}),
        "modules": len(modules),
        "single importer": sum(imported[m] == 1 for m in modules if ".pipelines." not in m),
        "single use": sum(words[name] == 2 for name in functions),
        "pronouns %": 100 * len(pronouns) / len(bindings),
    }


if __name__ == "__main__":
    for name, value in measure(PROJECT).items():
        sys.stdout.write(f"{name:24} {value:8.1f}\n" if "%" in name else f"{name:24} {value:8}\n")
