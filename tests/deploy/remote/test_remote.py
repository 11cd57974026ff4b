from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from factories.data_cards import make_data_card
from factories.measurements import SETTINGS
from factories.rankings import make_application, make_applications, make_profile, make_profiles
from factories.reports import RANKING
from factories.studies import fit_encoder, make_bundle, make_raw

from rightfit._core.processes.json_store import JsonStore
from rightfit.data.request_path.encoder import name_features
from rightfit.measuring.rounds.jobs import CandidateSet, RawRequests, plan_jobs
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.measuring.serving import Serving
from rightfit.models.bundle import Bundle
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import check_columns, read_profiles, select_profiles
from rightfit_deploy.remote.documents import (
    FORMAT_VERSION,
    Pack,
    find_files,
    import_measured,
    load_measured,
    portable_settings,
    select_measured,
)
from rightfit_deploy.remote.machines import ImportedMachine
from rightfit_deploy.remote.measure_pack import measure_pack
from rightfit_deploy.remote.packing import pack_dataset, write_pack
from rightfit_search.families.family import TrainingData
from rightfit_search.tables.encoding import apply_encoder

pytestmark = pytest.mark.whole

SHORT = MeasuringSettings.model_validate(SETTINGS | {"min_processes": 1, "max_processes": 1})
NOT_THERE = ("kedro", "optuna", "onnx", "polars", "sklearn", "skops", "torch", "yaml")
ALONE = f"""
import runpy, sys

class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_THERE!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotThere())
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Packed:
    folder: Path
    bundle: Bundle
    labels: npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    place = tmp_path_factory.mktemp("pack")
    raw = make_raw()
    encoder = fit_encoder(raw)
    encoded = apply_encoder(encoder, raw)
    rows = np.ascontiguousarray(encoded.to_numpy(), dtype=np.float32)
    schema = InputSchema(name_features(encoder), ("low", "middle", "high"), None)
    labels = raw["label"].to_numpy()
    bundle = make_bundle(place / "linear-000", TrainingData(rows, labels, schema))
    dataset = pack_dataset(
        place / "packed",
        {"linear-000": bundle},
        test=encoded,
        raw=raw,
        encoder=encoder.model_dump(mode="json"),
        data_card=make_data_card(),
        request_paths=["request"],
        settings=SHORT,
        measurements=place / "measurements",
    )
    settings = portable_settings(SHORT)
    pack = Pack(FORMAT_VERSION, "quick", settings, (1, "all"), ("cpu",), ("request",), (dataset,))
    write_pack(pack, place / "packed")
    return Packed(place / "packed", bundle, labels)


@pytest.fixture(scope="module")
def came_back(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("there") / "out"
    made = measure_there(packed.folder, out)
    assert made.returncode == 0, made.stderr
    return out


def measure_there(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the packed program on one core, in a network of its own where the system allows that."""
    command = [
        "taskset",
        "--cpu-list",
        "0",
        sys.executable,
        "-c",
        ALONE,
        str(folder / "measure.py"),
    ]
    apart = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode == 0:
        command = [*apart, *command]
    return subprocess.run(
        [*command, str(out)], check=False, capture_output=True, text=True, cwd=out.parent
    )


def profile(packed: Packed, store: JsonStore, folder: Path) -> list[dict[str, Any]]:
    files = find_files(packed.folder, "landsat")
    encoder = json.loads((files.requests / "encoder.json").read_text())
    cell = CandidateSet(
        dataset="landsat",
        data_version="v1",
        candidates={"linear-000": replace(packed.bundle, family="linear")},
        targets=packed.labels,
        quality=QualityMetric(name="accuracy", worst=0.0, best=1.0),
        fit_costs={},
        environment_id="here",
        devices=("cpu",),
        seed=0,
        requests=RawRequests(files.raw_rows, encoder, files.requests, store.folder),
    )
    pool = WorkerPool(max_open=1)
    bench = MeasurementContext(pool, files.rows, folder, SHORT, "quick")
    params = EvaluationParams.model_validate(read_default("evaluation") | {"n_threads": [1]})
    try:
        return ImportedMachine("board", store).profile(cell, ["request"], bench, params).to_dicts()
    finally:
        pool.close()


def test_profiles_of_candidates_measured_elsewhere_stand_beside_ours(
    packed: Packed, came_back: Path, tmp_path: Path
) -> None:
    store = JsonStore(tmp_path / "store")
    import_measured(came_back, "board", store)

    (found,) = profile(packed, store, tmp_path)

    there = load_measured("board", store).environment
    assert found["device"] == "cpu@board"
    assert found["environment_id"] == there.environment_id
    assert there.n_cores == 1
    assert found["latency_p50_ms"] > 0
    assert 0 <= found["quality_raw"] <= 1  # judged here


def test_only_measurements_of_the_graph_that_is_kept_here_count(
    packed: Packed, came_back: Path, tmp_path: Path
) -> None:
    store = JsonStore(tmp_path)
    import_measured(came_back, "board", store)
    [packed_graph] = (find_files(packed.folder, "landsat").requests / "graphs").iterdir()
    kept = packed.folder.parent / "measurements" / "graphs" / packed_graph.name

    (found,) = profile(packed, store, tmp_path)
    (tmp_path / "graphs" / kept.name).write_bytes(b"of another compiler")

    assert found["graph_sha256"] == hashlib.sha256(packed_graph.read_bytes()).hexdigest()
    assert kept.read_bytes() == packed_graph.read_bytes()
    assert profile(packed, store, tmp_path) == []


def test_what_an_interrupted_measurement_has_left_is_not_measured_again(
    packed: Packed, came_back: Path, tmp_path: Path
) -> None:
    shutil.copytree(came_back, tmp_path / "out")
    before = (tmp_path / "out" / "measured.json").read_text()
    (tmp_path / "out" / "measured.json").unlink()

    made = measure_there(packed.folder, tmp_path / "out")

    assert made.returncode == 0, made.stderr
    assert (tmp_path / "out" / "measured.json").read_text() == before


def test_configuration_that_was_not_measured_there_has_no_profile(
    packed: Packed, came_back: Path, tmp_path: Path
) -> None:
    measured = import_measured(came_back, "board", JsonStore(tmp_path))
    bundle = replace(packed.bundle, family="linear")
    jobs = plan_jobs("landsat", {"linear-000": bundle}, [Serving("onnx", 7, "cpu")])

    assert select_measured(measured, jobs, SHORT, "v1") == ([], [])


def test_only_what_measuring_imports_is_packed(packed: Packed) -> None:
    names = {path.parent.name for path in packed.folder.glob("rightfit*/**/*.py")}

    assert {"worker", "measuring", "remote"} <= names
    assert not names & {"pipelines", "ranking", "reporting", "tuning", "verbs"}


def test_only_rows_that_are_measured_with_are_packed(packed: Packed, tmp_path: Path) -> None:
    raw = pl.concat([make_raw()] * 30)
    encoder = fit_encoder(raw)

    pack_dataset(
        tmp_path / "packed",
        {"linear-000": packed.bundle},
        test=apply_encoder(encoder, raw),
        raw=raw,
        encoder=encoder.model_dump(mode="json"),
        data_card=make_data_card(),
        request_paths=[],
        settings=SHORT,
        measurements=tmp_path,
    )

    files = find_files(tmp_path / "packed", "landsat")
    assert raw.height > 1_024
    assert len(np.load(files.rows)) == len(np.load(files.raw_rows)) == 1_024


def test_damaged_bundle_is_refused_in_one_line(packed: Packed, tmp_path: Path) -> None:
    folder = tmp_path / "packed"
    shutil.copytree(packed.folder, folder)
    model = find_files(folder, "landsat").bundles / "linear-000" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])

    made = measure_there(folder, tmp_path / "out")

    assert made.returncode == 1
    assert made.stderr.startswith("Error: Bundle ")
    assert made.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "must be a JSON object"),
        ("{", "cannot be read"),
        ('{"format_version": 9, "environment": null, "states": {}}', "format_version 9"),
        (
            '{"format_version": 1, "environment": null, "states": {}}',
            "environment: must be",
        ),
        ('{"format_version": 1, "states": {"a": 1}}', r"environment: .* \(1 more\)"),
    ],
)
def test_foreign_document_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "measured.json").write_text(content)

    with pytest.raises(ValueError, match=reason):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))


def test_figures_of_another_type_and_a_machine_where_all_failed_are_refused(
    came_back: Path, tmp_path: Path
) -> None:
    content = json.loads((came_back / "measured.json").read_text())
    state = next(iter(content["states"].values()))
    state["rounds"][0]["base_peak_mib"] = "much"
    (tmp_path / "measured.json").write_text(json.dumps(content))

    with pytest.raises(ValueError, match=r"rounds\.0\.base_peak_mib: must be a num"):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))

    (tmp_path / "measured.json").write_text(json.dumps(content | {"states": {}}))
    with pytest.raises(
        ValueError, match=r"holds no successful measurement.*rightfit remote measure"
    ):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))


IMPOSSIBLE = {
    "negative timing": ("rounds.0.load.load_time_ms", -3.0),
    "negative percentile": ("rounds.0.percentiles_ns.0.5", -3.0),
    "falling percentiles": ("rounds.0.percentiles_ns.0.5", 1e15),
    "a percentile is missing": ("rounds.0.percentiles_ns", {"0.5": 5.0}),
    "endless": ("rounds.0.batches.0.rows_per_s", math.inf),
    "not a number": ("rounds.0.batches.0.wall_ms", math.nan),
    "no time at all": ("rounds.0.latency.wall_ms", 0.0),
    "no rounds": ("rounds", []),
    "no batches": ("rounds.0.batches", []),
    "no calls": ("rounds.0.batches.0.n_calls", 0),
    "batch of no rows": ("rounds.0.batches.0.batch_size", 0),
    "huge batch": ("rounds.0.batches.0.batch_size", 2**70),
    "negative cores": ("rounds.0.others_cores", -5.0),
    "memory of a galaxy": ("rounds.0.base_peak_mib", 1e12),
    "memory less than none": ("rounds.0.latency.peak_memory_mib", -1e6),
    "text for a number": ("rounds.0.total_ms", "5"),
    "truth for a number": ("settled", True),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_figures_that_no_machine_can_have_found_are_refused(
    came_back: Path, tmp_path: Path, case: str
) -> None:
    content = json.loads((came_back / "measured.json").read_text())
    key, state = next(iter(content["states"].items()))
    path, value = IMPOSSIBLE[case]
    change(state, path, value)
    (tmp_path / "measured.json").write_text(json.dumps(content))

    with pytest.raises(ValueError, match=rf"should: states\.{key}") as refused:
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))

    assert "\n" not in str(refused.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("path", "value"), [("n_cores", -5), ("n_cores", "2"), ("memory_mib", 0), ("memory_mib", 2**70)]
)
def test_machine_that_cannot_be_is_refused(
    came_back: Path, tmp_path: Path, path: str, value: object
) -> None:
    content = json.loads((came_back / "measured.json").read_text())
    content["environment"][path] = value
    (tmp_path / "measured.json").write_text(json.dumps(content))

    with pytest.raises(ValueError, match=f"should: environment.{path}"):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ((), "surprise is an unknown key"),
        (("environment",), r"environment\.surprise is an unknown key"),
        (("states",), "'surprise' is no key of a measurement"),
    ],
    ids=["document", "environment", "states"],
)
def test_what_nothing_reads_is_refused(
    place: tuple[str, ...], reason: str, came_back: Path, tmp_path: Path
) -> None:
    content = json.loads((came_back / "measured.json").read_text())
    part = content[place[0]] if place else content
    part["surprise"] = next(iter(content["states"].values()))
    (tmp_path / "measured.json").write_text(json.dumps(content))

    with pytest.raises(ValueError, match=f"should: .*{reason}"):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))


def test_a_document_larger_than_any_measurement_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "measured.json").open("wb") as file:
        file.truncate(2**30)  # zeros, which take no place on the disk

    with pytest.raises(ValueError, match="it has 1,073,741,824 bytes, 268,435,456 are allowed"):
        import_measured(tmp_path, "board", JsonStore(tmp_path / "store"))


def test_record_that_an_older_version_took_in_is_checked_when_a_run_reads_it(
    came_back: Path, tmp_path: Path
) -> None:
    store = JsonStore(tmp_path)
    import_measured(came_back, "board", store)
    document = store.get("elsewhere-board")
    assert document is not None
    next(iter(document["states"].values()))["rounds"] = []
    store.put("elsewhere-board", document)

    with pytest.raises(ValueError, match=r"board\.json .*must hold a round .*--name board"):
        load_measured("board", store)


def change(document: Any, path: str, value: object) -> None:
    """Set a value; a percentile's share is one step of the path, though it holds a dot."""
    *steps, last = path.replace(".0.5", ".0_5").split(".")
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    document[int(last) if isinstance(document, list) else last.replace("_5", ".5")] = value


def edit_document(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def cut(folder: Path, name: str) -> None:
    path = folder / "datasets" / "landsat" / name
    path.write_bytes(path.read_bytes()[:-20])


def rewrite_encoder(folder: Path, content: object) -> None:
    path = folder / "datasets" / "landsat" / "requests" / "encoder.json"
    path.write_text(json.dumps(content))


def replace_rows(folder: Path, rows: object) -> None:
    np.save(folder / "datasets" / "landsat" / "rows.npy", rows)


def replace_by_pipe(folder: Path, name: str) -> None:
    path = folder / "datasets" / "landsat" / name
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda place: (place / "pack.json").unlink(), "There is no .*pack.json"),
        (lambda place: cut(place, "rows.npy"), "rows.npy is damaged: .*Pack it again"),
        (lambda place: cut(place, "raw_rows.npy"), "raw_rows.npy is damaged"),
        (lambda place: cut(place, "requests/encoder.json"), "encoder.json is damaged"),
        (
            lambda place: rewrite_encoder(place, {}),
            "encoder.json is damaged: steps: is missing",
        ),
        (lambda place: rewrite_encoder(place, None), "encoder.json is damaged: must be a mapping"),
        (
            lambda place: rewrite_encoder(place, {"version": 1, "steps": []}),
            "The encoder must be of version 2, but got 1",
        ),
        (
            lambda place: rewrite_encoder(place, {"version": 2, "steps": []}),
            "steps: List should have at least 1 item",
        ),
        (
            lambda place: rewrite_encoder(place, {"version": 2, "steps": [{"kind": "magic"}]}),
            r"steps\.0: 'kind' must be .*, but got 'magic'",
        ),
        (
            lambda place: rewrite_encoder(
                place,
                {"version": 2, "steps": [{"kind": "standardise", "column": "size", "scale": 0}]},
            ),
            r"steps\.0\.standardise\.fill: is missing",
        ),
        (
            lambda place: rewrite_encoder(
                place, {"version": 2, "steps": [{"kind": "indicate", "column": "weight"}]}
            ),
            r"raw_rows\.npy must hold .* lacks \['weight'\]",
        ),
        (lambda place: replace_rows(place, np.float32(3)), r"rows\.npy must hold rows of"),
        (lambda place: replace_rows(place, np.zeros((9, 1), np.float32)), "holds float32 of shape"),
        (lambda place: replace_rows(place, np.zeros((9, 12))), "holds float64 of shape"),
        (lambda place: replace_by_pipe(place, "rows.npy"), "only regular files are read"),
        (lambda place: replace_by_pipe(place, "raw_rows.npy"), "only regular files are read"),
        (lambda place: replace_by_pipe(place, "requests/encoder.json"), "only regular files"),
        (
            lambda place: replace_by_pipe(place, "bundles/linear-000/model.onnx"),
            r"\['model.onnx'\] are missing, links, or do not match",
        ),
        (
            lambda place: replace_by_pipe(place, "bundles/linear-000/bundle.json"),
            "no regular file",
        ),
        (lambda place: replace_by_pipe(place, "../../pack.json"), "only regular files"),
        (
            lambda place: edit_document(place, lambda one: one["settings"].pop("max_s")),
            "pack.json does not hold what it should: settings",
        ),
        (
            lambda place: edit_document(place, lambda one: one.update(n_threads=[0])),
            r"n_threads\.0",
        ),
        (
            lambda place: edit_document(place, lambda one: one.update(request_paths=["ftp"])),
            "request_paths.0: must be",
        ),
        (
            lambda place: edit_document(
                place, lambda one: one["datasets"][0].update(candidates=["../.."])
            ),
            r"must be a plain one, but got '\.\./\.\.'",
        ),
    ],
)
def test_damaged_folder_is_refused_before_anything_is_measured(
    packed: Packed, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    shutil.copytree(packed.folder, tmp_path / "packed")
    damage(tmp_path / "packed")

    with pytest.raises(ValueError, match=reason):
        measure_pack(tmp_path / "packed", tmp_path / "out")

    assert not (tmp_path / "out" / "measured.json").exists()


def test_missing_library_is_named_in_one_line(packed: Packed, tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-E", str(packed.folder / "measure.py"), str(tmp_path)]

    made = subprocess.run(command, check=False, capture_output=True, text=True)

    assert made.returncode == 1
    assert "is missing here: pip install -r requirements.txt" in made.stderr
    assert made.stderr.count("\n") == 1


def test_name_of_a_machine_is_a_plain_one(came_back: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must match"):
        import_measured(came_back, "../board", JsonStore(tmp_path))
    with pytest.raises(ValueError, match="this_machine is the one that runs the pipeline"):
        import_measured(came_back, "this_machine", JsonStore(tmp_path))


def test_application_chooses_among_the_profiles_of_the_machine_that_it_names() -> None:
    table = read_profiles(
        make_profiles(make_profile("net-000"), make_profile("net-001", device="cpu@board"))
    )

    here = select_profiles(table, make_application())
    there = select_profiles(table, make_application(environment="board"))

    assert here.frame["candidate"].to_list() == ["net-000"]
    assert there.frame["candidate"].to_list() == ["net-001"]


def test_application_of_a_machine_without_profiles_is_refused() -> None:
    table = read_profiles(make_profiles(make_profile("net-000")))
    applications = make_applications(web_api=make_application(environment="board"))

    with pytest.raises(ValueError, match="none of these candidates was measured on board"):
        check_columns(table, applications, RankingRules.model_validate(RANKING))
