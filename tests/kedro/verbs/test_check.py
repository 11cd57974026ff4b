"""check fails on a worse winner and passes on the same; size writes YAML."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import Result
from factories.reports import make_load_curve, make_load_curves, make_load_step
from factories.studies import APPLICATIONS, LATER, RANKING, Study, make_measured, rank

from rightfit._core.processes.codec import to_plain
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.records.baseline import compare_baselines
from rightfit.ranking.records.load_records import LoadCurve
from rightfit_deploy import winner_size
from rightfit_kedro.stored_results import StoredResults
from rightfit_kedro.verbs.check import read_present

pytestmark = pytest.mark.whole

Ask = Callable[..., Result]


@pytest.fixture
def baseline(stored_baseline: str, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    path.write_text(stored_baseline)
    return path


def store_later(study: Study, open_catalog: Any, *, loss: float) -> None:
    """Store a later run of so much less quality."""
    lower = pl.col("quality", "quality_low", "quality_high") - loss
    profiles = make_measured(study.bundle).with_columns(lower)
    catalog = open_catalog(study.root, LATER)
    catalog.save("resource_profiles", profiles)
    catalog.save("recommendations", write_recommendations(rank(profiles)))


def test_same_results_pass(ask: Ask, baseline: Path, study: Study, open_catalog: Any) -> None:
    store_later(study, open_catalog, loss=0)

    result = ask("check", "--against", baseline)

    assert result.exit_code == 0, result.output
    assert result.output.startswith("same  ")
    assert "web_api on landsat" in result.output
    assert result.output.endswith("0 of 1 regressed\n")


def test_worse_winner_fails_and_says_by_how_much(
    ask: Ask, baseline: Path, study: Study, open_catalog: Any
) -> None:
    store_later(study, open_catalog, loss=0.1)

    result = ask("check", "--against", baseline)
    as_json = ask("check", "--against", baseline, "--json")

    assert result.exit_code == as_json.exit_code == 1
    assert (
        "scaled quality is worse: 0.800 (0.780 to 0.825) before, 0.700 (0.680 to 0.725) now"
        in result.output
    )
    (finding,) = json.loads(as_json.output)
    assert finding["application"] == "web_api"


def test_workflow_of_the_docs_runs_and_writes_the_verdict(
    ask: Ask, baseline: Path, study: Study, open_catalog: Any
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "howto" / "ci.md").read_text()
    (block,) = [
        part for part in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "jobs" in part
    ]
    (job,) = yaml.safe_load(block)["jobs"].values()
    (command,) = [
        step["run"] for step in job["steps"] if step.get("run", "").startswith("rightfit check")
    ]
    words = command.split()[1:]
    verdict = baseline.with_name(words[words.index("--markdown") + 1])
    places = {"baseline.json": baseline, verdict.name: verdict}
    store_later(study, open_catalog, loss=0.042)

    result = ask(*(places.get(word, word) for word in words))

    assert result.exit_code == 3, result.output
    assert "cannot tell  linear-000, web_api on landsat" in result.output
    assert verdict.read_text().startswith("## Models against the baseline: cannot tell")
    assert any(f"--body-file {verdict.name}" in step.get("run", "") for step in job["steps"])


@pytest.mark.parametrize(
    ("keep_winner", "faults", "note"),
    [
        (True, 0, "forest-001 has replaced linear-000, but is not significantly better"),
        (False, 2, "forest-001 has replaced linear-000"),
    ],
)
def test_winner_of_the_baseline_stands_where_nothing_is_surely_better(
    results: StoredResults,
    study: Study,
    open_catalog: Any,
    keep_winner: bool,
    faults: int,
    note: str,
) -> None:
    parameters = {"applications": APPLICATIONS, "ranking": RANKING | {"keep_winner": keep_winner}}
    before, _ = read_present(results, parameters, None)
    now = {"linear-000": (0.76, 0.72, 0.80), "forest-001": (0.765, 0.755, 0.775)}
    columns = ("quality", "quality_low", "quality_high")
    profiles = make_measured(study.bundle).with_columns(
        latency_p50_ms=0.01,
        **{
            column: pl.col("candidate").replace_strict(
                {name: figures[position] for name, figures in now.items()}
            )
            for position, column in enumerate(columns)
        },
    )
    catalog = open_catalog(study.root, LATER)
    catalog.save("resource_profiles", profiles)
    catalog.save("recommendations", write_recommendations(rank(profiles)))

    present, standing = read_present(results, parameters, before)
    found = compare_baselines(before, present, standing, margin_pct=5)

    (one,) = (one for one in found if one.application == "web_api")
    assert len(one.faults) == faults
    assert one.notes[0] == note


def test_baseline_of_another_machine_is_refused_unless_told(ask: Ask, baseline: Path) -> None:
    content = json.loads(baseline.read_text())
    content["machine"]["cpu"] = "Faster CPU"
    baseline.write_text(json.dumps(content))

    refused = ask("check", "--against", baseline)

    assert refused.exit_code == 1
    assert "measured on Faster CPU, 2 cores" in refused.output
    assert ask("check", "--against", baseline, "--any-machine").exit_code == 0


def test_baseline_without_a_machine_is_refused_unless_told(ask: Ask, baseline: Path) -> None:
    content = json.loads(baseline.read_text())
    baseline.write_text(json.dumps(content | {"machine": None}))

    refused = ask("check", "--against", baseline)

    assert refused.exit_code == 1
    assert "the baseline does not say what it was measured on" in refused.output
    assert ask("check", "--against", baseline, "--any-machine").exit_code == 0


def test_a_baseline_of_an_earlier_format_is_not_compared(ask: Ask, baseline: Path) -> None:
    content = json.loads(baseline.read_text())
    baseline.write_text(json.dumps(content | {"format_version": content["format_version"] - 1}))

    refused = ask("check", "--against", baseline)

    assert refused.exit_code == 1
    assert f"Write one from the last ranking: rightfit check --against {baseline}" in refused.output


@pytest.mark.parametrize("winners", [{}, {"web_api": {}}, {"web_api": {"landsat": None}}])
def test_baseline_that_compares_nothing_fails(ask: Ask, baseline: Path, winners: Any) -> None:
    content = json.loads(baseline.read_text())
    baseline.write_text(json.dumps(content | {"winners": winners}))

    refused = ask("check", "--against", baseline)
    rewritten = ask("check", "--against", baseline, "--write")

    assert refused.exit_code == 1
    assert "is no baseline to compare with: winners holds no winner" in refused.output
    assert refused.output.rstrip().endswith(f"rightfit check --against {baseline} --write")
    assert rewritten.exit_code == 0
    assert ask("check", "--against", baseline).exit_code == 0


def test_interval_the_wrong_way_round_is_refused_in_one_line(ask: Ask, baseline: Path) -> None:
    content = json.loads(baseline.read_text())
    kept = content["winners"]["web_api"]["landsat"]["metrics"]["quality"]
    kept["low"], kept["high"] = kept["high"], kept["low"]
    baseline.write_text(json.dumps(content))

    refused = ask("check", "--against", baseline)

    assert refused.exit_code == 1
    assert "metrics: quality: low must not be above high" in refused.output
    assert len(refused.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("metric", "value", "demand"),
    [
        ("quality", 5.0, "must lie between 0 and 1"),
        ("quality", -0.1, "must lie between 0 and 1"),
        ("latency_p50_ms", -1.0, "must not be negative"),
        ("gpu_util_pct", 200.0, "must lie between 0 and 100"),
    ],
)
def test_figure_that_nothing_can_have_measured_is_refused_in_one_line(
    metric: str, value: float, demand: str, ask: Ask, baseline: Path
) -> None:
    document = json.loads(baseline.read_text())
    winner = document["winners"]["web_api"]["landsat"]
    winner["metrics"][metric] = {"value": value, "low": None, "high": None}
    baseline.write_text(json.dumps(document))

    result = ask("check", "--against", baseline)

    assert result.exit_code == 1
    assert f"winners.web_api.landsat.{metric} is {value:g}, but {demand}" in result.output


@pytest.mark.parametrize("switches", [[], ["--write"]])
def test_pipe_for_a_baseline_is_refused_and_not_waited_for(
    ask: Ask, tmp_path: Path, switches: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    refused = ask("check", "--against", tmp_path / "pipe.json", *switches)

    assert refused.exit_code == 1
    assert "only regular files are read" in refused.output


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "Write one from the last ranking: rightfit check"), ("{}", "is no baseline")],
)
def test_file_that_is_no_baseline_is_refused(
    ask: Ask, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_text(content)

    result = ask("check", "--against", path)

    assert result.exit_code == 1
    assert message in result.output


def test_size_needs_a_measured_rate_or_a_load(ask: Ask, tmp_path: Path) -> None:
    command = ("size", "-a", "web_api", "-d", "landsat", "--rate", "2000")
    step = make_load_step(500.0, (1.0, 2.0, 3.0))
    alone = make_load_step(1.0, (1.0, 2.0, 3.0), loop="closed")
    curve = to_plain(LoadCurve((alone,), (step,), 600.0, 500.0, 50.0, 500.0))
    (tmp_path / "load.json").write_text(json.dumps(curve))
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "rows.json").write_text(json.dumps(curve | {"n_rows": -2}))

    bare = ask(*command)
    served = ask(*command, "--load", tmp_path / "load.json")
    other = ask(*command, "--load", tmp_path / "other.json")
    rows = ask(*command, "--load", tmp_path / "rows.json")

    assert bare.exit_code == 1
    assert "rightfit size --load load.json" in bare.output
    assert served.exit_code == 0, served.output
    assert yaml.safe_load(served.output)["spec"]["replicas"] == 6  # 2,000 × 1.3 / 500 = 5.2
    assert other.exit_code == 1
    assert "is not what rightfit load-test --json prints" in other.output
    assert "-2 is no figure of a load" in rows.output


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        (["b={load}", "b={load}"], "--load: b stands twice"),
        (["{load}", "this_machine={load}"], "--load: this_machine stands twice"),
        (["={load}"], "a kind of machine must match"),
        (["../b={load}"], "a kind of machine must match"),
        (["b="], "There is no file ."),
    ],
)
def test_kinds_of_machine_are_named_once_and_plainly(
    loads: list[str], message: str, ask: Ask, tmp_path: Path
) -> None:
    path = tmp_path / "load.json"
    path.write_text(json.dumps(to_plain(make_load_curve())))
    options = [f"--load={load.format(load=path)}" for load in loads]

    result = ask("size", "-a", "web_api", "-d", "landsat", "--rate", "9", "--json", *options)

    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize("name", ["''", "../x", "a b", "Board"])
def test_prices_are_of_kinds_with_plain_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "prices.yml").write_text(f"{name}: {{price_per_hour: 1}}")

    with pytest.raises(ValueError, match=r"prices\.yml must hold lines such as 'board:"):
        winner_size.read_prices(tmp_path / "prices.yml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("opened", 0, "loop"), "opn", "'opn' stands where one of open, closed must"),
        (("opened", 0, "loop"), "closed", "opened must hold steps of the loop 'open' alone"),
        (("opened", 0, "level"), 9e9, "the levels of opened must rise"),
        (("opened", 0, "level"), 0, "the levels of opened must rise"),
        (("opened", 0, "latency_ms", "0.5", "low"), 9e9, "the p50 of latency_ms"),
        (("opened", 0, "latency_ms", "0.5", "value"), 9e9, "lies outside of its interval"),
        (("opened", 0, "keeps_up"), None, "None stands where bool must"),
        (("highest_rate_per_s",), 1e12, "highest_rate_per_s is 1e+12"),
        (("knee_per_s",), 3, "knee_per_s is 3, which is the level of no step"),
    ],
)
def test_load_that_no_server_can_have_borne_is_refused(
    path: tuple[str | int, ...], value: object, message: str, tmp_path: Path
) -> None:
    document: Any = to_plain(make_load_curve())
    document = json.loads(json.dumps(document))
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (tmp_path / "load.json").write_text(json.dumps(document))

    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        winner_size.read_load(tmp_path / "load.json")

    assert "load.json is not what rightfit load-test --json prints" in str(caught.value)


def test_size_holds_every_kind_to_the_application_s_limit(ask: Ask, tmp_path: Path) -> None:
    slow = (make_load_step(100.0, (40.0, 80.0, 95.0)),)  # a p50 of 10 ms is asked for
    fast = make_load_curve()
    loosely_loaded = replace(
        fast, opened=slow, highest_rate_per_s=100.0, limit_ms=500.0, knee_per_s=None
    )
    for kind, curve in {"fast": fast, "slow": loosely_loaded}.items():
        (tmp_path / kind).write_text(json.dumps(to_plain(curve)))
    loads = [f"--load={kind}={tmp_path / kind}" for kind in ("fast", "slow")]

    sized = ask("size", "-a", "web_api", "-d", "landsat", "--rate", "100", *loads, "--json")

    table = json.loads(sized.output)
    assert [(s["machine"], s["limit"]) for s in table["servers"]] == [("fast", "a p50 of 10 ms")]
    assert list(table["left_out"]) == ["slow"]


def test_size_says_how_many_of_which_machine_at_several_rates(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "load.json").write_text(json.dumps(to_plain(make_load_curve())))
    (tmp_path / "prices.yml").write_text("board: {price_per_hour: 0.01}")
    command = ("size", "-a", "web_api", "-d", "landsat", "--rate", "100", "--rate", "2000")

    sized = ask(
        *command, "--load", f"board={tmp_path}/load.json", "--prices", tmp_path / "prices.yml"
    )
    as_json = ask(*command[:-2], "--load", f"board={tmp_path}/load.json", "--json")
    (tmp_path / "prices.yml").write_text("board: {price_per_hour: -1}")
    bad = ask(
        *command, "--load", f"board={tmp_path}/load.json", "--prices", tmp_path / "prices.yml"
    )
    missing = ask(*command, "--load", "board=moon.json")
    patch = ask(*command[:-2], "--load", "a=x.json", "--load", "b=y.json")

    assert sized.exit_code == 0, sized.output
    rows = [line.split("  ") for line in sized.output.splitlines() if " board " in line]
    assert [row[0] for row in rows] == ["100", "2,000"]
    table = json.loads(as_json.output)
    assert (table["application"], table["unit"]) == ("web_api", "requests")
    assert [group["rate_per_s"] for group in table["instances"]] == [100]
    assert table["servers"][0]["disturbed"] is make_load_curve().disturbed
    assert (bad.exit_code, missing.exit_code, patch.exit_code) == (1, 1, 2)
    assert "prices.yml must hold lines such as" in bad.output
    assert "board.price_per_hour: must be greater than or equal to 0" in bad.output
    assert "There is no file moon.json" in missing.output


def test_size_counts_the_load_that_the_run_made(ask: Ask, study: Study, open_catalog: Any) -> None:
    store_later(study, open_catalog, loss=0)
    recommendations = rank(make_measured(study.bundle))
    open_catalog(study.root, LATER).save("load_curves", make_load_curves(recommendations))

    sized = ask("size", "-a", "web_api", "-d", "landsat", "--rate", "2000")

    assert sized.exit_code == 0, sized.output
    assert yaml.safe_load(sized.output)["spec"]["replicas"] == 3  # 2,000 × 1.3 / 900 = 2.9


@pytest.mark.parametrize("arguments", [[], ["--write"]])
def test_check_needs_a_baseline(ask: Ask, arguments: list[str]) -> None:
    result = ask("check", *arguments)

    assert result.exit_code == 2
    assert "--against" in result.output
