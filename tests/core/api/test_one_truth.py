"""Rankings of every awkward kind: all outputs tell the same winner, quality and limits."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.exports import make_model
from factories.rankings import make_application, make_profile, make_rules
from factories.reports import ENVIRONMENT
from rich.console import Console

import rightfit as rf
from rightfit._core.formatting import format_quality
from rightfit._core.typed_tables import write_as_text
from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.exporting.model_call import Model, describe_call
from rightfit.exporting.readme import write_readme
from rightfit.measuring.profile import complete_columns
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.explanation.answer import Answer, Origin, answer_to_json
from rightfit.ranking.explanation.decisions import (
    Decision,
    read_recommendations,
    write_recommendations,
)
from rightfit.reporting.terminal import tabulate_winners

ACCURACY = QualityMetric(name="accuracy", worst=0.5, best=1.0)
ERROR = QualityMetric(name="neg_mean_absolute_error", worst=40, best=0)
KINDS = ("plain", "equal", "kept", "disturbed", "infeasible", "cascade", "regression", "relative")
N_SEEDS = 4
VERSION = "2026-01-02T03.04.05.678Z"


def make_ranking(kind: str, seed: int) -> Ranking:
    """A random ranking of one awkward kind, of six candidates on one dataset."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    metric = ERROR if kind == "regression" else ACCURACY
    spread = 0.002 if kind in ("equal", "kept") else 0.1
    rows = []
    for number in range(6):
        scaled = float(np.clip(0.7 + spread * rng.standard_normal(), 0.05, 0.95))
        p50_ms = float(np.exp(spread * 8 * rng.standard_normal()))
        settings = {"searched": {}, "fixed": {}}
        if kind == "cascade" and number % 3 == 2:
            settings["fixed"] = {"cheap": "linear-000", "expensive": "linear-001"}
        rows += [
            make_profile(
                f"{('linear', 'forest', 'net')[number % 3]}-{number:03d}",
                n_threads=n_threads,
                request_path="model",
                settings=json.dumps(settings),
                disturbed=kind == "disturbed" and bool(rng.integers(2)),
                min_hardware_tier=float(rng.integers(1, 3)),
                quality_metric=metric.title,
                **spread_around("quality", scaled, 0.01),
                **spread_around("quality_raw", unscale(metric, scaled), 0.01),
                **spread_around("latency_p50_ms", p50_ms / n_threads, 0.05 * p50_ms),
            )
            for n_threads in (1, 2)
        ]
    limits: dict[str, dict[str, Any]] = {"latency_p50_ms": {"max": 1.1}}
    if kind == "infeasible":
        limits["latency_p50_ms"] = {"max": 1e-6}
    if kind == "relative":
        limits["quality"] = {"max_degradation": 0.05}
    if kind == "regression":
        limits["quality_raw"] = {"min": unscale(metric, 0.65)}
    asked = Applications(
        {
            "web_api": make_application(constraints=limits),
            "by_quality": make_application(
                objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}
            ),
        }
    )
    table = complete_columns(pl.DataFrame(rows, infer_schema_length=None))
    profiles = Profiles(table, ENVIRONMENT, {"landsat": metric})
    ranking = Ranking(profiles, asked, make_rules())
    if kind == "kept":
        slower = table.with_columns(pl.col("latency_p50_ms") * (1 + 0.01 * rng.random(len(table))))
        earlier = Ranking(Profiles(slower, ENVIRONMENT, profiles.qualities), asked, make_rules())
        ranking = Ranking(profiles, asked, make_rules(), earlier=earlier.winners)
    return ranking


def unscale(metric: QualityMetric, scaled: float) -> float:
    worst, best = metric.raw_bounds
    return worst + scaled * (best - worst)


def spread_around(metric: str, value: float, reach: float) -> dict[str, float]:
    return {metric: value, f"{metric}_low": value - reach, f"{metric}_high": value + reach}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make_model(tmp_path_factory.mktemp("model") / "bundle")


@pytest.mark.parametrize("seed", range(N_SEEDS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_output_tells_the_same(kind: str, seed: int, model: Model, tmp_path: Path) -> None:
    ranking = make_ranking(kind, seed)
    graph = join_encoder(model.bundle.locate("model.onnx"), model.encoder)
    page = ranking.report(tmp_path / "report.html").read_text(encoding="utf-8")
    stored = read_recommendations(
        json.loads(json.dumps(write_recommendations(ranking.recommendations)))
    )
    written = pl.read_csv(write_as_text(ranking.table, "violations").write_csv().encode())
    console = Console(width=200, file=io.StringIO())
    console.print(tabulate_winners(ranking.recommendations))
    shown = console.file.getvalue()  # type: ignore[attr-defined]

    for application in ranking.applications:
        decision = ranking.decision(application)
        rows = written.filter(application=application)
        board = ranking.leaderboard(application)
        profile = ranking.winner(application)

        assert stored[application].datasets["landsat"] == decision
        check_order(ranking, application, decision)
        if decision.winner is None:
            assert profile is None
            assert not rows["feasible"].any()
            continue
        check_limits(decision)
        assert profile is not None
        expected = profile.quality_raw.value
        assert expected is not None
        text = format_quality(expected)
        answer = make_answer(ranking, application, decision)
        whole = answer_to_json(answer)
        facts = [fact.text for fact in answer.list_facts() if fact.kind == "quality"]
        readme = write_readme(answer, model, describe_call(decision.winner, model, graph))
        names = {
            decision.winner.candidate,
            profile.candidate,
            rows["candidate"][0],
            board["candidate"][0],
            whole["winner"]["candidate"],  # type: ignore[index, call-overload]
        }
        values = [
            decision.winner.metrics["quality_raw"].value,
            decision.winner.quality and decision.winner.quality.value,
            rows["quality_raw"][0],
            whole["winner"]["metrics"]["quality_raw"]["value"],  # type: ignore[index, call-overload]
        ]

        assert names == {profile.candidate}
        assert values == pytest.approx([expected] * 4, rel=1e-12)
        assert format_quality(board[profile.quality_metric][0]) == text
        assert facts[0].startswith(f"{profile.quality_metric} {text} (")
        assert read_card(page, application) == text
        assert read_board(page, application) == text
        assert read_readme(readme) == f"{profile.quality_metric} {text}"
        assert text in shown


def check_order(ranking: Ranking, application: str, decision: Decision) -> None:
    rows = ranking.table.filter(application=application)
    feasible = rows.filter("feasible")
    assert (decision.winner is None) == feasible.is_empty()
    if decision.winner is None:
        return
    within = ranking.rules.equal_within
    others = feasible["utility"][1:].to_list()
    utility = decision.winner.utility
    assert utility is not None
    assert max([utility, *others]) < utility + within
    assert others == sorted(others, reverse=True)
    near = feasible.filter((pl.col("utility") - utility).abs() < within)["candidate"][1:]
    assert sorted(decision.equal_to) == sorted(near)
    assert decision.winner.p_best >= feasible["p_best"].max() / 2  # type: ignore[operator]
    assert decision.mark == (
        "clear"
        if decision.winner.p_best >= 0.95
        else "likely"
        if decision.winner.p_best >= 0.75
        else "open"
    )


def check_limits(decision: Decision) -> None:
    assert decision.winner is not None
    for limit in decision.limits:
        assert limit.is_met
        assert limit.value is not None
        assert limit.bound is not None
        assert limit.value == pytest.approx(decision.winner.metrics[limit.metric].value)
        is_within = (
            limit.value <= limit.bound if limit.kind == "max" else limit.value >= limit.bound
        )
        assert is_within or limit.value == pytest.approx(limit.bound)


def make_answer(ranking: Ranking, application: str, decision: Decision) -> Answer:
    assert decision.winner is not None
    return Answer(
        application=application,
        dataset="landsat",
        purpose="a test",
        decision=decision,
        profiles=tuple(ranking.profiles.select(candidate=decision.winner.candidate)),
        origin=Origin(VERSION, VERSION, None, ENVIRONMENT),
    )


def read_card(page: str, application: str) -> str:
    cell = page.partition(f'id="cell-{application}-landsat"')[2].partition("</td>")[0]
    match = re.search(r"<li><b>([^<]*)</b>", cell)
    assert match is not None
    return match[1]


def read_board(page: str, application: str) -> str:
    board = page.partition(f'id="record-{application}-landsat"')[2].partition("</table>")[0]
    first = board.partition("<tbody>")[2].partition("</tr>")[0]
    return re.findall(r"<td[^>]*>([^<]*)", first)[2].strip()


def read_readme(readme: str) -> str:
    line = next(line for line in readme.splitlines() if line.lower().startswith("| quality |"))
    return line.split("|")[2].strip().replace("\\", "")


def test_application_may_be_named_only_where_it_exists() -> None:
    ranking = make_ranking("plain", 0)

    with pytest.raises(rf.RightfitError, match="no application"):
        ranking.winner("nobody")
