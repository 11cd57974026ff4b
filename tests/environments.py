"""Run a part of the tests in fresh environments, for one interpreter after the other.

    python tests/environments.py core                        # the core and scikit-learn alone
    python tests/environments.py newest python3.12 python3.13  # their newest versions
    python tests/environments.py lowest                      # the lowest versions declared
    python tests/environments.py pages                       # pages' Python, by their install lines
    python tests/environments.py template --wheel dist/X.whl   # a project made from the starter

With a wheel it installs that in place of this folder. It prints how large each installation is.
Without a name the interpreter is the running one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

PROJECT = Path(__file__).parents[1]
TOOLS = ("hypothesis", "pytest", "pytest-timeout")
BYTES_PER_MIB = 2**20
PAGES = (
    "README.md",
    "docs/index.md",
    "docs/tutorial/models.md",
    "docs/howto/from_other_tools.md",
    "docs/howto/notebook_model.md",
    "docs/howto/search_python.md",
    "docs/howto/too_slow.md",
)
"""Pages whose Python runs as it stands, in an environment that their own install line makes."""
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL_LINE = re.compile(r"pip install '?(?:rightfit|\.)(?:\[([a-z,]+)\])?(?=['`\s])")
FACE = (
    "tests/core/api/test_first_steps.py",
    "tests/core/api/test_profiles.py",
    "tests/core/api/test_public_names.py",
    "tests/core/api/test_rank.py",
    "tests/core/ranking/assessment",
    "tests/core/reporting/test_report.py",
    "tests/test_extras.py",
    "tests/test_without_kedro.py",
)


@dataclass(frozen=True)
class Environment:
    """What is installed, and what pytest is asked to run.

    Args:
        extras: Extras of this library.
        beside: Other requirements.
        versions: The newest, those of constraints.txt, or the lowest that are declared.
        arguments: Tests and options of pytest.
    """

    extras: tuple[str, ...]
    beside: tuple[str, ...]
    versions: Literal["newest", "tested", "lowest"]
    arguments: tuple[str, ...]


CORE = Environment((), ("scikit-learn",), "tested", FACE)
ENVIRONMENTS = {
    "core": CORE,
    "template": Environment(
        extras=("kedro", "serve", "sklearn", "viz"),
        beside=(),
        versions="tested",
        arguments=("tests/kedro/template",),
    ),
    "newest": replace(CORE, versions="newest"),
    "lowest": Environment(
        extras=("search", "serve", "sklearn"),
        beside=("pandas", "pymcdm"),
        versions="lowest",
        arguments=(
            *(f"tests/core/{part}" for part in ("api", "data", "measuring", "models")),
            *("tests/core/ranking", "tests/core/reporting", "tests/deploy"),
            *(f"tests/search/{part}" for part in ("api", "families", "tables")),
            *("tests/search/searching/pausing", "tests/test_extras.py"),
            "tests/test_without_kedro.py",
            # what needs other extras, or what only the tests of all have
            *(
                "-k",
                "not (catboost or d2_ or lightgbm or module or net or perceptron or training_costs "
                "or torch or train_rows or xgboost)",
            ),
            "--ignore=tests/search/api/test_estimators.py",
            "--ignore=tests/search/api/test_python_guide.py",
            "--ignore=tests/search/families/by_path/test_torch_modules.py",
            "--ignore=tests/core/models/imported/test_shipped_model.py",
            "--ignore=tests/search/families/test_residual_net.py",
            "--ignore=tests/search/tables/test_images.py",
            "--ignore=tests/core/reporting/browser",
            "--ignore=tests/core/reporting/test_notebooks.py",
            *("-o", "filterwarnings=default"),  # old libraries warn of newer ones
        ),
    ),
}


def read_lowest(project: dict[str, Any], extras: tuple[str, ...]) -> Iterator[str]:
    """Yield the lowest version of each requirement that names one, as pip's constraints.

    Args:
        project: The table ``project`` of pyproject.toml.
        extras: Extras whose requirements count too.
    """
    optional = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(r for name in extras for r in optional[name])]:
        if found := re.match(r"([\w-]+)(?:\[.*\])?>=([\w.]+)", requirement):
            yield f"{found[1]}=={found[2]}"


def read_install_line(page: str) -> tuple[str, ...]:
    """Return the extras that a page's first install line names, sorted.

    Raises:
        ValueError: If the page has none.
    """
    line = INSTALL_LINE.search((PROJECT / page).read_text(encoding="utf-8"))
    if line is None:
        raise ValueError(f"{page} has no line pip install 'rightfit[…]'.")
    return tuple(sorted((line[1] or "").split(","))) if line[1] else ()


def run_pages(interpreter: str, pages: Sequence[str], folder: Path, source: Path) -> bool:
    """Run each page's Python in an environment of its install line; say whether all has run.

    Pages of the same install line share one environment.
    """
    by_extras: dict[tuple[str, ...], list[str]] = {}
    for page in pages:
        by_extras.setdefault(read_install_line(page), []).append(page)
    failed = []
    for number, (extras, of_extras) in enumerate(by_extras.items()):
        python = install(
            interpreter, Environment(extras, (), "tested", ()), folder / str(number), source
        )
        for page in of_extras:
            program = "".join(SNIPPET.findall((PROJECT / page).read_text(encoding="utf-8")))
            began_s = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="rightfit-page-") as empty:
                done = subprocess.run([python.absolute(), "-c", program], cwd=empty, check=False)
            failed += [page] * bool(done.returncode)
            print(f"{page}: status {done.returncode} in {time.monotonic() - began_s:.0f} s")
    return not failed


def install(interpreter: str, wanted: Environment, folder: Path, source: Path) -> Path:
    """Make the environment, with the library from a folder or a wheel; return its interpreter."""
    began_s = time.monotonic()
    subprocess.run([interpreter, "-m", "venv", folder], check=True)
    python, constraints = folder / "bin" / "python", folder / "constraints.txt"
    if wanted.versions == "tested":
        constraints = PROJECT / "constraints.txt"
    else:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        lines = read_lowest(project, wanted.extras) if wanted.versions == "lowest" else ()
        constraints.write_text("\n".join(lines), encoding="utf-8")
    extras = f"[{','.join(wanted.extras)}]" if wanted.extras else ""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--constraint", constraints]
    editable = ["--editable"] if source.is_dir() else []
    subprocess.run([*pip, *editable, f"{source}{extras}"], check=True)
    size_mib = sum(path.lstat().st_size for path in folder.rglob("*")) / BYTES_PER_MIB
    print(
        f"{interpreter}: rightfit{extras} takes {size_mib:.0f} MiB; installed in "
        f"{time.monotonic() - began_s:.0f} s",
        flush=True,
    )
    if wanted.arguments:
        subprocess.run([*pip, *wanted.beside, *TOOLS], check=True)
    return python


def run_in(interpreter: str, wanted: Environment, folder: Path, source: Path) -> bool:
    """Make the environment and run its tests; return whether all have passed."""
    python = install(interpreter, wanted, folder, source)
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *wanted.arguments]
    return subprocess.run(tests, cwd=PROJECT, check=False).returncode == 0


def main() -> None:
    """Run the tests in each environment; the exit status is 1 if any has failed."""
    parser = argparse.ArgumentParser(description="Run a part of the tests in fresh environments.")
    parser.add_argument("environment", choices=[*ENVIRONMENTS, "pages"])
    parser.add_argument("interpreters", nargs="*", default=[sys.executable])
    parser.add_argument("--wheel", dest="source", type=Path, default=PROJECT)
    arguments = parser.parse_args()
    source = arguments.source.resolve()
    failed = []
    for interpreter in arguments.interpreters:
        with tempfile.TemporaryDirectory(prefix="rightfit-environment-") as folder:
            if arguments.environment == "pages":
                has_passed = run_pages(interpreter, PAGES, Path(folder), source)
            else:
                wanted = ENVIRONMENTS[arguments.environment]
                has_passed = run_in(interpreter, wanted, Path(folder), source)
            if not has_passed:
                failed.append(interpreter)
    if failed:
        sys.exit(f"{arguments.environment}: tests failed under {', '.join(failed)}")


if __name__ == "__main__":
    main()
