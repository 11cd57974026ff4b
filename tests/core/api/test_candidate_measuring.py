from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.bundles import train_bundle
from factories.data_cards import make_data_card
from factories.measurements import make_round
from factories.rankings import around, make_application, make_profile, make_profiles

from rightfit._core.processes.json_store import JsonStore
from rightfit.api.candidate_measuring import RawTest, measure_candidates, read_fit_costs
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.measuring.profiles import candidate_profiles
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.serving import name_device
from rightfit.models.bundle_exports import offer_onnx
from rightfit.params.applications import ApplicationsParams
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit_search.searching.setting_up import make_data

pytestmark = pytest.mark.whole

CARD = make_data_card()
LINEAR = {"alpha": 0.001, "penalty": "l2", "n_epochs": 2, "learning_rate": "optimal", "eta0": 0.01}
FASTER = make_profiles(
    make_profile(
        "net-000",
        **around("quality", 1.0, 0.0),
        **around("latency_p50_ms", 1e-6, 0.0),
        request_path="model",
        disturbed=False,
    )
)


def make_rows(n_rows: int) -> pl.DataFrame:
    values = np.random.default_rng(0).normal(size=(n_rows, 2)).astype(np.float32)
    labels = pl.Series((values[:, 0] > 0).astype(np.int64))
    return pl.DataFrame(values, schema=["a", "b"]).with_columns(label=labels)


def measure(folder: Path, rivals: pl.DataFrame | None) -> dict[str, Any]:
    """Return the profile of a candidate."""
    rows = make_rows(200)
    data = make_data(rows, CARD.input_schema)
    bundle = offer_onnx(train_bundle(folder / "linear", data, "linear", LINEAR), data.rows)
    profiles = measure_candidates(
        {"linear-000": bundle},
        {},
        rows,
        CARD,
        raw=RawTest(rows, {"steps": []}),
        measurements=JsonStore(folder / "measurements"),
        params=EvaluationParams.model_validate(
            read_default("evaluation") | {"n_threads": [1], "runtimes": ["onnx"]}
        ),
        choosers=ApplicationsParams({"any": make_application(request_path="model")}),
        equal_within=0.01,
        rivals=rivals,
    )
    return profiles.row(0, named=True)


def count_processes(folder: Path, rivals: pl.DataFrame | None) -> int:
    """Return how many processes measured a candidate."""
    return int(measure(folder, rivals)["measured_how"]["n_processes"])


@pytest.mark.long
def test_candidate_that_a_measured_rival_surely_beats_is_measured_shortly(tmp_path: Path) -> None:
    screening = EvaluationParams.model_validate(read_default("evaluation")).settings

    beaten = count_processes(tmp_path / "beaten", FASTER)
    alone = count_processes(tmp_path / "alone", None)
    elsewhere = FASTER.with_columns(device=pl.lit(name_device("cpu", "board")))

    assert beaten <= screening.screening_processes < alone
    assert count_processes(tmp_path / "elsewhere", elsewhere) > screening.screening_processes


def test_candidate_with_rivals_of_other_blocks_carries_the_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_blocks(*medians_ms: float) -> MeasurementState:
        rounds = [
            make_round(
                block=f"a.{number}",
                percentiles_ns=dict.fromkeys(["0.5", "0.95", "0.99"], 1e6 * ms),
            )
            for number, ms in enumerate(medians_ms)
        ]
        return MeasurementState(rounds=tuple(rounds), settled="precise")

    timed, reference = time_blocks(2.0, 2.1), time_blocks(1.0, 1.2)  # which misses by a tenth
    monkeypatch.setattr(candidate_profiles, "measure_jobs", lambda *_, **__: [timed])
    monkeypatch.setattr(candidate_profiles, "read_reference", lambda *_: reference)

    def find_span(rivals: pl.DataFrame | None) -> float:
        profile = measure(tmp_path / str(rivals is None), rivals)
        return float(profile["latency_p50_ms_high"] / profile["latency_p50_ms_low"])

    assert find_span(FASTER) > 1.5 * find_span(None)


def test_environment_that_has_changed_is_said_to_be_why_all_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(
        candidate_profiles,
        "measure_jobs",
        lambda *_, **__: [MeasurementState(rounds=(make_round(),), settled="precise")],
    )
    here = describe_environment()
    earlier = replace(here, environment_id="earlier", n_cores=here.n_cores + 1)
    store = JsonStore(tmp_path / "measurements")
    store.put_record("environment-earlier", earlier)

    for _ in range(2):
        measure(tmp_path, None)

    line = f"environment has changed: n_cores {here.n_cores} instead of {earlier.n_cores}"
    assert caplog.text.count(line) == 1


def test_training_costs_are_those_of_the_candidates_trial() -> None:
    costs = {name: [1.5, 2.5] for name in FIT_COLUMNS}

    found = read_fit_costs({"net": pl.DataFrame({"number": [0, 7], **costs})})

    assert list(found) == ["net-000", "net-007"]
    assert found["net-007"]["fit_time_s"] == 2.5
