from __future__ import annotations

import pytest

from rightfit.profiling.tiers import Device, Tier, misfits, smallest_tier


def tier(name: str, *, n_cores: int, memory_mib: float, device: Device = "cpu") -> Tier:
    return Tier(
        name=name, n_cores=n_cores, memory_mib=memory_mib, device=device, price_per_hour=0.1
    )


LADDER = (
    tier("nano", n_cores=1, memory_mib=128),
    tier("small", n_cores=1, memory_mib=512),
    tier("wide", n_cores=4, memory_mib=512),
    tier("gpu", n_cores=4, memory_mib=4096, device="cuda"),
)


@pytest.mark.parametrize(
    ("n_threads", "peak_memory_mib", "device", "expected"),
    [
        (1, 128.0, "cpu", (1, "nano")),
        (1, 128.1, "cpu", (2, "small")),
        (2, 10.0, "cpu", (3, "wide")),
        (1, 10.0, "cuda", (4, "gpu")),
        (1, 600.0, "cpu", None),
        (8, 10.0, "cpu", None),
        (1, float("nan"), "cpu", None),
    ],
)
def test_smallest_tier_has_cores_memory_and_device(
    n_threads: int, peak_memory_mib: float, device: str, expected: tuple[int, str] | None
) -> None:
    found = smallest_tier(
        LADDER, n_threads=n_threads, peak_memory_mib=peak_memory_mib, device=device
    )

    assert (found and (found[0], found[1].name)) == expected


def test_misfits_name_every_reason() -> None:
    reasons = misfits(LADDER[0], n_threads=2, peak_memory_mib=300, device="cuda")

    assert reasons == [
        "has cpu, was measured on cuda",
        "has 1 cores for 2 threads",
        "has 128 MiB, needs 300",
    ]
