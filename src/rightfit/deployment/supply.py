"""What a package is made of: its dependencies, their licences and known weaknesses.

``make supply`` prints them; ``kedro package`` writes them beside the wheel as a software bill of
materials (CycloneDX). ``python -m rightfit.deployment.supply NAME`` prints those of any installed
package.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import (
    PackageMetadata,
    PackageNotFoundError,
    distribution,
    distributions,
)
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

SPECIFICATION = "1.6"  # of CycloneDX
OF_DEVELOPERS = {"bench", "dev", "docs", "lint", "supply", "test", "tests"}  # not for users
OSI_APPROVED = "License :: OSI Approved"  # says nothing alone
# To be read before a package is passed on: they ask more than a notice, or are not stated.
STRICT = re.compile(r"GPL|General Public|MPL|Mozilla|EUPL|SSPL|not stated", re.IGNORECASE)
NOT_STATED = "not stated"
PATIENCE_S = 600  # for the service that knows weaknesses


@dataclass
class Component:
    """An installed package that another one needs.

    Args:
        name: As its author writes it.
        version: Which one is installed.
        licence: As its metadata state it; an SPDX expression if ``is_expression``.
        is_required: Whether it is needed without any extra.
        needs: Keys of the components that it needs.
        extras: Its extras that others ask for.
    """

    name: str
    version: str
    licence: str
    is_expression: bool
    is_required: bool
    needs: set[NormalizedName] = field(default_factory=set)
    extras: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its package URL, as https://github.com/package-url names what PyPI holds."""
        return f"pkg:pypi/{canonicalize_name(self.name)}@{quote(self.version)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print licences and known weaknesses; return 1 if there is a weakness."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", default="rightfit", help="an installed package")
    chosen = parser.parse_args(arguments)
    components, absent = find_components(distribution(chosen.name).metadata)
    for one in sorted(components.values(), key=lambda one: one.name.lower()):
        extra = "" if one.is_required else "  (by an extra)"
        mark = "  <- read it" if STRICT.search(one.licence) else ""
        sys.stdout.write(f"{one.name} {one.version}: {one.licence}{extra}{mark}\n")
    if absent:
        sys.stdout.write(f"Not installed, so not listed: {', '.join(sorted(absent))}.\n")
    lines, status = find_weaknesses()
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return status


def find_components(package: PackageMetadata) -> tuple[dict[NormalizedName, Component], set[str]]:
    """Find the installed packages that a package needs, directly or not, extras included.

    Extras for developers are left out.

    Args:
        package: Its core metadata.

    Returns:
        Components by their normalised names, the package itself first; and the names of packages
        that an extra needs and nobody has installed.
    """
    found = {canonicalize_name(package["Name"]): _describe(package, is_required=True)}
    absent: set[str] = set()
    extras = sorted(set(package.get_all("Provides-Extra") or []) - OF_DEVELOPERS)
    _follow(package, [""], found, absent, is_required=True)
    _follow(package, extras, found, absent, is_required=False)
    return found, absent


def write_bill(wheel: Path) -> Path:
    """Write a wheel's bill of materials beside it, as CycloneDX has it in JSON; return its path.

    Versions are those installed here, with which the wheel was tested.
    """
    (package,) = distributions(path=[str(wheel)])
    components, _ = find_components(package.metadata)
    itself, *others = components.values()
    bill = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"component": _write(itself, kind="application")},
        "components": [
            {**_write(one), "scope": "required" if one.is_required else "optional"}
            for one in sorted(others, key=lambda one: one.url)
        ],
        "dependencies": [
            {"ref": one.url, "dependsOn": sorted(components[name].url for name in one.needs)}
            for one in sorted(components.values(), key=lambda one: one.url)
        ],
    }
    path = wheel.with_name(f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json")
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    return path


def find_weaknesses(
    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run,
) -> tuple[list[str], int]:
    """Ask pip-audit for known weaknesses of all that is installed here.

    Returns:
        Lines to show, and 1 if there is a weakness, else 0: data that cannot be reached are none.
    """
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    try:
        done = run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        audited = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as err:
        said = done.stderr.strip() if not isinstance(err, subprocess.TimeoutExpired) else ""
        reason = said.splitlines()[-1] if said else f"no answer within {PATIENCE_S} s"
        return [f"Known weaknesses: not reached ({reason}). Ask again before a release."], 0
    weak = [
        f"{one['name']} {one['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for one in audited
        for found in one.get("vulns", ())
    ]
    return [f"Known weaknesses: {len(weak)} in {len(audited)} packages.", *weak], int(bool(weak))


def _follow(
    package: PackageMetadata,
    extras: Sequence[str],
    found: dict[NormalizedName, Component],
    absent: set[str],
    *,
    is_required: bool,
) -> None:
    """Add what a package needs with some extras, and what that needs in turn."""
    user = found[canonicalize_name(package["Name"])]
    for text in package.get_all("Requires-Dist") or []:
        need = Requirement(text)
        name = canonicalize_name(need.name)
        is_wanted = not need.marker or any(need.marker.evaluate({"extra": one}) for one in extras)
        if not is_wanted:
            continue
        try:
            other = distribution(name)
        except PackageNotFoundError:
            absent.add(need.name)
            continue
        is_new = name not in found
        known = found.setdefault(name, _describe(other.metadata, is_required=is_required))
        new_extras = need.extras - known.extras
        known.extras |= new_extras
        if known is not user:  # a package may name extras of its own
            user.needs.add(name)
        if is_new or new_extras:
            _follow(other.metadata, ["", *new_extras], found, absent, is_required=is_required)


def _describe(package: PackageMetadata, *, is_required: bool) -> Component:
    (expression, *_) = package.get_all("License-Expression") or [""]
    (told, *_) = package.get_all("License") or [""]
    classified = [
        one.rpartition(" :: ")[2]
        for one in package.get_all("Classifier") or []
        if one.startswith("License ::") and one != OSI_APPROVED
    ]
    first_line = told.strip().partition("\n")[0]
    licence = expression or ", ".join(classified) or first_line or NOT_STATED
    return Component(
        package["Name"], package["Version"], licence, bool(expression), is_required=is_required
    )


def _write(one: Component, *, kind: str = "library") -> dict[str, Any]:
    licence: dict[str, Any] = (
        {"expression": one.licence} if one.is_expression else {"license": {"name": one.licence}}
    )
    return {
        "type": kind,
        "bom-ref": one.url,
        "name": one.name,
        "version": one.version,
        "purl": one.url,
        **({} if one.licence == NOT_STATED else {"licenses": [licence]}),
    }


if __name__ == "__main__":
    sys.exit(main())
