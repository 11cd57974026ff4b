from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from rightfit._core.errors import RightfitError
from rightfit._core.processes.file_locks import hold
from rightfit._core.processes.leftovers import MARK
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.families.stored_rows import StoredRows, open_rows, store_rows

N_ROWS, N_SAMPLED = 12_000, 1_500
SCHEMA = InputSchema(("a", "b", "c"), (), None)
CLASSES = InputSchema(("a", "b", "c"), ("no", "yes"), None)
MORE_CLASSES = InputSchema(("a", "b", "c"), ("few", "some", "many"), None)


def make_rows(schema: InputSchema) -> tuple[np.ndarray, np.ndarray]:
    """Rows in order of the first column, whose outcome is a curve of two columns."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(N_ROWS, 3)).astype(np.float32)
    rows = rows[np.argsort(rows[:, 0])]
    values = rows[:, 0] + np.abs(rows[:, 1]) + rng.normal(size=N_ROWS)
    if not schema.classes:
        return rows, values.astype(np.float64)
    cuts = np.quantile(values, np.arange(1, schema.n_classes) / schema.n_classes)
    return rows, np.searchsorted(cuts, values).astype(np.int64)


def store(folder: Path, schema: InputSchema) -> tuple[StoredRows, TrainingData]:
    """All rows in many small files, and a sample of them."""
    rows, labels = make_rows(schema)
    batches = ((rows[i : i + 700], labels[i : i + 700]) for i in range(0, N_ROWS, 700))
    stored = store_rows(folder, batches, schema, n_rows=N_ROWS, seed=1, block_bytes=6_000)
    return stored, TrainingData(*stored.take(N_SAMPLED), schema)


def test_every_stored_row_is_read_once_a_pass_in_another_order(tmp_path: Path) -> None:
    rows, labels = make_rows(SCHEMA)
    stored, _ = store(tmp_path / "rows", SCHEMA)

    passes = [
        [np.concatenate(parts) for parts in zip(*stored.iterate(seed=seed), strict=True)]
        for seed in (1, 2)
    ]

    assert len(stored.sizes) == 24
    for read, read_labels in passes:
        order, expected = np.lexsort(read.T), np.lexsort(rows.T)
        assert np.array_equal(read[order], rows[expected])
        assert np.array_equal(read_labels[order], labels[expected])
    assert not np.array_equal(passes[0][0], passes[1][0])


def test_the_first_files_are_a_random_sample_of_sorted_rows(tmp_path: Path) -> None:
    _, sample = store(tmp_path / "rows", SCHEMA)

    assert sample.rows.shape == (N_SAMPLED, 3)
    assert abs(float(sample.rows[:, 0].mean())) < 4 / np.sqrt(N_SAMPLED)


def test_rows_whose_writing_was_cut_short_are_written_anew(tmp_path: Path) -> None:
    rows, labels = make_rows(SCHEMA)

    def break_off():
        yield rows, labels
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store_rows(tmp_path / "rows", break_off(), SCHEMA, n_rows=N_ROWS, seed=1)
    with pytest.raises(FileNotFoundError, match=r"rows\.json"):
        open_rows(tmp_path / "rows", SCHEMA)
    stored, _ = store(tmp_path / "rows", SCHEMA)
    again = store_rows(tmp_path / "rows", iter(()), SCHEMA, n_rows=N_ROWS, seed=1)

    assert stored.n_rows == N_ROWS
    assert again == stored


LINEAR = {"n_epochs": 5, "alpha": 1e-3, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.1}
NET = {"n_layers": 1, "n_units": 16, "n_channels": 8, "n_epochs": 10, "batch_size": 1024}
CASES = {
    "ridge": ("linear", LINEAR, SCHEMA),
    "elastic net": ("linear", LINEAR | {"penalty": "elasticnet", "alpha": 0.02}, SCHEMA),
    "Newton": ("linear", LINEAR | {"solver": "lbfgs"}, CLASSES),
    "Newton, three classes": ("linear", LINEAR | {"solver": "lbfgs"}, MORE_CLASSES),
    "net": ("net", NET, SCHEMA),
    "net, three classes": ("net", NET, MORE_CLASSES),
    "lightgbm": ("lightgbm", {"n_estimators": 40}, SCHEMA),
    "lightgbm, three classes": ("lightgbm", {"n_estimators": 20}, MORE_CLASSES),
    "xgboost": ("xgboost", {"n_estimators": 40, "max_depth": 4}, CLASSES),
}


@pytest.mark.parametrize(("family", "configuration", "schema"), CASES.values(), ids=CASES)
def test_training_on_stored_rows_predicts_as_training_on_them_in_memory(
    family: str, configuration: dict[str, object], schema: InputSchema, tmp_path: Path
) -> None:
    learner = get_family(family)
    learner.load_libraries()
    stored, sample = store(tmp_path / "rows", schema)
    rows, labels = make_rows(schema)
    every_row = TrainingData(rows, labels, schema)
    expected, predictions, of_sample = (
        learner.predict(checkpoint.model, rows)
        for [checkpoint] in (
            learner.train(TrainingRun(configuration, every_row)),
            learner.train_stored(TrainingRun(configuration, sample), stored),
            learner.train(TrainingRun(configuration, sample)),
        )
    )

    def distance(other: np.ndarray) -> float:
        return float(np.sqrt(((other - expected) ** 2).mean()))

    assert distance(predictions) < 0.5 * distance(of_sample)


def test_xgboost_keeps_binned_rows_on_disk(tmp_path: Path) -> None:
    stored, sample = store(tmp_path / "rows", CLASSES)
    xgboost = get_family("xgboost")
    training = xgboost.train_stored(TrainingRun({"n_estimators": 2}, sample), stored)

    assert training is not None
    next(training)
    [binned] = stored.folder.glob("xgboost-*/bins*")
    assert binned.stat().st_size >= N_ROWS * CLASSES.n_features


def test_xgboost_removes_binned_rows_of_a_process_that_died(tmp_path: Path) -> None:
    stored, sample = store(tmp_path / "rows", CLASSES)
    for name in ("xgboost-died", "xgboost-lives"):
        (stored.folder / name).mkdir()
        (stored.folder / name / MARK).touch()
        os.utime(stored.folder / name / MARK, (0, 0))
    with (stored.folder / "xgboost-lives" / MARK).open("wb") as file:
        hold(file)
        training = get_family("xgboost").train_stored(
            TrainingRun({"n_estimators": 2}, sample), stored
        )
        assert training is not None
        next(training)

    assert not (stored.folder / "xgboost-died").exists()
    assert (stored.folder / "xgboost-lives").exists()
    assert len(list(stored.folder.glob("xgboost-*"))) == 2


def test_a_disk_without_room_for_binned_rows_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, sample = store(tmp_path / "rows", CLASSES)
    usage = shutil.disk_usage(tmp_path)._replace(free=N_ROWS * CLASSES.n_features * 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)

    with pytest.raises(RightfitError, match=r"binned rows need .* MiB of .*rows, where"):
        get_family("xgboost").train_stored(TrainingRun({"n_estimators": 2}, sample), stored)


def test_stochastic_gradient_descent_on_stored_rows_is_no_worse_than_on_the_sample(
    tmp_path: Path,
) -> None:
    linear = get_family("linear")
    linear.load_libraries()
    stored, sample = store(tmp_path / "rows", CLASSES)
    rows, labels = make_rows(CLASSES)
    run = TrainingRun(LINEAR, sample)
    [of_all], [of_sample] = linear.train_stored(run, stored), linear.train(run)

    losses = [
        -np.log(linear.predict(checkpoint.model, rows)[np.arange(N_ROWS), labels]).mean()
        for checkpoint in (of_all, of_sample)
    ]

    assert losses[0] < losses[1] + 1e-3


@pytest.mark.parametrize(
    ("family", "configuration"),
    [("forest", {}), ("boosting", {}), ("catboost", {}), ("xgboost", {"tree_method": "exact"})],
)
def test_a_family_that_needs_its_rows_in_memory_reads_no_blocks(
    family: str, configuration: dict[str, object], tmp_path: Path
) -> None:
    stored, sample = store(tmp_path / "rows", SCHEMA)

    assert get_family(family).train_stored(TrainingRun(configuration, sample), stored) is None
