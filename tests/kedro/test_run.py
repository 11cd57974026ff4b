"""Which runner a session gives a run, and what that leaves alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import AbstractRunner, SequentialRunner, ThreadRunner
from kedro_viz.integrations.kedro.hooks_utils import is_sequential_runner

from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import TAG, find_stage
from rightfit_kedro.pipelines import create_pipelines
from rightfit_kedro.run import RightfitRunner, RightfitSession, refuse_unjudgeable

NAMES = ("flats", "shops")
QUALITY = {"quality": {"weight": 1, "worst": 0.5, "best": 1.0}}
PERF = create_pipelines(Grid({name: (name,) for name in NAMES}, dict.fromkeys(NAMES, ("linear",))))[
    "perf"
]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> RightfitSession:
    """Return a session whose runs return the runner instead of running."""

    def run(
        self: KedroSession,
        runner: AbstractRunner | None = None,
        *,
        tags: tuple[str, ...] = (),
        node_names: tuple[str, ...] = (),
        from_nodes: list[str] | None = None,
        load_versions: dict[str, str] | None = None,
        only_missing_outputs: bool = False,
    ) -> dict[str, Any]:
        return {"runner": runner, "tags": tags, "only_missing_outputs": only_missing_outputs}

    monkeypatch.setattr(KedroSession, "run", run)
    return object.__new__(RightfitSession)


@pytest.mark.parametrize("runner", [None, SequentialRunner(), SequentialRunner(is_async=True)])
def test_default_runner_is_replaced(session: RightfitSession, runner: AbstractRunner) -> None:
    found = session.run(runner=runner, tags=("a",))

    assert type(found["runner"]) is RightfitRunner
    assert found["runner"]._is_async is (runner is not None and runner._is_async)
    assert found["tags"] == ("a",)


def test_runner_that_somebody_names_stays(session: RightfitSession) -> None:
    named = ThreadRunner()

    assert session.run(runner=named)["runner"] is named


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            {"from_nodes": ["data_engineering.landsat.encode_row"]},
            ConfigurationError,
            "--from-nodes .*did you mean 'data_engineering.landsat.encode_rows'",
        ),
        ({"node_names": ["foreign"]}, ConfigurationError, "--nodes foreign: there is no such name"),
        ({"tags": ["unknown"]}, ConfigurationError, "--tags unknown: there is no such name"),
        (
            {"load_versions": {"landsat.data_crad": "1"}},
            ConfigurationError,
            r"--load-versions landsat.data_crad: .* .did you mean 'landsat.data_card'",
        ),
        (
            {"pipeline_names": ["prf"]},
            ConfigurationError,
            r"--pipelines prf: there is no such pipeline \(did you mean 'perf'\?\). There are",
        ),
        ({"tags": []}, ValueError, "as Kedro says it"),
    ],
)
def test_name_that_no_pipeline_has_ends_a_run_in_one_line(
    asked: dict[str, Any],
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(
        _self: KedroSession,
        runner: AbstractRunner | None = None,
        *,
        pipeline_names: list[str] | None = None,
        tags: list[str] | None = None,
        node_names: list[str] | None = None,
        from_nodes: list[str] | None = None,
        load_versions: dict[str, str] | None = None,
        only_missing_outputs: bool = False,
    ) -> None:
        raise ValueError("as Kedro says it")

    made = create_pipelines(Grid({"landsat": ("landsat",)}, {}))
    monkeypatch.setattr("rightfit_kedro.run.pipelines", made)
    monkeypatch.setattr(KedroSession, "run", refuse)

    with pytest.raises(error, match=message):
        object.__new__(RightfitSession).run(**{"pipeline_names": ["perf"]} | asked)


def shout(text: str) -> str:
    return text.upper()


def count(text: str) -> int:
    return int(text)


def test_node_that_fails_ends_the_run_with_its_error_and_where_to_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nodes = [
        Node(shout, "text", "loud", name="shout", tags=TAG),
        Node(count, "loud", "n", name="count", tags=TAG),
    ]

    with pytest.raises(ValueError, match="invalid literal"):
        RightfitRunner().run(
            Pipeline(nodes), DataCatalog({"text": MemoryDataset("quiet")}), _create_hook_manager()
        )
    assert '--from-nodes "shout"' in caplog.text  # "loud" is in no file


def test_memory_dataset_that_two_nodes_read_is_there_for_both() -> None:
    nodes = [
        Node(shout, "text", "loud", name="shout", tags=TAG),
        Node(len, "loud", "length", name="measure", tags=TAG),
        Node(shout, "loud", "louder", name="shout_again", tags=TAG),
    ]
    catalog = DataCatalog({"text": MemoryDataset("quiet")})

    made = RightfitRunner().run(Pipeline(nodes), catalog, _create_hook_manager())

    assert {name: dataset.load() for name, dataset in made.items()} == {
        "length": 5,
        "louder": "QUIET",
    }


def test_kedro_viz_tracks_runs_of_this_runner() -> None:
    assert is_sequential_runner({"runner": str(RightfitRunner())})


def test_pipeline_of_others_runs_as_in_kedro(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def note(self: SequentialRunner, pipeline: Pipeline, *_: object) -> None:
        ran.append([node.name for node in pipeline.nodes])

    monkeypatch.setattr(SequentialRunner, "_run", note)

    RightfitRunner().run(Pipeline([Node(shout, "text", "loud", name="shout")]),
                         DataCatalog({"text": MemoryDataset("quiet")}))  # fmt: skip

    assert ran == [["shout"]]


@pytest.mark.parametrize("column", ["town", "region"])
def test_segments_by_a_column_that_no_dataset_has_are_refused_before_slow_work(column: str) -> None:
    content = {
        "flats.rows": pl.DataFrame({"size": [1.0, 2.0], "label": [0, 1]}),
        "shops.rows": pl.DataFrame({"town": ["a", "b"], "label": [0, 1]}),
        **{f"{name}.data_card": SimpleNamespace(task="classification") for name in NAMES},
        "params:applications": {
            "map": {"description": "d", "objectives": QUALITY, "per": column},
            "plain": {"description": "d", "objectives": QUALITY},
        },
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in content.items()})
    nodes = [node for node in PERF.nodes if find_stage(node) == "evaluation"]

    if column == "town":  # one of them has it: the ranking says where it is missing
        refuse_unjudgeable(nodes, catalog)
        return
    with pytest.raises(
        ConfigurationError, match=r"map\.per: there is no column 'region' among size"
    ):
        refuse_unjudgeable(nodes, catalog)
