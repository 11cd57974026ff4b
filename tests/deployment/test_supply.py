from __future__ import annotations

import json
import subprocess
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from rightfit.deployment import supply

pytestmark = pytest.mark.whole

APP = """\
Metadata-Version: 2.4
Name: my_app
Version: 2.0
License-Expression: Apache-2.0
Requires-Dist: base-lib
Requires-Dist: never; python_version < "3"
Requires-Dist: faster; extra == "speed"
Requires-Dist: nobody-has-it; extra == "speed"
Requires-Dist: linter; extra == "dev"
Provides-Extra: speed
Provides-Extra: dev
"""
INSTALLED = {
    "base-lib": """\
Name: Base_Lib
Version: 1.0+cpu
Classifier: License :: OSI Approved :: MIT License
Requires-Dist: deep[all]
""",
    "deep": """\
Name: deep
Version: 3
License: GPL-3.0
 and a long text
Requires-Dist: deep[more]; extra == "all"
Requires-Dist: deeper; extra == "more"
""",
    "deeper": "Name: deeper\nVersion: 4\nRequires-Dist: base-lib\n",
    "faster": "Name: faster\nVersion: 5\nLicense-Expression: MIT\nRequires-Dist: deep\n",
    "linter": "Name: linter\nVersion: 6\n",
}


class Installed:
    def __init__(self, text: str) -> None:
        self.metadata: Message = message_from_string(text)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Message:
    def find(name: str) -> Installed:
        if name not in INSTALLED:
            raise supply.PackageNotFoundError(name)
        return Installed(INSTALLED[name])

    monkeypatch.setattr(supply, "distribution", find)
    return message_from_string(APP)


def test_components_are_all_that_is_needed_directly_or_not(app: Message) -> None:
    components, absent = supply.find_components(app)

    assert {name: one.is_required for name, one in components.items()} == {
        "my-app": True, "base-lib": True, "deep": True, "deeper": True, "faster": False,
    }  # fmt: skip
    assert absent == {"nobody-has-it"}


def test_licences_come_from_expression_classifiers_or_text(app: Message) -> None:
    components, _ = supply.find_components(app)

    assert {name: one.licence for name, one in components.items()} == {
        "my-app": "Apache-2.0", "base-lib": "MIT License", "deep": "GPL-3.0",
        "deeper": "not stated", "faster": "MIT",
    }  # fmt: skip


def test_bill_lies_beside_the_wheel_and_names_who_needs_what(app: Message, tmp_path: Path) -> None:
    wheel = tmp_path / "my_app-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("my_app-2.0.dist-info/METADATA", APP)

    bill = json.loads(supply.write_bill(wheel).read_text(encoding="utf-8"))

    assert [path.name for path in tmp_path.glob("*.json")] == ["my_app-2.0.cdx.json"]
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/my-app@2.0"
    assert {one["purl"]: one["scope"] for one in bill["components"]} == {
        "pkg:pypi/base-lib@1.0%2Bcpu": "required",
        "pkg:pypi/deep@3": "required",
        "pkg:pypi/deeper@4": "required",
        "pkg:pypi/faster@5": "optional",
    }
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert needs["pkg:pypi/faster@5"] == ["pkg:pypi/deep@3"]


def audit(stdout: str, stderr: str = "") -> Any:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, stdout, stderr)

    return run


def test_data_on_weaknesses_that_cannot_be_reached_are_no_weakness() -> None:
    lines, status = supply.find_weaknesses(audit("", "Traceback\nConnectionError: no route\n"))

    assert lines == [
        "Known weaknesses: not reached (ConnectionError: no route). Ask again before a release."
    ]
    assert status == 0


def test_weakness_is_named_with_the_version_that_mends_it() -> None:
    found = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
    packages = [{"name": "torch", "version": "1.0", "vulns": [found]}, {"name": "rightfit"}]

    lines, status = supply.find_weaknesses(audit(json.dumps({"dependencies": packages})))

    assert lines == [
        "Known weaknesses: 1 in 2 packages.",
        "torch 1.0: PYSEC-1, mended in 1.1",
    ]
    assert status == 1


def test_own_dependencies_are_listed_with_their_licences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply, "find_weaknesses", lambda: ([], 0))

    assert supply.main([]) == 0

    shown = capsys.readouterr().out
    assert "\nscikit-learn " in shown
    assert "\npytest " not in shown
