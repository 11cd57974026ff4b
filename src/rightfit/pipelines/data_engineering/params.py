"""Typed parameters of the data engineering stage; Kedro checks them before any node runs."""

from __future__ import annotations

from rightfit.preparation.description import DatasetBlock

__all__ = ["DatasetBlock"]
