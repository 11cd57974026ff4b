from __future__ import annotations

import json

from rightfit._core.processes.codec import from_plain, to_plain
from rightfit.measuring.hardware.environment import Environment, describe_environment, fingerprint


def test_environment_is_json_and_its_id_stands_for_all_of_it() -> None:
    environment = describe_environment()

    content = to_plain(environment)
    assert from_plain(Environment, json.loads(json.dumps(content))) == environment
    assert content.pop("environment_id") == fingerprint(content)
    assert environment.n_cores >= 1
    assert environment.libraries["numpy"] is not None


def test_environment_is_the_same_when_described_again() -> None:
    assert describe_environment() == describe_environment()


def test_fingerprint_changes_with_any_content() -> None:
    assert fingerprint({"a": 1, "b": [1]}) != fingerprint({"a": 1, "b": [2]})
