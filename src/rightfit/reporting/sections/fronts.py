"""Section: what quality costs on each dataset."""

from __future__ import annotations

import polars as pl

from rightfit.formatting import count, format_number, format_quality
from rightfit.naming import format_metric, metric_name, metric_title, sentence_case, words
from rightfit.profiling.serving import Serving
from rightfit.reporting.charts.front_chart import draw_front, pareto_front
from rightfit.reporting.charts.limit_lines import find_limit_lines
from rightfit.reporting.results import PROFILE_KEYS, Results, select_winners
from rightfit.reporting.sections.section import (
    Cells,
    Chart,
    Fold,
    Section,
    Table,
    number,
    tabulate,
    text,
)

COST = "latency_p50_ms"
COSTS = (
    "latency_p50_ms",
    "latency_p99_ms",
    "throughput_rows_per_s",
    "peak_memory_mib",
    "model_size_mib",
    "cpu_cores",
)


def build_fronts(results: Results) -> Section:
    """Draw one front per dataset and list the profiles behind it."""
    return Section(
        id="fronts",
        title="What quality costs",
        sentences=(
            "Each mark is a profile: filled for the native runtime, open for ONNX Runtime. "
            "Whiskers are 95 % intervals, rings are winners, broken lines are the applications' "
            "limits.",
        ),
        charts=tuple(draw_front_of(results, dataset) for dataset in results.datasets),
        folds=tuple(
            Fold(
                title=f"All profiles of {words(dataset)}",
                tables=(_tabulate(results, dataset),),
            )
            for dataset in results.datasets
        ),
    )


def draw_front_of(results: Results, dataset: str) -> Chart:
    """Draw a dataset's front with limits and winners, and say what its ends are."""
    profiles = results.profiles.filter(pl.col("dataset") == dataset)
    winners = select_winners(results.rankings).filter(pl.col("dataset") == dataset)
    quality = results.qualities.get(dataset)
    figure = draw_front(
        profiles,
        dataset=dataset,
        quality_title=results.quality_title(dataset),
        marks=results.marks,
        limits=find_limit_lines(results.applications, profiles, quality) if quality else [],
        winners=winners.select("application", *PROFILE_KEYS),
    )
    sentence = describe_front(profiles, results.quality_title(dataset))
    alt = f"Scatter chart for {words(dataset)}: {results.quality_title(dataset)} against a cost."
    return Chart(
        figure=figure,
        title=f"{sentence_case(words(dataset))}.",
        caption=sentence,
        alt=f"{alt} {sentence}",
    )


def describe_front(profiles: pl.DataFrame, quality_title: str) -> str:
    """Say what the best point of the front costs against the cheapest one."""
    front = pareto_front(profiles, cost=COST, quality="quality_raw")
    if not front.height:
        return f"The {metric_name(COST)} was not measured."
    cheapest, best = front.row(0, named=True), front.row(-1, named=True)
    verb = "is" if front.height == 1 else "are"
    size = f"{front.height} of {count(profiles.height, 'profile')} {verb} on the Pareto front."
    if front.height == 1:
        return f"{size} {best['candidate']} is both the best by quality and the fastest."
    return (
        f"{size} From {cheapest['candidate']} to {best['candidate']}, {quality_title} rises from "
        f"{format_quality(cheapest['quality_raw'])} to {format_quality(best['quality_raw'])} and "
        f"{metric_name(COST)} from {format_metric(COST, cheapest[COST])} to "
        f"{format_metric(COST, best[COST])}."
    )


def _tabulate(results: Results, dataset: str) -> Table:
    profiles = results.profiles.filter(dataset=dataset)
    ordered = profiles.sort("quality_raw", descending=True, nulls_last=True, maintain_order=True)
    quality = sentence_case(results.quality_title(dataset))
    return tabulate(
        f"Profiles of {words(dataset)}, best quality first",
        ordered.to_dicts(),
        text("Candidate", lambda row: row["candidate"]),
        text("Serving", lambda row: Serving(row["runtime"], row["n_threads"], row["device"]).label),
        text("Request path", lambda row: row["request_path"]),
        number(quality, lambda row: format_quality(row["quality_raw"])),
        *(_list_metric(name) for name in COSTS if name in profiles),
    )


def _list_metric(name: str) -> Cells:
    return number(metric_title(name), lambda row: format_number(row[name]))
