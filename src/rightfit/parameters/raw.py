"""Parameters as the configuration says them, before any block is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RawParameters = Mapping[str, Any]
"""Blocks by name: what YAML holds. Whatever reads one expects any content of it."""
