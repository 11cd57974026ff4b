from __future__ import annotations

from rightfit.params.defaults import read_default


def test_a_changed_default_changes_no_other() -> None:
    read_default("evaluation")["presets"].clear()

    assert read_default("evaluation")["presets"]
