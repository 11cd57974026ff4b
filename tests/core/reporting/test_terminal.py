"""The table at the end of a run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from factories.reports import make_load_curve
from rich.console import Console

from rightfit.measuring.metrics import Figure, MetricTable
from rightfit.ranking.explanation.findings import find
from rightfit.ranking.records.load_records import LoadCurves
from rightfit.reporting.run_results import Results
from rightfit.reporting.terminal import tabulate_winners


def show(recommendations: Any, width: int) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(tabulate_winners(recommendations))
    return console.file.getvalue()


def test_terminal_names_every_winner_with_its_figures(results: Results) -> None:
    lines = show(results.recommendations, 120).splitlines()
    place = next(i for i, line in enumerate(lines) if "web_api" in line)

    assert lines[place + 1].split() == [
        *("landsat", "forest-14", "onnx", "×1", "likely"),  # noqa: RUF001
        *("0.894", "0.017", "240", "k", "68.8", "micro"),
    ]
    assert lines[place + 2].split() == ["0.882\N{EN DASH}0.906"]
    assert sum(line.rstrip().endswith((" micro", " small")) for line in lines) == 12


def test_terminal_names_the_machine_where_it_is_another_one(results: Results) -> None:
    there = copy.deepcopy(results.recommendations)
    decision = there["web_api"].datasets["landsat"]
    serving = replace(decision.winner.serving, device="cpu@board")
    winner = decision.winner.model_copy(update={"serving": serving})
    there["web_api"].datasets["landsat"] = decision.model_copy(update={"winner": winner})

    assert "forest-14 onnx ×1 cpu@board likely" in show(there, 120)  # noqa: RUF001


def test_terminal_says_that_a_winner_is_kept(results: Results) -> None:
    kept = copy.deepcopy(results.recommendations)
    decision = kept["web_api"].datasets["landsat"]
    kept_finding = find("RF007", "web_api, landsat", "forest-9 would be chosen otherwise.")
    update = {"findings": [kept_finding], "equal_to": ["forest-9"]}
    kept["web_api"].datasets["landsat"] = decision.model_copy(update=update)

    status = "likely, kept ≈1"
    assert f"forest-14 onnx ×1 {status}" in show(kept, 160)  # noqa: RUF001


@pytest.mark.parametrize(("chance", "mark"), [(0.96, "clear"), (0.8, "likely"), (0.7, "open")])
def test_terminal_marks_how_sure_a_winner_is(chance: float, mark: str, results: Results) -> None:
    other = copy.deepcopy(results.recommendations)
    decision = other["web_api"].datasets["landsat"]
    winner = decision.winner.model_copy(update={"p_best": chance})
    other["web_api"].datasets["landsat"] = decision.model_copy(update={"winner": winner})

    assert f"forest-14 onnx ×1 {mark} " in show(other, 120)  # noqa: RUF001


@pytest.mark.parametrize("width", [80, 160])
def test_terminal_cuts_no_figure(results: Results, width: int) -> None:
    text = show(results.recommendations, width)

    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_terminal_says_where_none_qualifies(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 50
    text = " ".join(show(make_results(stricter).recommendations, 160).split())

    assert text.count("none qualifies") == 3
    assert "RF001 edge_device, landsat: No candidate qualifies for landsat" in text


def test_terminal_says_once_what_holds_for_several_applications(results: Results) -> None:
    several = copy.deepcopy(results.recommendations)
    for application in ("web_api", "edge_device"):
        decision = several[application].datasets["landsat"]
        wide = find("RF009", f"{application}, landsat", "The 95 % interval is wide.")
        several[application].datasets["landsat"] = decision.model_copy(update={"findings": [wide]})
    text = " ".join(show(several, 160).split())

    assert text.count("The 95 % interval is wide.") == 1
    assert "RF009 edge_device, landsat; web_api, landsat: The 95 % interval is wide." in text


def test_terminal_warns_of_a_limit_that_load_over_http_breaks(results: Results) -> None:
    broken = replace(make_load_curve(), highest_rate_per_s=None, limit_ms=0.08)
    (load,) = [one for one in results.load_curves.loads if one.curve is not None]
    loads = LoadCurves((replace(load, curve=broken),))
    console = Console(file=StringIO(), width=160, color_system=None)

    console.print(tabulate_winners(results.recommendations, loads))

    assert f"RF012 {load.application}, {load.dataset}: Under" in console.file.getvalue()


def test_terminal_takes_names_for_text(results: Results) -> None:
    hostile = copy.deepcopy(results.recommendations)
    hostile["[red]\x1b[2Jmine[/red]"] = hostile.pop("web_api")

    text = show(hostile, 200)

    assert "[red]?[2Jmine[/red]" in text
    assert "\x1b" not in text


def test_terminal_names_each_metric_once_with_its_datasets(results: Results) -> None:
    text = " ".join(show(results.recommendations, 160).split())

    assert "accuracy of landsat and fashion_mnist; ROC AUC of flights" in text


def test_terminal_names_the_metric_of_an_application(results: Results) -> None:
    judged = copy.deepcopy(results.recommendations)
    decision = judged["web_api"].datasets["landsat"]
    quality = replace(decision.winner.quality, name="macro F1")
    winner = decision.winner.model_copy(
        update={"metrics": {**decision.winner.metrics, "quality_raw": quality}}
    )
    judged["web_api"].datasets["landsat"] = decision.model_copy(update={"winner": winner})

    assert "; macro F1 for web_api" in show(judged, 500)


def test_terminal_shows_the_one_quality_of_a_winner_whatever_is_held_out(
    results: Results,
) -> None:
    other = copy.deepcopy(results.recommendations)
    decision = other["web_api"].datasets["landsat"]
    held_out = Figure(MetricTable.quality_raw, 0.123, 0.1, 0.2, name="accuracy")
    other["web_api"].datasets["landsat"] = decision.model_copy(
        update={"held_out_quality": held_out}
    )

    assert show(other, 160) == show(results.recommendations, 160)
