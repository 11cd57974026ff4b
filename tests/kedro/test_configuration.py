"""Every environment's configuration is valid, and the pipelines agree with the catalog."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines

from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.nodes import BOXES
from rightfit_kedro.run import RightfitSession
from rightfit_project.pipeline_registry import register_pipelines

pytestmark = pytest.mark.whole

ENVIRONMENTS = ("local", "test", "full")


def load_context(project_path: Path, env: str, **params: Any) -> Iterator[KedroContext]:
    with RightfitSession.create(
        project_path, env=env, runtime_params=params, save_on_close=False
    ) as session:
        yield session.load_context()


@pytest.fixture(params=ENVIRONMENTS, scope="module")
def context(request: pytest.FixtureRequest, bootstrapped: Path) -> Iterator[KedroContext]:
    yield from load_context(bootstrapped, request.param)


@pytest.fixture(autouse=True)
def propagating_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caplog see Kedro's loggers."""
    monkeypatch.setattr(logging.getLogger("kedro"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("kedro"), "level", logging.INFO)


def test_every_parameter_is_valid(context: KedroContext) -> None:
    assert set(context.params) >= {"grid", "datasets", "models", "training", "evaluation"}


def test_every_dataset_of_every_pipeline_is_in_the_catalog(context: KedroContext) -> None:
    catalog = context.catalog
    registered = register_pipelines()

    names = set().union(*(pipeline.datasets() for pipeline in registered.values()))
    missing = sorted(n for n in names if n not in catalog and not n.startswith("params:"))

    assert {"perf", "__default__", "data_engineering", "training", "evaluation", "ranking"} <= set(
        registered
    )
    assert missing == []


def test_every_result_is_versioned(context: KedroContext) -> None:
    catalog = context.catalog

    unversioned = [
        name
        for name in sorted(pipelines["perf"].all_outputs())
        if not getattr(catalog.get(name), "_version", None)
    ]

    assert unversioned == []


def test_namespaces_can_be_grouped(context: KedroContext, caplog: pytest.LogCaptureFixture) -> None:
    groups = pipelines["perf"].group_nodes_by("namespace")

    assert "interrupted" not in caplog.text
    assert {group.name for group in groups} == set(BOXES.values())


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_kedro_can_read_the_hints_of_every_node(
    bootstrapped: Path, env: str, caplog: pytest.LogCaptureFixture
) -> None:
    for context in load_context(bootstrapped, env):
        _ = context.params

    assert "Could not extract type hints" not in caplog.text


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"training": {"n_trials": -5}}, "n_trials"),
        ({"evaluation": {"preset": "quik"}}, "preset"),
        ({"training": {"n_trails": 5}}, "n_trails"),
        ({"trainnig": {"n_trials": 5}}, "did you mean 'training'"),
        ({"grid": {"models": ["linaer"]}}, r"grid\.models names \['linaer'\]"),
        ({"grid": {"datasets": []}}, r"grid\.datasets: List should have at least 1 item"),
        ({"models": {"net": {"fixed": {"n_units": 8}}}}, "both under fixed and under space"),
        (
            {"applications": {"web_api": {"objectives": {"latency_p55_ms": {"weight": 1}}}}},
            "latency_p55_ms",
        ),
    ],
)
def test_wrong_parameters_are_refused_before_any_node(
    bootstrapped: Path, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        for context in load_context(bootstrapped, "test", **params):
            _ = context.params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"models": {"net": {"fixed": {"n_epoch": 8}}}}, r"unknown=\['n_epoch'\]"),
        ({"training": {"n_checkpoints": 50}}, "n_checkpoints=50"),
    ],
)
def test_what_the_families_refuse_is_told_before_any_node(
    bootstrapped: Path, sample_data: Path, tmp_path: Path, params: dict[str, Any], message: str
) -> None:
    (tmp_path / "01_raw").symlink_to(sample_data)
    given = {**params, "data_root": str(tmp_path)}
    with (
        RightfitSession.create(bootstrapped, env="test", runtime_params=given) as session,
        pytest.raises(ConfigurationError, match=message),
    ):
        session.run(pipeline_names=["perf"])

    assert not list(tmp_path.rglob("*.parquet"))


def run_in(project: Path, folder: Path, pipeline: str, **params: Any) -> None:
    """Run a pipeline in an environment of its own; its tables are looked for in the folder."""
    given = {"grid": {"datasets": "landsat", "models": "linear"}, "data_root": str(folder)}
    with RightfitSession.create(
        project, conf_source=str(folder / "conf"), env="odd", runtime_params=given | params
    ) as session:
        session.run(pipeline_names=[pipeline])


@pytest.fixture
def odd(bootstrapped: Path, tmp_path: Path) -> Path:
    """A copy of the configuration with an empty environment ``odd``; returns its parent."""
    shutil.copytree(bootstrapped / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "odd").mkdir()
    return tmp_path


def test_what_this_machine_lacks_is_refused_before_any_node(
    bootstrapped: Path, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightfit.measuring.worker.meters.devices.list_devices", lambda: ("cpu",))
    monkeypatch.setattr("rightfit_kedro.validation.list_devices", lambda: ("cpu",))

    with pytest.raises(ConfigurationError, match=r"training\.device is 'cuda', but this machine"):
        run_in(bootstrapped, odd, "training", training={"device": "cuda"})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("landsat: {type: os.system}", "'landsat'"),
        ("landsat: {type: builtins.dict}", "must extend 'AbstractDataset'"),
        ("landsat: {type: null}", "'landsat'"),
        ("landsat: {filepath: 'magic://x'}", "Protocol not known: magic"),
    ],
)
def test_catalog_entry_that_cannot_be_opened_is_refused_in_one_line(
    bootstrapped: Path, odd: Path, entry: str, message: str
) -> None:
    (odd / "conf" / "odd" / "catalog_odd.yml").write_text(entry)

    with pytest.raises(ConfigurationError, match=re.escape(message)) as refused:
        run_in(bootstrapped, odd, "data_engineering")

    assert "\n" not in refused.value.message
    assert refused.value.message.endswith("conf/*/catalog*.yml.")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"": {"training": 3}}, "--params sets '', which nothing reads"),
        (
            {"rankin": {"seed": 3}},
            "--params sets 'rankin', which nothing reads (did you mean 'ranking'?).",
        ),
    ],
)
def test_run_parameter_that_means_nothing_is_refused(
    bootstrapped: Path, odd: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        run_in(bootstrapped, odd, "data_engineering", **given)
