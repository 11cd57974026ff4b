"""An exported folder, checked before it is served."""

from __future__ import annotations

from pathlib import Path

from rightfit.request_path import usage
from rightfit.serving.server import NEEDED


def check_export(folder: Path) -> None:
    """Refuse a folder that is no export, or not as it was exported.

    Raises:
        ValueError: As :func:`rightfit.request_path.usage.read_export`.
        OSError: If a file cannot be read.
    """
    usage.read_export(folder, needed=NEEDED)
