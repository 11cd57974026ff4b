from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from factories.reports import make_profiles

import rightfit as rf
from rightfit.models.quality.metric import QualityMetric


@pytest.fixture(scope="module")
def profiles() -> rf.Profiles:
    accuracy = QualityMetric(name="accuracy", worst=0.5, best=1.0)
    return rf.Profiles(make_profiles(), qualities={"landsat": accuracy, "fashion_mnist": accuracy})


def test_profiles_are_a_sequence_of_typed_profiles(profiles: rf.Profiles) -> None:
    first = profiles[0]

    assert len(profiles) == profiles.table.height == len(list(profiles))
    assert isinstance(first, rf.Profile)
    assert first.latency_p50_ms.value == profiles.table["latency_p50_ms"][0]
    assert len(profiles[:2]) == 2


def test_figure_knows_unit_interval_and_reason(profiles: rf.Profiles) -> None:
    profile = profiles[0]

    assert profile.latency_p50_ms.unit == "ms"
    assert profile.latency_p50_ms.low == profiles.table["latency_p50_ms_low"][0]
    assert profile["latency_p50_ms"] == profile.latency_p50_ms
    assert str(profile.gpu_util_pct) == "not measured: no NVIDIA driver on this machine"
    with pytest.raises(rf.RightfitError, match="gpu_util_pct was not measured: no NVIDIA driver"):
        float(profile.gpu_util_pct)


def test_metric_of_the_class_is_the_row_of_the_metric_table() -> None:
    assert rf.Profile.latency_p95_ms.unit == "ms"
    assert rf.Profile.throughput_rows_per_s.better == "higher"


def test_unknown_metric_is_refused_with_the_closest_name(profiles: rf.Profiles) -> None:
    with pytest.raises(rf.RightfitError, match="did you mean 'latency_p95_ms'"):
        profiles[0]["latency_p95"]


def test_one_profile_is_found_by_what_tells_it_apart(profiles: rf.Profiles) -> None:
    name = profiles[0].candidate

    with pytest.raises(rf.RightfitError, match="say which by dataset=, runtime="):
        profiles.find(name)
    found = profiles.find(name, dataset="landsat", runtime="onnx", n_threads=1)

    assert (found.serving, found.dataset) == (
        rf.Serving("onnx", 1, request_path="request"),
        "landsat",
    )
    with pytest.raises(rf.RightfitError, match=r"no profile with \{'candidate': 'nobody'\}"):
        profiles.select(candidate="nobody")


def test_saved_profiles_are_the_same_when_loaded(profiles: rf.Profiles, tmp_path: Path) -> None:
    loaded = rf.Profiles.load(profiles.save(tmp_path / "new" / "profiles.parquet"))

    assert loaded.table.equals(profiles.table)
    assert loaded.qualities == profiles.qualities


def test_file_without_profiles_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")

    with pytest.raises(rf.RightfitError, match="holds no resource profiles: it lacks"):
        rf.Profiles.load(tmp_path / "other.parquet")
    with pytest.raises(rf.RightfitError, match="holds no profiles"):
        rf.Profiles.load(tmp_path / "nothing.parquet")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("latency_p95_ms", "fast", "latency_p95_ms must hold numbers"),
        ("latency_p95_ms", -1.0, "latency_p95_ms must not be negative"),
        ("latency_p95_ms_high", float("inf"), "latency_p95_ms_high must hold finite numbers"),
        ("quality_raw", float("nan"), "quality_raw must hold finite numbers"),
        ("n_threads", 0, "n_threads must hold whole numbers of 1 or more"),
        ("candidate", None, "candidate must hold texts"),
        ("runtime", 5, "runtime must hold texts"),
        ("model", "", "model must hold texts, none of them empty"),
        ("quality", 2.0, "quality must lie between 0 and 1"),
        ("quality_low", -0.5, "quality_low must lie between 0 and 1"),
        ("quality_raw_low", 9.0, "quality_raw_low must not be above quality_raw_high"),
        ("candidate", "the same", r"it holds \(.*'the same'.*\) twice"),
        ("settings", "alpha=3", "settings must hold JSON"),
        ("disturbed", "no", "disturbed must hold true or false"),
        ("feeding_ms", "fast", "feeding_ms must hold numbers"),
        ("cpu_cores", -1.0, "cpu_cores must not be negative"),
        ("request_path", [1], "request_path must hold texts"),
        ("null_reasons", "{}", "null_reasons must hold a struct"),
        ("null_reasons", [1], "null_reasons must hold a struct"),
        ("measured_how", "{}", "measured_how must hold a struct"),
        ("measured_how", {"preset": 5}, "measured_how cannot be read"),
        ("null_reasons", {"gpu_util_pct": 5}, "null_reasons must hold texts by column"),
        ("quality", Decimal("0.5"), "quality must hold numbers"),
        ("feeding_ms", -1.0, "feeding_ms must not be negative"),
        ("level_error_pct", float("nan"), "level_error_pct must hold finite numbers"),
        ("final_quality_raw", float("inf"), "final_quality_raw must hold finite numbers"),
        ("latency_p50_ms", 0.0, "latency_p50_ms must not be 0"),
        ("latency_p50_ms", 1e3, "latency_p50_ms must lie between latency_p50_ms_low and"),
        ("latency_p95_ms", 1e300, "latency_p95_ms must be 1e.15 at most"),
        ("peak_memory_mib", 0.0, "peak_memory_mib must not be 0"),
        ("model_size_mib", -1.0, "model_size_mib must not be negative"),
        ("gpu_util_pct", 101.0, "gpu_util_pct must lie between 0 and 100"),
        ("min_hardware_tier", 1.5, "min_hardware_tier must hold whole numbers"),
        ("best_batch_size", 0, "best_batch_size must hold whole numbers of 1 or more"),
        ("n_latency_samples", "many", "n_latency_samples must hold whole numbers"),
        ("environment_id", [1], "environment_id must hold texts"),
        ("model_sha256", True, "model_sha256 must hold texts"),
        ("dataset", " ", "dataset must hold texts, none of them empty"),
        ("request_path", "htpp", "request_path must hold model or request"),
    ],
)
def test_figures_that_nothing_can_have_measured_are_refused(
    profiles: rf.Profiles, column: str, value: object, message: str
) -> None:
    table = profiles.table.with_columns(pl.lit(value).alias(column))

    with pytest.raises(rf.RightfitError, match=f"the table holds .*{message}"):
        rf.rank(table, {})
    with pytest.raises(rf.RightfitError, match=f"the table of profiles holds .*{message}"):
        rf.rank(rf.Profiles(table), {})


def test_an_interval_that_tells_nothing_is_taken(profiles: rf.Profiles) -> None:
    table = profiles.table.with_columns(
        latency_p50_ms_low=pl.lit(1e-30), latency_p50_ms_high=pl.lit(1e30), level_error_pct=1e30
    )

    assert rf.rank(table, "interactive").winners["interactive"]


def test_a_quality_that_its_metric_cannot_reach_is_refused(
    profiles: rf.Profiles, tmp_path: Path
) -> None:
    table = profiles.table.with_columns(quality_raw=pl.lit(1.5), quality_raw_high=pl.lit(2.0))
    path = rf.Profiles(table, qualities=profiles.qualities).save(tmp_path / "p.parquet")

    with pytest.raises(
        rf.RightfitError, match=r"p\.parquet .*quality_raw must lie between 0 and 1"
    ):
        rf.Profiles.load(path)


def test_a_name_that_leads_to_no_predictions_is_refused_with_the_file(
    profiles: rf.Profiles, tmp_path: Path
) -> None:
    table = profiles.table.with_columns(predictions_sha256=pl.lit("../../etc/passwd"))
    path = rf.Profiles(table).save(tmp_path / "p.parquet")

    with pytest.raises(rf.RightfitError, match=r"p\.parquet: '../../etc/passwd' names no stored"):
        rf.Profiles.load(path)


@pytest.mark.parametrize(
    "about", ["{", "null", "[]", '{"environment": 5}', '{"qualities": {"landsat": {"x": 1}}}']
)
def test_damaged_metadata_is_named(profiles: rf.Profiles, about: str, tmp_path: Path) -> None:
    profiles.table.write_parquet(tmp_path / "p.parquet", metadata={"rightfit": about})

    with pytest.raises(rf.RightfitError, match=r"p\.parquet (is damaged|holds no profiles)"):
        rf.Profiles.load(tmp_path / "p.parquet")


def test_a_pipe_in_place_of_profiles_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.parquet")

    with pytest.raises(rf.RightfitError, match="only regular files are read"):
        rf.Profiles.load(tmp_path / "p.parquet")


def test_notebook_and_terminal_show_a_short_table(profiles: rf.Profiles) -> None:
    summary = profiles.summary()

    assert summary.height == len(profiles)
    assert "Latency p95 (ms)" in summary.columns
    assert "<table>" in profiles[:1]._repr_html_()
    assert repr(profiles).startswith(f"Profiles: {len(profiles)} profiles")


def test_a_quality_stands_with_the_name_of_its_metric(profiles: rf.Profiles) -> None:
    flights = profiles.select(dataset="flights", candidate="net-05", runtime="onnx", n_threads=1)
    quality = "ROC AUC 0.722 (0.710 to 0.734)"

    assert flights.summary()["Quality"].to_list() == [quality]
    assert f": {quality}, p50" in repr(flights)
    assert quality in repr(flights[0])
    assert str(flights[0].quality_raw) == quality


def test_pandas_frame_has_the_columns_of_the_table(profiles: rf.Profiles) -> None:
    pytest.importorskip("pandas")
    frame = profiles.to_pandas()

    assert list(frame.columns) == profiles.table.columns
    assert frame["null_reasons"][0]["gpu_util_pct"] == "no NVIDIA driver on this machine"


def test_plot_is_the_chart_of_the_report(profiles: rf.Profiles) -> None:
    figure = profiles.plot(dataset="landsat")

    assert len(figure.data) > 0
    with pytest.raises(rf.RightfitError, match="dataset must be one of"):
        profiles.plot()
