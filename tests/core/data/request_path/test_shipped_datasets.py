"""The one graph answers as Python encoder and session do, on every shipped dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from factories.studies import make_bundle

from rightfit.data.request_path.encoder import Encoder, name_features
from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.usage import open_graph
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.encoding import apply_encoder, fit_encoder

N_ROWS = 2_000
N_SPOILED = 300
"""Further rows: every third lacks all columns, in the others all categories are unseen."""


@pytest.fixture(scope="module", params=["landsat", "fashion_mnist", "flights", "shuttle"])
def raw(
    request: pytest.FixtureRequest, project_path: Path, sample_data: Path
) -> tuple[Encoder, pl.DataFrame]:
    """The encoder of a dataset, and rows: as they are, then some that are spoiled."""
    text = (project_path / "conf" / "base" / "parameters_datasets.yml").read_text()
    blocks = yaml.safe_load(text)["datasets"]
    block = DatasetBlock.model_validate(blocks[request.param])
    tables = {name: pl.read_parquet(sample_data / f"{name}.parquet") for name in block.tables}
    spec = complete_block(block, tables, dataset_name=request.param).spec
    rows, _ = assemble(spec, tables)
    encoder = fit_encoder(spec.features, rows)
    few = rows.sample(min(N_ROWS, rows.height), seed=1)
    return encoder, pl.concat([few, spoil(encoder, few.head(N_SPOILED))])


def spoil(encoder: Encoder, rows: pl.DataFrame) -> pl.DataFrame:
    kinds = {step.column: step.kind for step in encoder.steps if step.kind != "pixels"}
    is_third = pl.int_range(pl.len()) % 3 == 0
    return rows.with_columns(
        pl.when(is_third)
        .then(None)
        .otherwise(unseen_value(rows[name]) if kind in ("one_hot", "target_mean") else pl.col(name))
        .alias(name)
        for name, kind in kinds.items()
    )


def unseen_value(column: pl.Series) -> pl.Expr:
    return pl.lit("never seen" if column.dtype == pl.String else 99, dtype=column.dtype)


def test_graph_and_python_encoder_answer_as_in_training(
    raw: tuple[Encoder, pl.DataFrame], tmp_path: Path
) -> None:
    encoder, rows = raw
    encoded = np.ascontiguousarray(apply_encoder(encoder, rows).to_numpy(), dtype=np.float32)
    labels = np.arange(rows.height) % 3
    schema = InputSchema(name_features(encoder), ("a", "b", "c"), None)
    bundle = make_bundle(tmp_path / "linear-000", TrainingData(encoded, labels, schema))
    plain = encoder.model_dump(mode="json")
    columns = rows.select({step.column for step in encoder.steps}).to_dict(as_series=False)
    graph = tmp_path / "graph.onnx"

    graph.write_bytes(join_encoder(bundle.path / "model.onnx", plain, compiles=False))
    answered = open_graph(graph, list_inputs(plain), n_threads=1, device="cpu")(columns)
    compiled = join_encoder(bundle.path / "model.onnx", plain)
    rewritten = open_graph(compiled, list_inputs(plain), n_threads=1, device="cpu")(columns)

    expected = open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")(encoded)
    assert rows.height >= N_ROWS
    np.testing.assert_array_equal(compile_encoder(plain)(columns), encoded)
    np.testing.assert_array_equal(answered, expected)
    np.testing.assert_allclose(rewritten, expected, atol=1e-5)
    clear = np.diff(np.sort(expected, axis=1)[:, -2:])[:, 0] > 1e-5
    np.testing.assert_array_equal(rewritten[clear].argmax(1), expected[clear].argmax(1))
