from __future__ import annotations

import pytest

from rightfit.measuring.hardware.tiers import (
    Device,
    Tier,
    TierFit,
    cheapest_fit,
    fit_tiers,
    smallest_fit,
    unmet_requirements,
)
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.results import LimitTrial


def tier(
    name: str, *, n_cores: int, memory_mib: float, device: Device = "cpu", price: float = 1
) -> Tier:
    return Tier(
        name=name, n_cores=n_cores, memory_mib=memory_mib, device=device, price_per_hour=price
    )


LADDER = (
    tier("nano", n_cores=1, memory_mib=128),
    tier("small", n_cores=1, memory_mib=512, price=3),
    tier("wide", n_cores=4, memory_mib=512, price=2),
    tier("gpu", n_cores=4, memory_mib=4096, device="cuda", price=9),
    tier("tpu", n_cores=4, memory_mib=4096, device="tpu", price=0.5),
)


def judge(
    *trials: LimitTrial, n_threads: int = 1, peak_memory_mib: float = 10, device: str = "cpu"
) -> list[TierFit]:
    return fit_tiers(
        LADDER,
        Serving("onnx", n_threads, device),
        peak_memory_mib=peak_memory_mib,
        trials=trials,
        devices=["cpu", "cuda"],
    )


@pytest.mark.parametrize(
    ("n_threads", "peak_memory_mib", "device", "smallest", "cheapest"),
    [
        (1, 128.0, "cpu", "nano", "nano"),
        (1, 128.1, "cpu", "small", "wide"),
        (2, 10.0, "cpu", "wide", "wide"),
        (1, 10.0, "cuda", "gpu", "gpu"),
        (1, 600.0, "cpu", None, None),
        (8, 10.0, "cpu", None, None),
        (1, float("nan"), "cpu", None, None),
    ],
)
def test_tier_needs_cores_memory_and_device(
    n_threads: int,
    peak_memory_mib: float,
    device: str,
    smallest: str | None,
    cheapest: str | None,
) -> None:
    judged = judge(n_threads=n_threads, peak_memory_mib=peak_memory_mib, device=device)

    found = [fit and fit.tier.name for fit in (smallest_fit(judged), cheapest_fit(judged))]
    assert found == [smallest, cheapest]


def test_tier_of_a_device_that_is_absent_is_never_guessed() -> None:
    [*_, tpu] = judge()

    assert (tpu.verdict, tpu.reason) == ("not measurable", "this machine has no tpu")


def test_trial_under_the_limit_overrules_the_computation() -> None:
    failed = LimitTrial(128, ok=False, error="MemoryError", limit="RLIMIT_DATA")
    passed = LimitTrial(512, ok=True, error=None, limit="RLIMIT_DATA")

    judged = judge(failed, passed)

    assert [j.verdict for j in judged[:3]] == ["does not fit", "fits", "fits"]
    assert judged[0].reason == "fails with 128 MiB: MemoryError"
    assert judged[1].how == "tried with 512 MiB (RLIMIT_DATA)"
    fit = smallest_fit(judged)
    assert fit is not None
    assert (fit.position, fit.tier.name) == (2, "small")


def test_misfits_name_every_reason() -> None:
    reasons = unmet_requirements(LADDER[0], Serving("onnx", 2, "cuda"), peak_memory_mib=300)

    assert reasons == [
        "has cpu, was measured on cuda",
        "has 1 core for 2 threads",
        "has 128 MiB, needs 300",
    ]
