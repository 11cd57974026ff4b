from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from factories.measurements import ClosedPool, DictStore, make_settings

from rightfit.data.request_path.raw_inputs import ENCODER_VERSION, EncoderJson, StepJson
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.metrics import METRICS
from rightfit.measuring.profile import PART_COLUMNS
from rightfit.measuring.profiles import prediction_quality
from rightfit.measuring.profiles.candidate_profiles import profile_set
from rightfit.measuring.profiles.prediction_quality import gather_rows, measure_quality
from rightfit.measuring.rounds.jobs import CandidateSet, Job, RawRequests, with_paths
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.measuring.serving import Serving
from rightfit.models import runtimes
from rightfit.models.bundle import Bundle, write_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

pytestmark = pytest.mark.whole

LINEAR: dict[str, Any] = {
    "n_epochs": 4,
    "alpha": 1e-4,
    "penalty": "l2",
    "learning_rate": "optimal",
    "eta0": 0.01,
}
TIERS = (Tier(name="any", n_cores=64, memory_mib=1e6, device="cpu", price_per_hour=1),)
SERVINGS = [Serving(runtime, 1, "cpu") for runtime in ("native", "onnx")]


def choose_all(profiles: pl.DataFrame) -> list[bool]:
    return [True] * profiles.height


@pytest.fixture
def bundle(blobs: TrainingData, tmp_path: Path) -> Bundle:
    *_, last = get_family("linear").train(TrainingRun(LINEAR, blobs))
    written = write_bundle(
        tmp_path / "linear-007",
        last.model,
        model="linear",
        family="linear",
        configuration=LINEAR,
        schema=blobs.schema,
        data_version="v1",
    )
    return add_onnx(written, blobs.rows)


@pytest.fixture
def cell(bundle: Bundle, blobs: TrainingData) -> CandidateSet:
    return CandidateSet(
        dataset="blobs",
        data_version="v1",
        candidates={"linear-007": bundle},
        targets=blobs.labels,
        quality=QualityMetric(name="accuracy", worst=0.5, best=1.0),
        fit_costs={"linear-007": {"fit_time_s": 1.5, "step_time_ms": None}},
        environment_id="here",
        devices=("cpu",),
        seed=0,
    )


@pytest.fixture
def bench(pool: WorkerPool, blobs: TrainingData, tmp_path: Path) -> MeasurementContext:
    rows = tmp_path / "blobs.npy"
    np.save(rows, blobs.rows)
    # a p95 needs 130 calls, on a machine that is starved too; up to half of all made are left out
    settings = make_settings(
        min_processes=1, max_processes=1, latency_min_calls=260, latency_max_ms=5_000
    )
    return MeasurementContext(pool, rows, tmp_path, settings, "quick")


def test_profile_of_a_real_model_is_complete(cell: CandidateSet, bench: MeasurementContext) -> None:
    profiles = profile_set(cell, SERVINGS, bench, DictStore(), tiers=TIERS, choose=choose_all)

    assert profiles["runtime"].to_list() == ["native", "onnx"]
    assert profiles["quality_metric"].to_list() == ["accuracy", "accuracy"]
    weights_sha256 = cell.candidates["linear-007"].weights_sha256
    assert profiles["model_sha256"].to_list() == [weights_sha256, weights_sha256]
    assert profiles["quality_raw"].to_list() == [1.0, 1.0]  # the groups are far apart
    assert profiles["min_hardware_tier_name"].to_list() == ["any", "any"]
    assert profiles["fit_time_s"].to_list() == [1.5, 1.5]
    filled = {
        "latency_p50_ms",
        "latency_p95_ms",
        "throughput_rows_per_s",
        "cpu_cores",
        "peak_memory_mib",
        "model_size_mib",
        "load_time_ms",
        "min_hardware_tier",
    }
    for row in profiles.to_dicts():
        reasons = {name: why for name, why in row["null_reasons"].items() if why is not None}
        nulls = {metric.column for metric in METRICS if row[metric.column] is None}
        assert nulls | {*PART_COLUMNS, "final_quality_raw"} == set(reasons)
        assert not nulls & filled
        assert reasons["step_time_ms"] == "not measured in training"
    # onnxruntime alone is far smaller than scikit-learn: each is charged its own imports.
    native_mib, onnx_mib = profiles["peak_memory_mib"]
    assert 30 < onnx_mib < native_mib < 300


RAW_SERVINGS = with_paths(SERVINGS, ["request"])


@pytest.fixture
def raw_cell(cell: CandidateSet, blobs: TrainingData, tmp_path: Path) -> CandidateSet:
    """The cell behind an encoder that leaves numbers as they are."""
    names = blobs.schema.features
    steps = [
        StepJson(kind="standardise", column=name, fill=0.0, mean=0.0, scale=1.0) for name in names
    ]
    rows = np.empty(len(blobs.rows), dtype=[(name, np.float64) for name in names])
    for i, name in enumerate(names):
        rows[name] = blobs.rows[:, i]
    np.save(tmp_path / "raw.npy", rows)
    encoder = EncoderJson(version=ENCODER_VERSION, steps=steps)
    return replace(cell, requests=RawRequests(tmp_path / "raw.npy", encoder, tmp_path, tmp_path))


@pytest.mark.long
def test_whole_requests_are_measured_and_what_encoding_takes_of_them(
    raw_cell: CandidateSet, bench: MeasurementContext, tmp_path: Path
) -> None:
    store = DictStore()

    profiles = profile_set(raw_cell, RAW_SERVINGS, bench, store, tiers=TIERS, choose=choose_all)

    assert profiles["request_path"].to_list() == ["request", "request"]
    assert profiles["quality_raw"].to_list() == [1.0, 1.0]
    for row in profiles.to_dicts():
        parts = {column: row[column] for column in PART_COLUMNS}
        assert min(parts.values()) > 0
        whole_ms = parts["feeding_ms"] + parts["graph_ms"]
        assert whole_ms == pytest.approx(row["latency_p50_ms"])
    bundle = raw_cell.candidates["linear-007"]
    graph = raw_cell.requests.locate_graph(bundle, "onnx") if raw_cell.requests else None
    weights_and_encoder = (bundle.path / bundle.weights_file, tmp_path / "encoder.json")
    sizes = [sum(path.stat().st_size for path in weights_and_encoder)]
    sizes.append(graph.stat().st_size if graph else 0)
    assert [round(mib * 2**20) for mib in profiles["model_size_mib"]] == sizes
    again = profile_set(
        raw_cell,
        RAW_SERVINGS,
        replace(bench, pool=ClosedPool()),
        store,
        tiers=TIERS,
        choose=choose_all,
    )
    assert again.equals(profiles)


def test_both_paths_stand_side_by_side_and_are_compared(
    raw_cell: CandidateSet, bench: MeasurementContext
) -> None:
    servings = with_paths(SERVINGS[1:], ["model", "request"])

    profiles = profile_set(raw_cell, servings, bench, DictStore(), tiers=TIERS, choose=choose_all)

    assert profiles["request_path"].to_list() == ["model", "request"]
    assert [ms is None for ms in profiles["feeding_ms"]] == [True, False]


def test_a_graph_is_compiled_once_and_its_hash_is_told(
    raw_cell: CandidateSet, bench: MeasurementContext, tmp_path: Path
) -> None:
    def profile(context: MeasurementContext) -> pl.DataFrame:
        return profile_set(
            raw_cell, RAW_SERVINGS[1:], context, store, tiers=TIERS, choose=choose_all
        )

    store, unusable = DictStore(), replace(bench, pool=ClosedPool())
    profiles = profile(bench)
    [graph] = (tmp_path / "graphs").iterdir()
    content = graph.read_bytes()

    assert profiles["graph_sha256"].to_list() == [hashlib.sha256(content).hexdigest()]
    assert profile(unusable).equals(profiles)
    graph.unlink()  # compiled again it is the same, so nothing is measured
    assert profile(unusable).equals(profiles)
    assert graph.read_bytes() == content


def test_another_graph_is_measured_anew(
    raw_cell: CandidateSet, bench: MeasurementContext, tmp_path: Path
) -> None:
    def profile() -> list[str]:
        servings = RAW_SERVINGS[1:]
        profiles = profile_set(raw_cell, servings, bench, store, tiers=TIERS, choose=choose_all)
        return [*profiles["graph_sha256"]]

    store = DictStore()
    profile()
    n_kept = sum("rounds" in document for document in store.values())
    [graph] = (tmp_path / "graphs").iterdir()
    model = onnx.load(graph)
    model.doc_string = "from another compiler"
    onnx.save(model, graph)

    assert profile() == [hashlib.sha256(graph.read_bytes()).hexdigest()]
    assert sum("rounds" in document for document in store.values()) > n_kept


@pytest.mark.parametrize("wanted", [True, False])
def test_measured_profiles_are_not_measured_again(
    wanted: bool, cell: CandidateSet, bench: MeasurementContext
) -> None:
    store = DictStore()

    def choose(profiles: pl.DataFrame) -> list[bool]:
        return [wanted] * profiles.height

    first = profile_set(cell, SERVINGS, bench, store, tiers=TIERS, choose=choose)
    unusable = replace(bench, pool=ClosedPool())

    again = profile_set(cell, SERVINGS, unusable, store, tiers=TIERS, choose=choose)

    assert again.equals(first)


@pytest.mark.long
def test_profiles_say_how_sure_the_machines_usual_speed_is(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    store = DictStore()

    profiles = [
        profile_set(
            replace(cell, data_version=version),
            SERVINGS,
            bench,
            store,
            tiers=TIERS,
            choose=choose_all,
        )
        for version in ("v1", "v2")
    ]

    hows = [table["measured_how"][0] for table in profiles]
    assert [how["n_runs_seen"] for how in hows] == [1, 2]
    assert all(how["slowdown"] > 0 for how in hows)


def test_profiles_of_other_circumstances_are_measured_anew(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    store, n_kept = DictStore(), [0]
    shorter = replace(bench, settings=make_settings(max_processes=1, min_processes=1, max_s=9))

    for candidates, context in (
        (cell, bench),
        (replace(cell, environment_id="elsewhere"), bench),
        (replace(cell, data_version="v2"), bench),
        (cell, shorter),
    ):
        profile_set(candidates, SERVINGS[1:], context, store, tiers=TIERS, choose=choose_all)
        n_kept.append(len(store))

    assert n_kept == sorted(set(n_kept))


def test_interrupted_measurement_continues(cell: CandidateSet, bench: MeasurementContext) -> None:
    store = DictStore()
    longer = replace(bench, settings=make_settings(min_processes=3, max_processes=3))
    profile_set(cell, SERVINGS[1:], longer, store, tiers=TIERS, choose=choose_all)
    key, state = next((k, s) for k, s in store.items() if "rounds" in s)
    store[key] = state | {"rounds": state["rounds"][:2], "settled": None}  # before the third

    profile_set(cell, SERVINGS[1:], longer, store, tiers=TIERS, choose=choose_all)

    assert len(store[key]["rounds"]) == 3
    assert store[key]["rounds"][:2] == state["rounds"][:2]


def test_candidate_that_cannot_be_opened_is_reported(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    bundle = cell.candidates["linear-007"]
    (bundle.path / "model.onnx").write_bytes(b"changed")

    profiles = profile_set(cell, SERVINGS[1:], bench, DictStore(), tiers=TIERS, choose=choose_all)

    [row] = profiles.to_dicts()
    assert row["latency_p50_ms"] is None
    assert row["quality"] is None
    assert "model.onnx" in row["null_reasons"]["min_hardware_tier"]


def test_profile_that_nobody_could_choose_is_left_alone(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=1, min_processes=3, max_processes=3)
    asked: list[pl.DataFrame] = []

    def choose_onnx(profiles: pl.DataFrame) -> list[bool]:
        asked.append(profiles)
        return [runtime == "onnx" for runtime in profiles["runtime"]]

    profiles = profile_set(
        cell,
        SERVINGS,
        replace(bench, settings=settings),
        DictStore(),
        tiers=TIERS,
        choose=choose_onnx,
    )

    how = {row["runtime"]: row["measured_how"] for row in profiles.to_dicts()}
    assert (how["native"]["n_processes"], how["native"]["settled"]) == (1, "screened")
    assert how["onnx"]["settled"] == "processes"
    # Asked with real figures, after one process each.
    assert asked[0]["latency_p50_ms"].null_count() == 0
    assert asked[0]["quality"].to_list() == [1.0, 1.0]


def test_screened_profile_is_measured_when_other_applications_choose(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    settings = make_settings(screening_processes=1, min_processes=2, max_processes=2)
    strict = replace(bench, settings=settings)
    store = DictStore()

    profile_set(cell, SERVINGS[1:], strict, store, tiers=TIERS, choose=lambda p: [False] * p.height)
    profile_set(
        cell, SERVINGS[1:], strict, store, tiers=TIERS, choose=choose_all, choosers="others"
    )

    [state] = [
        document
        for key, document in store.items()
        if "rounds" in document and not key.startswith("reference")
    ]
    assert len(state["rounds"]) == 2
    assert state["settled"] == "processes"


def test_tier_is_tried_under_its_memory(cell: CandidateSet, bench: MeasurementContext) -> None:
    tiers = (
        Tier(name="tiny", n_cores=1, memory_mib=40, device="cpu", price_per_hour=1),
        Tier(name="tight", n_cores=1, memory_mib=61, device="cpu", price_per_hour=2),
        Tier(name="roomy", n_cores=1, memory_mib=400, device="cpu", price_per_hour=3),
        Tier(name="tpu", n_cores=9, memory_mib=9_000, device="tpu", price_per_hour=0.1),
    )
    settings = bench.settings.model_copy(update={"tries_tiers": True})

    profiles = profile_set(
        cell,
        SERVINGS[1:],
        replace(bench, settings=settings),
        DictStore(),
        tiers=tiers,
        choose=choose_all,
    )

    [row] = profiles.to_dicts()
    how = row["measured_how"]
    tried = {one["memory_mib"]: one["ok"] for one in how["limits"]}
    assert 40 not in tried  # smaller than the measured peak: not worth a try
    assert tried[tiers[int(row["min_hardware_tier"]) - 1].memory_mib]
    assert row["min_hardware_tier_name"] in ("tight", "roomy")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda answers: answers * np.nan, "NaN or infinity for 60 of 60 rows"),
        (lambda answers: np.where(answers == 1, np.inf, answers), "NaN or infinity"),
        (lambda answers: answers[:, :1], r"must answer shape \(60, 3\)"),
        (lambda answers: np.tile(answers, 3), r"must answer shape \(60, 3\)"),
        (lambda answers: answers[1:], r"must answer shape \(60, 3\)"),
        (lambda answers: answers * 2, r"must lie in \[0, 1\]"),
    ],
)
def test_answers_that_are_no_probabilities_end_the_profile_with_the_reason(
    change: Callable[[Any], Any],
    reason: str,
    cell: CandidateSet,
    blobs: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = np.eye(3, dtype=np.float32)[blobs.labels]
    monkeypatch.setattr(prediction_quality, "predict", lambda subject, bench: change(good))
    bench = MeasurementContext(ClosedPool(), tmp_path, tmp_path, make_settings(), "quick")
    job = Job("blobs.linear", "linear-007", cell.candidates["linear-007"], SERVINGS[0])
    store = DictStore()

    quality = measure_quality(cell, job, bench, store, rows=gather_rows(cell))

    assert isinstance(quality, str)
    assert re.search(reason, quality)
    assert not store  # tried again in the next run


def test_stored_quality_of_another_version_is_judged_again(
    cell: CandidateSet, blobs: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = np.eye(3, dtype=np.float32)[blobs.labels]
    monkeypatch.setattr(prediction_quality, "predict", lambda subject, bench: good)
    bench = MeasurementContext(ClosedPool(), tmp_path, tmp_path, make_settings(), "quick")
    job = Job("blobs.linear", "linear-007", cell.candidates["linear-007"], SERVINGS[0])
    store = DictStore()
    first = measure_quality(cell, job, bench, store, rows=gather_rows(cell))
    for document in store.values():
        document["deviations"] = "AAAAPAA8"  # without their scale

    assert measure_quality(cell, job, bench, store, rows=gather_rows(cell)) == first


def test_candidate_whose_export_was_refused_says_so_and_is_served_natively(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    bundle = cell.candidates["linear-007"]
    files = {name: sha for name, sha in bundle.files.items() if name != "model.onnx"}
    refused = replace(bundle, files=files, onnx=None, onnx_refused="ValueError: unlike")

    profiles = profile_set(
        replace(cell, candidates={"linear-007": refused}),
        SERVINGS,
        bench,
        DictStore(),
        tiers=TIERS,
        choose=choose_all,
    )

    assert profiles["runtime"].to_list() == ["native", "onnx"]
    assert profiles["quality_raw"].to_list() == [1.0, None]
    reasons = profiles["null_reasons"][1]
    assert set(reasons.values()) == {"its ONNX export was refused: ValueError: unlike"}


def test_cell_without_candidates_has_no_profiles(
    cell: CandidateSet, bench: MeasurementContext
) -> None:
    profiles = profile_set(
        replace(cell, candidates={}), SERVINGS, bench, DictStore(), tiers=TIERS, choose=choose_all
    )

    assert profiles.is_empty()
    assert "latency_p50_ms" in profiles.columns


def test_measurement_belongs_to_the_familys_code_and_the_libraries_that_serve_it(
    cell: CandidateSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = cell.candidates["linear-007"]
    native, onnx = (Job("blobs.linear", "linear-007", bundle, serving) for serving in SERVINGS)
    before = native.key(), onnx.key()

    with monkeypatch.context() as changed:
        changed.setattr("rightfit.models.runtimes.hash_sources", lambda _: "another family")
        other_code = native.key(), onnx.key()
    with monkeypatch.context() as changed:
        changed.setattr("importlib.metadata.version", lambda _: "99.0")
        changed.setattr(runtimes, "_versions", runtimes._versions.__wrapped__)
        other_libraries = native.key(), onnx.key()

    assert other_code[0] != before[0]
    assert other_code[1] == before[1]
    assert other_libraries[0] != before[0]
    assert other_libraries[1] != before[1]
