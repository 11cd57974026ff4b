from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from factories.bundles import train_bundle
from factories.rankings import make_application, make_applications, make_profile, make_profiles

from rightfit._core.processes.codec import to_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit.api.candidate_measuring import add_settings, list_paths, list_servings
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.worker.meters.devices import GpuDescription
from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import available_runtimes
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit_kedro.pipelines.evaluation.nodes import collect_profiles, trust_written
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.space import Space
from rightfit_search.searching.studies.study_store import StudyStore

pytestmark = pytest.mark.whole


@pytest.fixture
def values() -> dict[str, Any]:
    return read_default("evaluation")


def profiles(environment_id: str) -> pl.DataFrame:
    values = {"measured_how": {"limits": [], "devices": []}, "request_path": "model"}
    return make_profiles(make_profile("net-001", environment_id=environment_id, **values))


@pytest.mark.parametrize(
    ("n_threads", "n_cores", "expected"),
    [
        ([1, "all"], 4, [1, 4]),
        ([1, "all"], 1, [1]),  # all cores are one core: not measured twice
        ([1, 2, 16], 4, [1, 2]),  # more threads than cores are left out
    ],
)
def test_servings_use_the_cores_there_are(
    n_threads: list[int | str], n_cores: int, expected: list[int], values: dict[str, Any]
) -> None:
    params = EvaluationParams(**values | {"n_threads": n_threads, "runtimes": ["onnx"]})

    servings = list_servings(params, replace(describe_environment(), n_cores=n_cores, gpus=()))

    assert [serving.n_threads for serving in servings] == expected


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [((), {"cpu"}), ((GpuDescription("any", 1, "1"),), {"cpu", "cuda"})],
)
def test_servings_use_a_gpu_only_where_there_is_one(
    gpus: tuple[GpuDescription, ...], expected: set[str], values: dict[str, Any]
) -> None:
    params = EvaluationParams(**values | {"devices": ["cpu", "cuda"]})

    servings = list_servings(params, replace(describe_environment(), n_cores=2, gpus=gpus))

    assert {serving.device for serving in servings} == expected


def test_profiles_of_one_environment_are_collected(values: dict[str, Any], tmp_path: Path) -> None:
    params, store = EvaluationParams(**values), JsonStore(tmp_path)

    collected, _, _ = collect_profiles(params, store, profiles("a"), profiles("a"))

    assert len(collected) == 2


def test_profiles_of_different_environments_are_refused(
    values: dict[str, Any], tmp_path: Path
) -> None:
    params = EvaluationParams(**values | {"mixed_environments": "refuse"})

    with pytest.raises(ValueError, match=r"2 different environments: \['a', 'b'\]"):
        collect_profiles(params, JsonStore(tmp_path), profiles("a"), profiles("b"))


def test_profiles_of_different_environments_can_be_labelled(
    values: dict[str, Any], tmp_path: Path
) -> None:
    params = EvaluationParams(**values | {"mixed_environments": "label"})

    collected, _, _ = collect_profiles(params, JsonStore(tmp_path), profiles("a"), profiles("b"))

    assert collected["environment_id"].to_list() == ["a", "b"]


def test_environment_is_that_of_the_machine_that_measured(
    values: dict[str, Any], tmp_path: Path
) -> None:
    params = EvaluationParams(**values | {"mixed_environments": "label"})
    store, here = JsonStore(tmp_path), describe_environment()
    store.put("environment-a", to_plain(replace(here, environment_id="a", cpu="of one host")))
    store.put("environment-b", to_plain(replace(here, environment_id="b", cpu="of two hosts")))

    _, found, _ = collect_profiles(params, store, profiles("b"), profiles("a"), profiles("b"))

    assert found.cpu == "of two hosts"


def test_environment_that_nobody_stored_is_this_machine(
    values: dict[str, Any], tmp_path: Path
) -> None:
    params, store = EvaluationParams(**values), JsonStore(tmp_path)

    _, here, _ = collect_profiles(params, store, profiles("a"))

    assert here.environment_id == describe_environment().environment_id


def test_candidate_without_a_record_is_measured_as_onnx_only(
    blobs: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studies = StudyStore(tmp_path / "studies", None)
    configuration = {"n_estimators": 2, "max_depth": 3, "min_samples_leaf": 1, "max_features": 1.0}
    written = train_bundle(tmp_path / "bundle", blobs, "forest", configuration)
    stored = read_bundle(add_onnx(written, blobs.rows).path, family="forest")

    foreign = trust_written(stored, "blobs", studies)
    studies.cell("blobs.forest").record_weights(stored)
    own = trust_written(stored, "blobs", studies)

    assert available_runtimes(foreign) == ("onnx",)
    assert "is measured as ONNX only" in caplog.text
    assert available_runtimes(own) == ("native", "onnx")


@pytest.mark.parametrize(
    ("named", "otherwise", "expected"),
    [
        ([None, None], "request", ["request"]),
        ([None, None], "model", ["model"]),
        (["model", None], "request", ["model", "request"]),
        (["request", None], "model", ["request"]),  # as the ranking chooses
        (["request", "model"], "model", ["model", "request"]),
    ],
)
def test_request_paths_are_those_that_applications_choose_among(
    named: list[str | None], otherwise: str, expected: list[str], values: dict[str, Any]
) -> None:
    params = EvaluationParams(**values | {"request_path": otherwise})
    applications = make_applications(
        **{f"a{i}": make_application(request_path=path) for i, path in enumerate(named)}
    )

    assert list_paths(applications, params) == expected


def test_profiles_name_the_settings_and_which_were_searched() -> None:
    bundle = SimpleNamespace(
        model="net", configuration={"alpha": 0.01, "n_epochs": 4, "guess": 0.9}
    )
    table = pl.DataFrame({"candidate": ["net-000", "net-000"]})

    space = Space.model_validate({"alpha": {"low": 0.01, "high": 1.0}})
    named = add_settings(
        table, {"net-000": bundle}, searched={"net": space}, fixed={"net": ("n_epochs",)}
    )
    (text,) = named["settings"].unique()

    assert json.loads(text) == {
        "searched": {"alpha": 0.01},
        "fixed": {"n_epochs": 4},
        "at_edge": ["alpha"],
    }
    assert add_settings(table.clear(), {}).columns == ["candidate", "settings"]
