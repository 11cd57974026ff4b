"""What the four packages share."""

from __future__ import annotations

import importlib
import logging

import pytest


@pytest.mark.parametrize("package", ["rightfit_search", "rightfit_kedro", "rightfit_deploy"])
def test_a_level_of_the_core_counts_in_each_package(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module(package)
    monkeypatch.setattr(logging.getLogger("rightfit"), "level", logging.ERROR)
    logger = logging.getLogger(f"{package}.some.module")
    logger.manager._clear_cache()

    assert logger.getEffectiveLevel() == logging.ERROR
