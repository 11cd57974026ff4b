"""Hooks act on Rightfit's own nodes, and leave all others alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.io.core import Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from rightfit._core.frames import RawTableError
from rightfit_kedro.checks import refuse_unusable_surroundings
from rightfit_kedro.command_line import prepared_process
from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.datasets.result_files import ReportDataset
from rightfit_kedro.grid import Grid
from rightfit_kedro.hooks import RunHook, explain_run_error
from rightfit_kedro.nodes import PIPELINES, is_own
from rightfit_kedro.pipelines import create_pipelines, find_grid
from rightfit_kedro.run import RightfitRunner, RightfitSession, refuse_model_faults

GRID = Grid({"iris": ("flowers",)}, {"forest": "forest"})


def shout(text: str) -> str:
    return text.upper()


FOREIGN = Pipeline([Node(shout, "check_raw", "recommendations", name="shout")])
OWN = create_pipelines(GRID)


def open_grid(project: Path, env: str, **params: Any) -> Grid | None:
    with RightfitSession.create(project, env=env, runtime_params=params) as session:
        session.load_context()
        return find_grid()


def test_all_pipelines_are_named_as_own() -> None:
    assert set(OWN) == PIPELINES
    assert create_pipelines(None) == {}


def test_only_nodes_of_rightfit_are_own() -> None:
    assert all(is_own(node) for pipeline in OWN.values() for node in pipeline.nodes)
    assert not is_own(FOREIGN.nodes[0])


def test_tagged_node_of_a_project_is_own() -> None:
    node = Node(shout, "check_raw", "flags", name="flag", tags="rightfit")
    tagged = Pipeline([*FOREIGN.nodes, node])

    assert [is_own(one) for one in tagged.nodes].count(True) == 1


def test_missing_raw_table_of_another_pipeline_is_not_looked_for() -> None:
    refuse_unusable_surroundings(FOREIGN, DataCatalog())


def test_missing_raw_table_is_named() -> None:
    catalog = DataCatalog({"flowers": MemoryDataset()})

    with pytest.raises(ConfigurationError, match=r"missing: \['flowers'\]"):
        refuse_unusable_surroundings(OWN["data_engineering"], catalog)


def test_pipe_in_place_of_a_raw_table_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "flowers.csv")
    entry = {"type": "pandas.CSVDataset", "filepath": str(tmp_path / "flowers.csv")}

    with pytest.raises(ConfigurationError, match=r"are a pipe, a socket or a device: \['.*flowers"):
        refuse_unusable_surroundings(
            OWN["data_engineering"], DataCatalog.from_config({"flowers": entry})
        )


def test_pipe_among_the_files_of_a_raw_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    os.mkfifo(tmp_path / "photos" / "cat" / "1.png")
    entry = {"type": "partitions.PartitionedDataset", "path": str(tmp_path / "photos"),
             "dataset": "text.TextDataset"}  # fmt: skip

    with pytest.raises(ConfigurationError, match=r"a device: \['.*1\.png"):
        refuse_unusable_surroundings(
            OWN["data_engineering"], DataCatalog.from_config({"flowers": entry})
        )


def test_dataset_error_is_told_in_short_where_all_nodes_are_own() -> None:
    error, catalog = DatasetError("no such file"), DataCatalog()

    mixed = OWN["ranking"] + Pipeline([Node(shout, "a", "b")])

    assert "no such file" in str(explain_run_error(error, OWN["ranking"], catalog))
    assert explain_run_error(error, FOREIGN, catalog) is None
    assert explain_run_error(error, mixed, catalog) is None


def test_faulty_raw_table_is_told_in_short_in_every_run() -> None:
    mixed = FOREIGN + OWN["data_engineering"]

    told = explain_run_error(RawTableError("no column"), mixed, DataCatalog())
    assert told == "no column. The block datasets stands in parameters_datasets.yml."


def test_recommendations_of_another_pipeline_are_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalog = DataCatalog({"recommendations": MemoryDataset("buy low")})

    RunHook().after_pipeline_run(FOREIGN, catalog)

    assert capsys.readouterr().out == ""


def test_latest_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "reports" / "report.html"
    report = ReportDataset(filepath=str(place), version=Version(None, "2026-01-01"))
    report.save("a report")
    own = Pipeline([node for node in OWN["reporting"].nodes if "report" in node.outputs])

    RunHook().after_pipeline_run(own, DataCatalog({"report": report}))

    assert capsys.readouterr().out == f"Report: {tmp_path / 'report.html'}\n"


def test_run_without_the_session_says_what_settings_lack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipeline, catalog = OWN["data_engineering"], DataCatalog({"flowers": MemoryDataset()})
    for runner in (RightfitRunner(), SequentialRunner()):
        caplog.clear()
        with caplog.at_level("INFO", "rightfit"), pytest.raises(ConfigurationError, match="flow"):
            RunHook().before_pipeline_run({"runner": str(runner)}, pipeline, catalog)

        is_told = "SESSION_CLASS = RightfitSession" in caplog.text
        assert is_told is (type(runner) is SequentialRunner)


def test_value_that_a_family_cannot_take_is_named_where_a_model_is_trained() -> None:
    settings = {"n_epochs": 8, "alpha": 1e-4, "learning_rate": "optimal", "eta0": 0.1}
    block = {"family": "linear", "fixed": {**settings, "penalty": "l3"}}
    parameters = {"grid": {"models": ["linear"]}, "models": {"linear": block}, "datasets": {}}
    catalog = DataCatalog({"parameters": MemoryDataset(parameters)})

    with pytest.raises(ConfigurationError, match=r"models\.linear: .*'penalty' .* 'l3'"):
        refuse_model_faults(OWN["training"].nodes, catalog)
    refuse_model_faults(OWN["ranking"].nodes, catalog)  # trains nothing, asks nothing


@pytest.mark.parametrize("name", ["training", "evaluation"])
def test_module_without_a_family_is_named_where_one_is_needed(name: str) -> None:
    models = {"mine": {"family": "my_study.nothing"}}
    parameters = {"grid": {"models": ["mine"]}, "models": models, "datasets": {}}
    catalog = DataCatalog({"parameters": MemoryDataset(parameters)})

    with pytest.raises(ConfigurationError, match=r"models\.mine: There is no module 'my_study"):
        refuse_model_faults(OWN[name].nodes, catalog)


def test_process_is_left_as_it_was() -> None:
    import optuna

    from rightfit.measuring.rounds import worker_pool

    before = optuna.logging.get_verbosity()
    worker_pool.shared_pool()

    with prepared_process(OWN["training"]):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with prepared_process(FOREIGN):
            pass
        untouched = optuna.logging.get_verbosity(), len(worker_pool._shared)

    assert untouched == (optuna.logging.ERROR, 1)
    assert (optuna.logging.get_verbosity(), len(worker_pool._shared)) == (before, 0)


def test_grid_is_that_of_the_session_that_was_opened_last(bootstrapped: Path) -> None:
    tiny = open_grid(bootstrapped, "test")
    full = open_grid(bootstrapped, "full")
    part = open_grid(bootstrapped, "test", grid={"datasets": "landsat", "models": "net"})

    assert tiny is not None
    assert tiny.datasets == ("landsat", "fashion_mnist")
    assert full is not None
    assert {"boosting", "convnet", "lightgbm", "svm", "incumbent"} <= set(full.models)
    assert "flight_delay" in full.datasets  # a regression
    assert part is not None
    assert list(part.cells()) == [("landsat", "net")]
    assert "training.landsat.net.tune_model" in {node.name for node in pipelines["training"].nodes}
    assert "training.landsat.forest.tune_model" not in {
        node.name for node in pipelines["training"].nodes
    }


@pytest.fixture
def levels() -> Iterator[Callable[[], tuple[int, int]]]:
    loggers = [logging.getLogger(name) for name in ("rightfit", "kedro.framework.session")]
    before = [logger.level for logger in loggers]
    yield lambda: (loggers[0].level, loggers[1].level)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def test_environment_says_how_much_is_logged(
    levels: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, of_kedro = levels()
    monkeypatch.setenv("RIGHTFIT_LOG_LEVEL", "debug")
    RunHook().after_context_created()
    assert levels() == (logging.DEBUG, of_kedro)

    monkeypatch.setenv("RIGHTFIT_LOG_LEVEL", "WARNING")
    RunHook().after_context_created()
    assert levels() == (logging.WARNING, logging.WARNING)

    monkeypatch.setenv("RIGHTFIT_LOG_LEVEL", "very")
    RunHook().after_context_created()
    assert levels() == (logging.WARNING, logging.WARNING)
