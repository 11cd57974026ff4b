"""What this machine offers to a training."""

from __future__ import annotations

from rightfit.profiling.worker.meters.gpu import list_devices


def pick_device(wanted: str, usable: tuple[str, ...]) -> str:
    """Choose the device of a training.

    Args:
        wanted: ``cpu``, ``cuda`` or ``auto`` (CUDA where the family and the machine have it).
        usable: Devices the family can use.

    Returns:
        ``cpu`` or ``cuda``; families without a GPU path always train on the CPU.

    Raises:
        ValueError: If ``cuda`` is wanted and the machine has none.
    """
    if wanted == "cpu" or "cuda" not in usable:
        return "cpu"
    if wanted == "auto" and "cuda" not in list_devices():
        return "cpu"  # importing torch, only to hear the same from it, takes more than a second
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ValueError(
            "training.device is cuda, but torch finds no CUDA device here. "
            "Set it to auto or cpu in parameters_training.yml."
        )
    return "cpu"
