"""How a profile's device names the machine that it was measured on: ``cpu``, ``cpu@board``."""

from __future__ import annotations

ELSEWHERE = "@"


def name_device(device: str, machine: str) -> str:
    """Return the device of a profile that another machine has measured.

    >>> name_device("cpu", "board")
    'cpu@board'
    """
    return f"{device}{ELSEWHERE}{machine}"


def split_device(device: str) -> tuple[str, str | None]:
    """Return a profile's device and its machine, ``None`` for the one that runs the pipeline.

    >>> split_device("cpu@board"), split_device("cuda")
    (('cpu', 'board'), ('cuda', None))
    """
    name, _, machine = device.partition(ELSEWHERE)
    return name, machine or None
