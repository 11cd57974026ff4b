from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl
import pytest
from factories.rankings import assess, make_application, make_profile, make_profiles, rank
from pydantic import ValidationError

from rightfit.measuring.profile import MeasuredHow, Profile
from rightfit.measuring.throughput_curve import NO_CURVE, CurveFigure, CurvePoint
from rightfit.ranking.applications.applications import BatchSizes, ServingDemand
from rightfit.ranking.applications.batch_sizes import find_measured_sizes, serve_batches

RATES = {32: 500.0, 256: 980.0, 1_024: 1_000.0, 2_048: 1_500.0}


def measure(candidate: str, rates: dict[int, float] = RATES, **values: Any) -> dict[str, Any]:
    """A profile with the figures of several batch sizes; those of the largest are its own."""
    curve = tuple(
        CurvePoint(
            size,
            (
                CurveFigure("throughput_rows_per_s", rate, rate * 0.9, rate * 1.1),
                CurveFigure("peak_memory_mib", 50.0 + size, None, None),
            ),
            "micro" if size < 1_000 else "small",
        )
        for size, rate in rates.items()
    )
    how = MeasuredHow(preset="quick", devices=("cpu",), throughput_curve=curve)
    own = {
        "best_batch_size": max(rates),
        "throughput_rows_per_s": rates[max(rates)],
        "throughput_rows_per_s_low": 1.0,
        "throughput_rows_per_s_high": 9_999.0,
        "peak_memory_mib": 50.0 + max(rates),
        "cpu_cores": 1.0,
        "quality": 0.9,
        "latency_p50_ms": 10.0,
        "null_reasons": dict.fromkeys(("cpu_cores", "throughput_rows_per_s"), None),
    }
    return make_profile(candidate, **own | {"measured_how": asdict(how)} | values)


def serve(sizes: object, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    profiles = make_profiles(*(rows or (measure("a-1"),)))
    return serve_batches(profiles, BatchSizes.model_validate(sizes)).to_dicts()


@pytest.mark.parametrize(
    ("sizes", "batch_size"),
    [
        (32, 32),
        ({"max": 256}, 256),
        ({"max": 2_000}, 256),  # within 3 % of the best of those allowed
        ({"min": 1_000, "max": 2_000}, 1_024),
        ({"max": 10_000}, 2_048),
    ],
)
def test_figures_are_those_of_the_smallest_batch_near_the_best_allowed(
    sizes: object, batch_size: int
) -> None:
    (row,) = serve(sizes)

    rate = RATES[batch_size]
    names = ("throughput_rows_per_s", *(f"throughput_rows_per_s{end}" for end in ("_low", "_high")))
    assert row["best_batch_size"] == batch_size
    assert [row[name] for name in names] == pytest.approx([rate, rate * 0.9, rate * 1.1])
    assert row["peak_memory_mib"] == 50 + batch_size
    assert row["min_hardware_tier_name"] == ("micro" if batch_size < 1_000 else "small")


def test_figures_of_single_rows_stay() -> None:
    (row,) = serve(32)

    assert (row["quality"], row["latency_p50_ms"]) == (0.9, 10.0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"measured_how": None}, NO_CURVE),
        ({"rates": {512: 1.0}}, "no batch of at most 256 rows a call was measured"),
    ],
)
def test_what_was_not_measured_at_an_allowed_size_is_null_with_the_reason(
    changed: dict[str, Any], reason: str
) -> None:
    row, _ = serve({"max": 256}, measure("a-1", **changed), measure("a-2"))

    assert row["throughput_rows_per_s"] is None
    assert row["best_batch_size"] is None
    assert row["null_reasons"]["throughput_rows_per_s"] == reason
    assert row["latency_p50_ms"] == 10.0


def test_a_metric_that_the_curve_lacks_is_null_with_its_reason() -> None:
    (row,) = serve({"max": 256})

    assert row["cpu_cores"] is None
    assert row["null_reasons"]["cpu_cores"] == "it is not known of 256 rows a call"


def test_profiles_are_served_alike_twice() -> None:
    sizes = BatchSizes(max=256)
    once = serve_batches(make_profiles(measure("a-1"), measure("a-2", {512: 1.0})), sizes)

    assert serve_batches(once, sizes).equals(once)
    assert Profile.from_row(
        once.with_columns(pl.lit("request").alias("request_path")).row(0, named=True)
    ).throughput_rows_per_s.low == pytest.approx(882)


def test_measured_sizes_are_those_of_all_profiles() -> None:
    profiles = make_profiles(measure("a-1", {32: 1.0, 64: 1.0}), measure("a-2", {8: 1.0, 32: 1.0}))

    assert find_measured_sizes(profiles) == [8, 32, 64]


def test_an_application_ranks_by_what_it_can_send() -> None:
    rate = {"throughput_rows_per_s": {"weight": 1, "worst": 1, "best": 1e6, "scale": "log"}}
    rows = measure("a-1", {32: 900.0, 2_048: 1_000.0}), measure("a-2", {32: 100.0, 2_048: 9_000.0})
    capped = make_application(objectives=rate, serving={"batch_size": {"max": 256}})

    free, asked = (
        rank(*rows, application=one).winner("landsat")
        for one in (make_application(objectives=rate), capped)
    )

    assert free is not None
    assert asked is not None
    assert (free.candidate, asked.candidate) == ("a-2", "a-1")


def test_limits_hold_for_the_batches_that_an_application_can_send() -> None:
    memory = {"peak_memory_mib": {"max": 400}}

    free, capped = (
        assess(measure("a-1"), application=make_application(constraints=memory, **asked))
        for asked in ({}, {"serving": {"batch_size": {"max": 256}}})
    )

    assert (free.feasible.tolist(), capped.feasible.tolist()) == ([False], [True])


@pytest.mark.parametrize("sizes", [0, 2.5, True, {}, "256", {"min": 9, "max": 8}, {"most": 8}])
def test_sizes_that_no_call_can_have_are_refused(sizes: object) -> None:
    with pytest.raises(ValidationError, match="batch_size"):
        ServingDemand.model_validate({"batch_size": sizes})
