"""Models of the configuration read the dataset's own columns, of tables and requests alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
from factories.own_models import NUMBERS, ROWS, TARGETS, fit_pipeline, write_typed_onnx
from sklearn.linear_model import LogisticRegression

from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.opening import open_request
from rightfit.data.request_path.raw_inputs import list_inputs, pass_columns
from rightfit.data.request_path.raw_rows import cut_singles, load_rows
from rightfit.data.request_path.row_reading import make_raw_rows
from rightfit.measuring.rounds.jobs import write_model_rows
from rightfit.measuring.worker.phases import open_bundle
from rightfit.models.bundle import Bundle
from rightfit.models.imported.kinds import find_family
from rightfit.models.runtimes import available_runtimes
from rightfit_kedro.imported_block import ImportedBlock
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.description import DatasetBlock, DatasetSpec
from rightfit_search.tables.encoding import fit_encoder_steps
from rightfit_search.tables.model_import import import_for_dataset
from rightfit_search.tables.model_inputs import take_columns

pytestmark = pytest.mark.whole

TABLE = pl.from_pandas(ROWS).with_columns(answer=pl.Series(TARGETS))
LABELLED = TABLE.with_columns(
    part=pl.Series(["validation", "test"] * (len(TABLE) // 2)), label=pl.Series(TARGETS == "yes")
)
TEST = LABELLED.filter(part="test")
N_SINGLES = 8


@pytest.fixture(scope="module")
def dataset() -> tuple[DatasetSpec, Encoder]:
    block = DatasetBlock.model_validate({"tables": ["people"], "target": {"column": "answer"}})
    spec = complete_block(block, {"people": TABLE}, dataset_name="people").spec
    return spec, fit_encoder_steps(spec.features, LABELLED)


def write_skops(folder: Path) -> dict[str, Any]:
    import skops.io

    skops.io.dump(PIPELINE, folder / "model.skops")
    return {"file": str(folder / "model.skops"), "trust": True}


def write_pickle(folder: Path) -> dict[str, Any]:
    joblib.dump(PIPELINE, folder / "model.joblib")
    return {"file": str(folder / "model.joblib"), "trust": True}


def write_numbers(folder: Path) -> dict[str, Any]:
    """A pickle that names no columns: it reads all numbers among the features."""
    model = LogisticRegression().fit(NUMBERS.to_numpy(), TARGETS)
    joblib.dump(model, folder / "numbers.pkl")
    return {"file": str(folder / "numbers.pkl"), "trust": True}


def write_onnx(folder: Path) -> dict[str, Any]:
    return {"file": str(write_typed_onnx(folder / "model.onnx"))}


def write_lightgbm(folder: Path) -> dict[str, Any]:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(NUMBERS, TARGETS == "yes")
    model.booster_.save_model(folder / "model.txt")
    return {"file": str(folder / "model.txt"), "trust": True}


PIPELINE = fit_pipeline()
WRITERS = {
    write_skops: ("native", "onnx"),
    write_pickle: ("native",),
    write_numbers: ("native",),
    write_onnx: ("onnx",),
    write_lightgbm: ("native", "onnx"),
}


@pytest.mark.parametrize("write", WRITERS)
def test_model_answers_tables_and_requests_as_it_should(
    write: Callable[[Path], dict[str, Any]], dataset: tuple[DatasetSpec, Encoder], tmp_path: Path
) -> None:
    spec, encoder = dataset
    block = ImportedBlock.model_validate({"family": "imported", **write(tmp_path)})
    bundle = import_for_dataset(block.give("given"), spec, LABELLED, encoder, tmp_path / "bundle")
    bundle = replace(bundle, family=find_family(bundle.weights_file, trust=block.trust))

    assert available_runtimes(bundle) == WRITERS[write]
    for runtime in WRITERS[write]:
        whole = answer_table(bundle, runtime, encoder, tmp_path)
        np.testing.assert_allclose(
            answer_requests(bundle, runtime, tmp_path), whole[:N_SINGLES], atol=1e-5
        )
        assert np.mean(whole.argmax(axis=1) == TEST["label"].to_numpy()) > 0.7


def answer_table(bundle: Bundle, runtime: str, encoder: Encoder, folder: Path) -> Any:
    table = take_columns(bundle.schema, encoder, TEST, kind="raw")
    (folder / runtime).mkdir()
    file = write_model_rows({"given": bundle}, {"given": table}, folder / runtime)["given", runtime]
    rows = load_rows(str(file.path))
    call = open_bundle(str(bundle.path), **serve(bundle, runtime))()
    return call(rows if isinstance(rows, np.ndarray) else rows[0 : len(rows)])


def answer_requests(bundle: Bundle, runtime: str, folder: Path) -> Any:
    """Answer requests of one row of Python values, as they come out of JSON."""
    from rightfit.measuring.rounds.jobs import RawRequests

    texts = [name for name in bundle.schema.features if TABLE.schema[name] == pl.String]
    encoder = pass_columns(bundle.schema.features, texts)
    requests = RawRequests(folder / "raw.npy", encoder, folder, folder)
    requests.prepare(bundle, runtime)
    graph = requests.locate_graph(bundle, runtime)
    call = open_request(
        str(bundle.path),
        **serve(bundle, runtime),
        encoder=str(requests.encoder_file),
        graph=None if graph is None else str(graph),
    )()
    singles = cut_singles(make_raw_rows(TEST, list_inputs(encoder)), N_SINGLES)
    return np.concatenate([call(one) for one in singles])


def serve(bundle: Bundle, runtime: str) -> dict[str, Any]:
    return {
        "family": bundle.family,
        "runtime": runtime,
        "n_threads": 1,
        "device": "cpu",
        "sha256": bundle.sha256,
    }


def test_pickle_that_does_not_fit_is_refused_before_any_search(
    dataset: tuple[DatasetSpec, Encoder], tmp_path: Path
) -> None:
    model = LogisticRegression().fit(NUMBERS.assign(height=1.0), TARGETS)
    joblib.dump(model, tmp_path / "model.pkl")
    block = ImportedBlock.model_validate(
        {"family": "imported", "file": str(tmp_path / "model.pkl"), "trust": True}
    )

    with pytest.raises(ValueError, match=r"The rows lack the columns \['height'\].* was fitted on"):
        import_for_dataset(
            block.give("given"), dataset[0], LABELLED, dataset[1], tmp_path / "bundle"
        )


def test_model_reads_a_column_that_preparing_leaves_out_as_constant(tmp_path: Path) -> None:
    table = TABLE.with_columns(height=pl.lit(1.0))
    block = DatasetBlock.model_validate({"tables": ["people"], "target": {"column": "answer"}})
    spec = complete_block(block, {"people": table}, dataset_name="people").spec
    rows, _ = assemble(spec, {"people": table})
    model = LogisticRegression().fit(NUMBERS.assign(height=1.0), TARGETS)
    joblib.dump(model, tmp_path / "model.pkl")
    imported = ImportedBlock.model_validate(
        {"family": "imported", "file": str(tmp_path / "model.pkl"), "trust": True}
    )

    encoder = fit_encoder_steps(spec.features, rows)
    bundle = import_for_dataset(imported.give("given"), spec, rows, encoder, tmp_path / "bundle")

    assert "height" not in spec.features.columns
    assert bundle.schema.features == (*NUMBERS.columns, "height")
