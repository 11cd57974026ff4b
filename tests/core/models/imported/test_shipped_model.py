"""The imported model of the whole study fits its dataset and is as good as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import yaml

from rightfit.models.imported.importing import import_file
from rightfit.models.imported.row_table import take_stored
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit_kedro.imported_block import ImportedBlock


def test_model_of_the_whole_study_answers_landsat(
    project_path: Path, sample_data: Path, tmp_path: Path
) -> None:
    conf = project_path / "conf"
    blocks = yaml.safe_load((conf / "full" / "parameters_models.yml").read_text())["models"]
    datasets = yaml.safe_load((conf / "base" / "parameters_datasets.yml").read_text())["datasets"]
    table = pl.read_parquet(sample_data / "landsat.parquet").filter(pl.col("split") == "test")
    columns = tuple(name for name in table.columns if name[-3:-1] == "_b")
    classes = tuple(datasets["landsat"]["target"]["classes"])
    rows = table.select(columns).to_numpy().astype(np.float32)

    bundle = import_file(
        ImportedBlock.model_validate(blocks["incumbent"]).give("incumbent"),
        tmp_path / "bundle",
        schema=InputSchema(columns, classes, None),
        rows=take_stored(table.select(columns)),
    )

    answers = open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")(rows)
    labels = np.array([classes.index(name) for name in table["label"]])
    assert np.mean(answers.argmax(axis=1) == labels) > 0.83
