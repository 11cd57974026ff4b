"""How configuration is loaded: the same for a run and for commands that open no session."""

from __future__ import annotations

from typing import Any

CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single values, not whole blocks
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
}
