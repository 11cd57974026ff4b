"""Each name of CHANGELOG's table that a person may still write is answered with today's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rightfit.kedro_project.nodes import find_unknown_names
from rightfit.parameters.defaults import complete_parameters, merge
from rightfit.parameters.grid import Grid
from rightfit.parameters.validation import find_block_faults
from rightfit.pipelines import create_pipelines

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
NODES_AND_TABLES = ("nodes", "table")  # with which a row of these begins
KEYS: Mapping[str, Mapping[str, Any]] = {
    "training.measuring": {"training": {"measuring": True}},
    "training.measuring_share": {"training": {"measuring_share": 0.1}},
    "training.is_timed": {"training": {"is_timed": True}},
    **{
        f"training.pausing.{key}": {"training": {"pausing": {key: 1}}}
        for key in ("hopeless_chance", "hopeless_after")
    },
    "max_rate_per_s": {
        "applications": {"web": {"constraints": {"max_rate_per_s": {"min": 1}}}},
    },
    **{
        key: {"evaluation": {"presets": {"quick": {"server": {key: 1}}}}}
        for key in ("p99_limit_ms", "rate_error_pct")
    },
    **{
        key: {"evaluation": {"presets": {"quick": {key: 1}}}}
        for key in ("shared_error_pct", "n_visits", "max_returns")
    },
}
# Python's and files' names, columns, verbs and options: no key of the configuration
OTHERS = {
    *("null_reasons", "measured_how", "violations", "won", "central_weights", "n_turns_seen"),
    *("rightfit.hooks", "rightfit.conf_files", "rightfit.configuration", "settings.py", "server"),
    *("docs/your_own.md", "docs/using_results.md", "docs/scaling.md", "handover.json"),
    "studies.db",
    *("rightfit.datasets.json_store", ".study_store", ".earlier_winners", ".run_version"),
    *("studies", "heartbeat_s", "grace_s"),  # of a catalog entry
    *(".json_model", ".report_file"),
    *("landsat.profiles", "--runner=SomeRunner", "rightfit check-family NAME", "rightfit check"),
    *("train(configuration, data, *, n_checkpoints, seed, n_threads, device)",),
    *("flips", "flip", "recommendations.json", "profile.json", "rightfit which --json"),
    *("data/08_reporting/report.html/VERSION/report.html", "runtime", "n_threads", "device"),
}


def read_rows() -> list[tuple[str, str]]:
    """Return what was before and what is now, row by row."""
    table = CHANGELOG.read_text(encoding="utf-8").partition("| before | now |\n|---|---|\n")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")]
    return [(before.strip(), now.strip()) for before, now in rows]


def list_names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def is_of_a_run(before: str) -> bool:
    return before.startswith(NODES_AND_TABLES)


def test_every_former_name_is_tried_here_or_is_none_of_the_configuration() -> None:
    others = [before for before, _ in read_rows() if not is_of_a_run(before)]
    written = {name for before in others for name in list_names(before)}

    assert written == {*KEYS, *OTHERS}


@pytest.mark.parametrize("key", KEYS)
def test_former_key_is_one_fault_that_says_what_became_of_it(key: str) -> None:
    parameters = complete_parameters(merge({"applications": {"web": {}}}, KEYS[key]))

    [fault] = [one for one in find_block_faults(parameters) if key in one]

    assert re.search(r" is \w+ now| went| no metric any more", fault)
    assert re.search(r"Correct parameters_\w+\.yml\.$", fault)


@pytest.mark.parametrize("row", [row for row in read_rows() if is_of_a_run(row[0])])
def test_former_node_or_table_of_a_run_is_answered_with_its_name_of_today(
    row: tuple[str, str],
) -> None:
    before, now = row
    families = {"forest": "rightfit.families.forest"}
    grid = Grid({"landsat": ("landsat",)}, families, cascades=("cascade",))
    perf = create_pipelines(grid)["perf"]
    option = "to_outputs" if before.startswith("table") else "from_nodes"

    for name in list_names(before):
        [line] = find_unknown_names({option: [name]}, perf)

        assert line.startswith(
            f"--{option.replace('_', '-')} {name}: there is no such name; it is "
        )
        assert line.rpartition(" it is ")[2].removesuffix(" now.") in list_names(now)


def test_former_namespace_is_answered_with_those_of_the_stages() -> None:
    families = {"forest": "rightfit.families.forest"}
    perf = create_pipelines(Grid({"landsat": ("landsat",)}, families))["perf"]

    given = {"namespaces": ["landsat"], "to_nodes": ["report.write_report"]}
    [line] = find_unknown_names(given, perf)

    assert line == (
        "--namespaces landsat: there is no such name; it is data_engineering.landsat or "
        "performance_evaluation.landsat or training.landsat now."
    )


def test_former_namespace_of_a_measured_cell_is_answered_with_its_dataset() -> None:
    families = {"forest": "rightfit.families.forest"}
    perf = create_pipelines(Grid({"landsat": ("landsat",)}, families))["perf"]
    former = "performance_evaluation.landsat.forest"

    [line] = find_unknown_names({"namespaces": [former]}, perf)

    assert line == (
        f"--namespaces {former}: there is no such name (did you mean "
        "'performance_evaluation.landsat'?)."
    )


def test_former_node_of_a_misspelt_dataset_is_not_answered_with_another() -> None:
    tables = {"landsat": ("landsat",), "shuttle": ("shuttle",)}
    perf = create_pipelines(Grid(tables, {}))["perf"]

    [line] = find_unknown_names({"node_names": ["data_engineering.shuttel.encode_rows"]}, perf)

    assert "did you mean 'data_engineering.shuttle.encode_rows'?" in line


def test_misspelt_node_is_answered_with_the_nearest_name() -> None:
    perf = create_pipelines(Grid({"landsat": ("landsat",)}, {}))["perf"]

    assert find_unknown_names({"node_names": ["report.write_reprot"]}, perf) == [
        "--nodes report.write_reprot: there is no such name (did you mean 'report.write_report'?)."
    ]
