from __future__ import annotations

from typing import Any

import pytest

from rightfit_kedro.configuration import ConfigurationError, check_served

ENVIRONMENT = {"RIGHTFIT_DATA_ROOTS": "/data/a:/data/b"}


def test_request_may_say_how_to_rank_and_name_an_allowed_root() -> None:
    check_served({"applications": {"web_api": {}}, "ranking": {}}, {})
    check_served({"data_root": "/data/b"}, ENVIRONMENT)


@pytest.mark.parametrize(
    "parameters",
    [
        {"data_root": "/etc"},
        {"data_root": "/data/a/.."},
        {"data_root": ""},
        {"models": {"net": {}}},
        {"datasets": {}},
        {"training": {}},
        {"unknown": 1},
    ],
)
def test_request_may_set_nothing_else(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"may not set \['{next(iter(parameters))}'\]"):
        check_served(parameters, ENVIRONMENT)


def test_without_allowed_roots_any_root_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="RIGHTFIT_DATA_ROOTS"):
        check_served({"data_root": "/data/a"}, {})
