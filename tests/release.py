"""Make a release, all but its upload: ``make release VERSION=0.2.0``.

It writes the version where it stands, dates the changelog's section, builds source archive and
wheel, tries the wheel in empty environments under the lowest and the highest Python that this
machine has, and lays bill of materials, documentation, notes and hashes beside them into ``dist/``.
A second call for the same version changes no file.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
DIST = PROJECT / "dist"
VERSION = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
PLACES = {  # file -> what stands before the version, and behind it
    "src/rightfit/__init__.py": ('^__version__ = "', '"$'),
    "CITATION.cff": ("^version: ", "$"),
    "src/rightfit_kedro/template/cookiecutter.json": ('"__library_version": "', '"'),
}
MINORS = range(11, 20)
"""Minor versions of Python 3, from the lowest supported one, that are looked for."""


def main() -> None:
    """Make the release; the first step that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="as 0.2.0 or 0.2.0rc1")
    parser.add_argument("--python", action="append", help="try the wheel under this one alone")
    version, tried = vars(parser.parse_args()).values()
    if not re.fullmatch(VERSION, version):
        sys.exit(f"A version is written 0.2.0 or 0.2.0rc1, but this is {version!r}.")
    if read_git("status", "--porcelain"):
        sys.exit("The working tree has changes: commit or stash them first.")
    write_version(version)
    notes = date_changelog(version)
    shutil.rmtree(DIST, ignore_errors=True)
    pythons = tried or find_pythons()
    with tempfile.TemporaryDirectory(prefix="rightfit-release-") as folder:
        wheel = build(Path(folder))
    for python in pythons:
        for part in ("pages", "template"):
            run(python, "tests/environments.py", part, "--wheel", str(wheel))
    run("make", "supply", "docs")
    shutil.make_archive(str(DIST / f"rightfit-{version}-docs"), "zip", PROJECT / "site")
    (DIST / "NOTES.md").write_text(notes, encoding="utf-8")
    files = sorted(path for path in DIST.iterdir() if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    print("".join(lines), end="")
    print(f"Tried under {', '.join(pythons)}. To publish: commit, git tag v{version}, and push it.")


def write_version(version: str) -> None:
    """Write the version where it stands."""
    for file, (before, behind) in PLACES.items():
        replace_once(file, f"({before}){VERSION}({behind})", rf"\g<1>{version}\g<2>")
    later = int(version.split(".")[0]) + 1
    template = "src/rightfit_kedro/template/cookiecutter.json"
    replace_once(template, rf'"rightfit>={VERSION},<\d+"', f'"rightfit>={version},<{later}"')


def date_changelog(version: str) -> str:
    """Date the changelog's first section if it is unreleased; return its text."""
    first = r"\A# Changelog\n\n## "
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    if re.search(rf"{first}{VERSION} \(unreleased\)\n", text):
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        heading = rf"\g<1>{version} ({today})"
        text = replace_once("CHANGELOG.md", rf"({first}){VERSION} \(unreleased\)", heading)
    section = re.search(
        rf"{first}{re.escape(version)} \([\d-]+\)\n\n(.*?)(?=^## |\Z)", text, re.S | re.M
    )
    if section is None:
        sys.exit(f"CHANGELOG.md begins with no section {version} (unreleased), nor with its date.")
    return section[1]


def replace_once(file: str, pattern: str, replacement: str) -> str:
    """Replace the one match in a file of the project; return the file's new text."""
    path = PROJECT / file
    text, n_matches = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.M)
    if n_matches != 1:
        sys.exit(f"{file} has {n_matches} places like {pattern}, not one.")
    path.write_text(text, encoding="utf-8")
    return text


def build(folder: Path) -> Path:
    """Build from the tracked files alone; return the wheel, which the source archive made."""
    sources = folder / "sources"
    for name in read_git("ls-files", "-z").split("\0"):
        if name:
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, sources / name, follow_symlinks=False)
    run(sys.executable, "-m", "venv", str(folder / "tools"))
    python = str(folder / "tools" / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "build>=1.3,<2", "twine>=6.2,<7")
    run(python, "-m", "build", "--quiet", "--outdir", str(DIST), str(sources))
    run(python, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
    (wheel,) = DIST.glob("*.whl")
    return wheel


def find_pythons() -> list[str]:
    """Return the lowest and the highest supported Python that starts here."""
    found = [name for minor in MINORS if starts(name := f"python3.{minor}")]
    return list(dict.fromkeys([found[0], found[-1]])) if found else [sys.executable]


def starts(python: str) -> bool:
    """Say whether an interpreter is installed, and not only the shim of one."""
    return (
        bool(shutil.which(python))
        and not subprocess.run(
            [python, "-c", "import venv"], capture_output=True, check=False
        ).returncode
    )


def read_git(*words: str) -> str:
    """Return what a git command prints."""
    return subprocess.run(
        ["git", *words], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout


def run(*words: str) -> None:
    """Run a step, print its command and time, and end the release if it fails."""
    print(f"$ {' '.join(words)}", flush=True)
    began_s = time.monotonic()
    epoch = read_git("log", "-1", "--format=%ct").strip()  # archives of one commit have one hash
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    if status := subprocess.run(words, cwd=PROJECT, env=environment, check=False).returncode:
        sys.exit(f"The release ends here: status {status} of {' '.join(words)}")
    print(f"  {time.monotonic() - began_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
