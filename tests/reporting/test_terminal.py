"""The table at the end of a run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from rightfit.ranking.explanation.shipping import RawQuality, Refit, RefitQuality, Shipped
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
        *("landsat", "forest-14", "onnx", "×1", "tied", "with", "1"),  # noqa: RUF001
        *("0.894", "0.017", "240", "k", "68.8", "micro"),
    ]
    assert lines[place + 2].split() == ["when", "chosen"]
    assert "Quality: on the rows that chose, with its 95 % interval." in map(str.strip, lines)
    assert sum(line.rstrip().endswith((" micro", " small")) for line in lines) == 12


def test_terminal_names_the_machine_where_it_is_another_one(results: Results) -> None:
    there = copy.deepcopy(results.recommendations)
    decision = there["web_api"].datasets["landsat"]
    serving = replace(decision.winner.serving, device="cpu@board")
    winner = decision.winner.model_copy(update={"serving": serving})
    there["web_api"].datasets["landsat"] = decision.model_copy(update={"winner": winner})

    assert "forest-14 onnx ×1 cpu@board tied with 1" in show(there, 120)  # noqa: RUF001


def test_terminal_says_that_a_winner_is_kept(results: Results) -> None:
    kept = copy.deepcopy(results.recommendations)
    decision = kept["web_api"].datasets["landsat"]
    other = "forest-9 would be chosen otherwise."
    kept["web_api"].datasets["landsat"] = decision.model_copy(update={"kept": other})

    assert "forest-14 onnx ×1 kept, tied with 1" in show(kept, 120)  # noqa: RUF001


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
    assert "edge_device, landsat: No candidate qualifies for landsat" in text


def test_terminal_takes_names_for_text(results: Results) -> None:
    hostile = copy.deepcopy(results.recommendations)
    hostile["[red]\x1b[2Jmine[/red]"] = hostile.pop("web_api")

    text = show(hostile, 200)

    assert "[red]?[2Jmine[/red]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("refitted", "is_named", "chose_nothing", "where"),
    [
        (0.95, False, True, "on test rows not used for the choice"),
        (0.5, True, False, "on all test rows"),
    ],
)
def test_terminal_shows_what_is_shipped_and_names_a_refit_that_is_worse(
    refitted: float, is_named: bool, chose_nothing: bool, where: str, results: Results
) -> None:
    there = copy.deepcopy(results.recommendations)
    decision = there["web_api"].datasets["landsat"]
    quality = RefitQuality(
        n_rows=400,
        chose_nothing=chose_nothing,
        chosen=RawQuality(raw=0.9, low=0.87, high=0.93),
        refitted=RawQuality(raw=refitted, low=refitted - 0.03, high=refitted + 0.03),
    )
    refit = Refit(candidate="forest-14", model="forest", quality_raw=(0.894,), quality=quality)
    shipped = Shipped(is_refitted=True, sentence="trained again", refit=refit)
    there["web_api"].datasets["landsat"] = decision.model_copy(update={"shipped": shipped})
    text = " ".join(show(there, 160).split())

    ends = f"{refitted - 0.03:.3f}\N{EN DASH}{refitted + 0.03:.3f}"
    assert f"tied with 1 {refitted:.3f} 0.017 240 k 68.8 micro {ends}" in text
    assert ("landsat: forest-14 is shipped trained again" in text) is is_named
    assert text.count("Quality: ") == 1
    assert f"Quality: {where}, with its 95 % interval." in text
