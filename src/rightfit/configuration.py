"""How configuration is loaded: the same for a run and for commands that open no session."""

from __future__ import annotations

import os
from typing import Any


def read_environment(name: str, otherwise: str) -> str:
    """Return an environment variable, in YAML ``${environment:NAME,otherwise}``."""
    return os.environ.get(name, otherwise)


CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single values, not whole blocks
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
    "custom_resolvers": {"environment": read_environment},
}
