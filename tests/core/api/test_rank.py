from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from factories.reports import APPLICATIONS, make_profiles
from harness.python_programs import run_python

import rightfit as rf
from rightfit.models.quality.metric import QualityMetric

LAUGHS = "a: &a [lol]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in itertools.pairwise("abcdefghij")
)
QUALITY = {"weight": 1, "worst": 0, "best": 1}


@pytest.fixture(scope="module")
def profiles() -> rf.Profiles:
    accuracy = QualityMetric(name="accuracy", worst=0.5, best=1.0)
    return rf.Profiles(make_profiles(), qualities={"landsat": accuracy, "fashion_mnist": accuracy})


@pytest.fixture(scope="module")
def ranking(profiles: rf.Profiles) -> rf.Ranking:
    return rf.rank(profiles, APPLICATIONS)


def test_winner_is_the_first_feasible_candidate_of_the_table(ranking: rf.Ranking) -> None:
    rows = ranking.table.filter(application="satellite_archive", dataset="landsat", rank=1)

    winner = ranking.winner("satellite_archive", "landsat")

    assert winner is not None
    assert [winner.candidate] == rows["candidate"].to_list()
    assert winner.serving.runtime == rows["runtime"][0]


@pytest.mark.parametrize("best", ["forest-07", "linear-03"])
def test_raw_quality_decides_where_all_qualities_lie_below_their_bound(
    profiles: rf.Profiles, best: str
) -> None:
    raw = pl.when(candidate=best).then(0.45).otherwise(0.4)
    table = profiles.table.filter(dataset="landsat").with_columns(
        *(pl.lit(0.0).alias(name) for name in ("quality", "quality_low", "quality_high")),
        *(raw.alias(name) for name in ("quality_raw", "quality_raw_low", "quality_raw_high")),
        min_hardware_tier=pl.col("min_hardware_tier").min(),
    )
    only_quality = rf.Application(description="d", objectives={"quality": QUALITY})

    ranking = rf.rank(rf.Profiles(table, qualities=profiles.qualities), {"a": only_quality})

    winner = ranking.winner("a")
    assert winner is not None
    assert winner.candidate == best


def test_decision_names_winner_and_what_would_change_it(ranking: rf.Ranking) -> None:
    decision = ranking.decision("satellite_archive", "landsat")

    assert decision.outcome == "winner"
    assert decision.winner is not None
    assert decision.winner.candidate in decision.sentence


def test_every_candidate_has_a_reason_for_its_place(ranking: rf.Ranking) -> None:
    candidates = ranking.table.filter(application="edge_device", dataset="landsat")["candidate"]

    sentences = [ranking.explain(name, "edge_device", "landsat") for name in candidates]

    assert all(name in text for name, text in zip(candidates, sentences, strict=True))
    assert f"1 of {len(candidates)} for edge_device" in sentences[0]


def test_unknown_names_are_refused_with_the_known_ones(ranking: rf.Ranking) -> None:
    with pytest.raises(rf.RightfitError, match="did you mean 'edge_device'"):
        ranking.winner("edge_devise", "landsat")
    with pytest.raises(rf.RightfitError, match="dataset must be one of"):
        ranking.winner("edge_device")
    with pytest.raises(rf.RightfitError, match="no candidate 'nobody'"):
        ranking.explain("nobody", "edge_device", "landsat")


def test_file_mapping_and_objects_ask_the_same(profiles: rf.Profiles, tmp_path: Path) -> None:
    bare, nested = tmp_path / "bare.yml", tmp_path / "nested.yml"
    bare.write_text(yaml.safe_dump(APPLICATIONS, sort_keys=False))
    nested.write_text(yaml.safe_dump({"applications": APPLICATIONS}, sort_keys=False))
    objects = {name: rf.Application.model_validate(block) for name, block in APPLICATIONS.items()}

    tables = [rf.rank(profiles, one).table for one in (bare, str(nested), objects)]

    assert all(table.equals(tables[0]) for table in tables)


def test_unknown_key_deep_in_an_application_gets_the_nearest(profiles: rf.Profiles) -> None:
    goals = {"quality": {"weight": 1, "worst": 0, "best": 1}}
    block: Any = {"objectives": goals, "constraints": {"latency_p50_ms": {"maximum": 3}}}

    with pytest.raises(rf.RightfitError, match=r"\.maximum is unknown; did you mean 'max'\?"):
        rf.rank(profiles, {"desk": block})


def test_names_of_examples_and_single_applications_are_applications(
    profiles: rf.Profiles,
) -> None:
    best = rf.Application(objectives={"quality": rf.Objective(1, 0.0, 1.0)})

    assert [*rf.rank(profiles, "quality_first").applications] == ["quality_first"]
    assert [*rf.rank(profiles, {"mine": "quality_first"}).applications] == ["mine"]
    assert [*rf.rank(profiles, best).applications] == ["application"]
    with pytest.raises(rf.RightfitError, match=r"one of .* \(did you mean 'quality_first'\?\)"):
        rf.rank(profiles, "quality_frist")


@pytest.mark.parametrize("rules", [3, {"confidence": 0.9}])
def test_rules_that_are_none_are_refused(profiles: rf.Profiles, rules: Any) -> None:
    with pytest.raises(rf.RightfitError, match="rules must be those of a ranking"):
        rf.rank(profiles, APPLICATIONS, rules=rules)


def test_table_of_pandas_is_ranked_as_that_of_polars(
    profiles: rf.Profiles, ranking: rf.Ranking
) -> None:
    pytest.importorskip("pandas")
    some_nulls = pl.when(pl.int_range(pl.len()) % 2 == 0)
    nulls = [
        some_nulls.then(name).alias(name)
        for name in ("best_batch_size", "n_latency_samples", "disturbed", "null_reasons")
    ]
    table = profiles.table.with_columns(nulls)
    frame = rf.Profiles(table).to_pandas()

    ranked = rf.rank(frame, APPLICATIONS)

    assert ranked.profiles.table.equals(table)
    assert ranked.table.equals(rf.rank(table, APPLICATIONS).table)
    assert list(ranking.to_pandas().columns) == ranking.to_polars().columns
    assert ranking.to_pandas()["candidate"].tolist() == ranking.table["candidate"].to_list()
    for n_threads in (1.5, "all"):
        with pytest.raises(rf.RightfitError, match="n_threads must hold whole numbers"):
            rf.rank(frame.assign(n_threads=n_threads), APPLICATIONS)
    with pytest.raises(rf.RightfitError, match="latency_p50_ms must hold numbers"):
        rf.rank(frame.assign(latency_p50_ms="fast"), APPLICATIONS)


def test_faults_of_applications_are_all_listed(profiles: rf.Profiles) -> None:
    goals = {"latency_p95": {"weight": 1, "worst": 10, "best": 1}}
    blocks = {
        "one": {"description": "-", "scenario": "offline", "objectives": goals},
        "two": {"description": "-", "scenario": "batch", "objectives": {}},
    }

    with pytest.raises(rf.RightfitError, match="latency_p95") as raised:
        rf.rank(profiles, blocks)

    assert "applications.two" in str(raised.value)
    assert ".;" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n", "must hold applications by name"),
        (b"a: [\n", "is no YAML"),
        (b"{}", "no applic"),
        (b"\xff\xfe", "is no YAML"),
        (b"a: " + b"[" * 20_000, "is no YAML"),
        (b"a: {x: 1}\na: {x: 2}\n", "a stands twice"),
        (b"no: {x: 1}\n", r"names must be texts, but got \[False\]"),
        (b"' ': {x: 1}\n", r"names must be texts, but got \[' '\]"),
        (LAUGHS.encode(), "stand for more than 100,000 values"),
    ],
)
def test_file_that_holds_no_applications_is_refused(
    profiles: rf.Profiles, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "applications.yml"
    path.write_bytes(content)

    with pytest.raises(rf.RightfitError, match=message):
        rf.rank(profiles, path)


@pytest.mark.parametrize("name", ["", 5, "half a letter \ud800"])
def test_a_name_that_no_file_can_hold_is_refused(profiles: rf.Profiles, name: Any) -> None:
    with pytest.raises(rf.RightfitError, match="names must be texts"):
        rf.rank(profiles, {name: {"objectives": {}}})


def test_a_pipe_in_place_of_applications_is_refused(profiles: rf.Profiles, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "applications.yml")

    with pytest.raises(rf.RightfitError, match="only regular files are read"):
        rf.rank(profiles, tmp_path / "applications.yml")


def test_metric_that_no_profile_has_is_refused(profiles: rf.Profiles) -> None:
    lacking = rf.Profiles(profiles.table.drop("latency_p50_ms"))

    with pytest.raises(rf.RightfitError, match="latency_p50_ms"):
        rf.rank(lacking, APPLICATIONS)


def test_what_is_no_ranking_is_refused(profiles: rf.Profiles) -> None:
    given: Any = 5

    with pytest.raises(rf.RightfitError, match="profiles must be what compare"):
        rf.rank(given, APPLICATIONS)
    with pytest.raises(rf.RightfitError, match=r"applications must be .* by name, one"):
        rf.rank(profiles, given)
    for previous in (given, {"any": given}):
        with pytest.raises(rf.RightfitError, match="previous must be a ranking, its folder"):
            rf.rank(profiles, APPLICATIONS, previous=previous)


def test_nothing_to_rank_is_refused(profiles: rf.Profiles) -> None:
    with pytest.raises(rf.RightfitError, match="no profile to rank"):
        rf.rank(profiles[:0], APPLICATIONS)


def test_other_weights_are_checked_like_the_first_ones(profiles: rf.Profiles) -> None:
    block = {"description": "-", "scenario": "offline", "objectives": {"quality": QUALITY}}
    ranking = rf.rank(profiles, {"one": block})

    changed = ranking.with_weights("one", quality=5)

    assert changed.applications["one"].objectives["quality"].weight == 5
    for weight in (float("nan"), float("inf"), -1):
        with pytest.raises(rf.RightfitError, match=r"applications.*weight"):
            ranking.with_weights("one", quality=weight)


def test_every_place_of_a_ranking_shows_the_same_quality(ranking: rf.Ranking) -> None:
    winner = ranking.winner("satellite_archive", "landsat")
    decided = ranking.decision("satellite_archive", "landsat").winner
    assert winner is not None
    assert decided is not None
    assert decided.quality is not None

    board = ranking.leaderboard("satellite_archive", "landsat")

    assert (decided.candidate, decided.quality.value) == (
        winner.candidate,
        float(winner.quality_raw),
    )
    assert decided.quality.name == winner.quality_metric == "accuracy"
    assert board["accuracy"][0] == float(winner.quality_raw)
    assert str(decided.quality).casefold() in repr(ranking).casefold()


def test_leaderboard_shows_metrics_that_count(ranking: rf.Ranking) -> None:
    board = ranking.leaderboard("satellite_archive", "landsat")

    assert board["rank"].to_list() == list(range(1, board.height + 1))
    assert board.schema["throughput_rows_per_s"] == board.schema["utility"] == pl.Float64
    assert board.schema["within limits"] == pl.Boolean


def test_the_only_application_need_not_be_named(profiles: rf.Profiles) -> None:
    alone = rf.rank(profiles, "quality_first")
    several = rf.rank(profiles, APPLICATIONS)
    winner = alone.winner(dataset="landsat")

    assert winner is not None
    assert alone.explain(winner.candidate, dataset="landsat").startswith(winner.candidate)
    with pytest.raises(rf.RightfitError, match="There is no application None; applications: "):
        several.winner(dataset="landsat")


def test_profiles_of_a_candidate_are_an_item(profiles: rf.Profiles) -> None:
    name = profiles.candidates[0]

    assert {profile.candidate for profile in profiles[name]} == {name}
    with pytest.raises(rf.RightfitError, match=f"did you mean '{name}'"):
        profiles[f"{name}x"]


def test_figures_are_compared_with_numbers_and_each_other(profiles: rf.Profiles) -> None:
    figure = profiles[0].quality_raw
    unmeasured = replace(figure, value=None, reason="it has no targets")

    assert 0 < figure <= 1
    assert figure >= figure
    with pytest.raises(rf.RightfitError, match="was not measured: it has no targets"):
        assert unmeasured < 1


def test_saved_ranking_decides_the_same_when_loaded(ranking: rf.Ranking, tmp_path: Path) -> None:
    with_imported = replace(ranking, imported=("linear",))

    loaded = rf.Ranking.load(with_imported.save(tmp_path / "ranking"))

    assert loaded.imported == ("linear",)
    assert loaded.winners == ranking.winners
    assert loaded.table.equals(ranking.table)
    with pytest.raises(rf.RightfitError, match="holds no profiles"):
        rf.Ranking.load(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "deep", "no UTF-8", "missing"])
def test_what_holds_no_ranking_is_refused_at_once(
    ranking: rf.Ranking, profiles: rf.Profiles, tmp_path: Path, kind: str
) -> None:
    folder = ranking.save(tmp_path / "saved")
    file = folder / "ranking.json"
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind != "missing":
        file.write_bytes(b"[" * 100_000 if kind == "deep" else b'{"applications": "\xff"}')

    with pytest.raises(rf.RightfitError, match="holds no ranking"):
        rf.Ranking.load(folder)
    with pytest.raises(rf.RightfitError, match="holds no ranking"):
        rf.rank(profiles, ranking.applications, previous=folder)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("new_field", 1, "new_field: is unknown"),
        ("rules", {"n_draws": "many"}, "rules.n_draws: must be"),
        (
            "rules",
            {"ties": {"rule": [{"by": "price", "prefer": "lower"}], "rule_by_application": {}}},
            "no such column 'price'",
        ),
    ],
)
def test_ranking_of_another_version_is_refused_in_one_line(
    ranking: rf.Ranking, tmp_path: Path, key: str, value: object, fault: str
) -> None:
    file = ranking.save(tmp_path / "saved") / "ranking.json"
    content = json.loads(file.read_text())
    content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(content))

    with pytest.raises(rf.RightfitError, match=f"holds no ranking: .*{fault}") as refused:
        rf.Ranking.load(file.parent)

    assert len(str(refused.value).splitlines()) == 1


def test_a_ranking_is_stored_in_utf_8_whatever_the_locale(
    ranking: rf.Ranking, tmp_path: Path
) -> None:
    asked = ranking.applications["satellite_archive"].model_copy(update={"description": "für Zoë"})
    folder = rf.rank(ranking.profiles, {"a": asked}).save(tmp_path / "saved")
    program = (
        "import sys, rightfit as rf;"
        "print(ascii(rf.Ranking.load(sys.argv[1]).applications['a'].description))"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = run_python("-c", program, folder, **plain)

    assert done.stdout.strip() == r"'f\xfcr Zo\xeb'", done.stderr


def test_winner_of_a_previous_ranking_stands(profiles: rf.Profiles, tmp_path: Path) -> None:
    asked = {"any": {"description": "-", "scenario": "offline", "objectives": {"quality": QUALITY}}}
    measured = rf.Profiles(profiles.table.filter(dataset="landsat"))
    first = rf.rank(measured, asked)
    runner_up = first.decision("any").runner_up
    assert runner_up is not None
    highest = float(measured.table["quality"].max())  # type: ignore[arg-type]
    better = pl.when(candidate=runner_up.candidate).then(highest + 0.004).otherwise("quality")
    again = rf.Profiles(measured.table.with_columns(quality=better))

    fresh = rf.rank(again, asked)
    kept = rf.rank(again, asked, previous=first)
    loaded = rf.rank(again, asked, previous=first.save(tmp_path / "first"))
    plain = {
        name: {dataset: asdict(key) for dataset, key in found.items()}
        for name, found in first.winners.items()
    }

    assert fresh.winners != first.winners
    assert kept.winners == loaded.winners == first.winners
    assert rf.rank(again, asked, previous=plain).winners == first.winners
    assert runner_up.candidate in str(kept.decision("any").finding("RF007"))
    assert rf.Ranking.load(kept.save(tmp_path / "kept")).winners == first.winners


def test_report_names_the_winners_without_a_project(ranking: rf.Ranking, tmp_path: Path) -> None:
    winner = ranking.winner("satellite_archive", "landsat")
    assert winner is not None

    text = ranking.report(tmp_path / "new" / "report.html").read_text()

    assert winner.candidate in text
    assert "{{" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_charts_and_texts_are_there_for_a_notebook(ranking: rf.Ranking) -> None:
    assert len(ranking.plot("edge_device").data) > 0
    assert "<table>" in ranking._repr_html_()
    assert "satellite_archive, landsat" in repr(ranking)


@pytest.mark.parametrize(
    "metrics",
    [
        {"quality": 0.8},
        {"quality": 0.8, "latency_p95_ms": 2},
        {"quality": 0.8, "peak_memory_mib": 9},
    ],
)
def test_a_small_table_of_ones_own_is_ranked_and_reported(
    metrics: dict[str, float], tmp_path: Path
) -> None:
    keys = {"dataset": "d", "model": "m", "candidate": "m-0", "runtime": "onnx", "device": "cpu"}
    goal = {"quality": {"weight": 1, "worst": 0, "best": 1}}
    application = {"description": "One.", "scenario": "offline", "objectives": goal}

    ranking = rf.rank(pl.DataFrame([keys | {"n_threads": 1} | metrics]), {"x": application})

    assert ranking.winner("x").candidate == "m-0"
    assert ranking.leaderboard("x").height == 1
    decided = ranking.decision("x").winner
    assert decided is not None
    assert {name: decided.metrics[name].value for name in metrics} == metrics
    assert "m-0" in ranking.report(tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_the_faster_of_equal_configurations_serves_where_quality_alone_counts() -> None:
    small = {"dataset": "d", "model": "m", "candidate": "a", "n_threads": 1} | {
        "device": "cpu",
        "quality": 0.9,
    }
    rows = [
        small | {"runtime": "native", "latency_p50_ms": 0.11},
        small | {"runtime": "onnx", "latency_p50_ms": 0.05},
    ]

    ranking = rf.rank(
        pl.DataFrame(rows),
        {"best": rf.Application(objectives={"quality": rf.Objective(1, worst=0, best=1)})},
    )

    assert ranking.winners["best"]["d"].serving.runtime == "onnx"
