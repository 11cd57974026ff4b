"""Data of the report's scripts, which draw and rank again: profiles, applications, decisions."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from rightfit.measuring.metrics import METRICS_BY_COLUMN, find_slowdown
from rightfit.measuring.naming import metric_name, metric_title, metric_unit, objective_name
from rightfit.measuring.serving import ELSEWHERE, THIS_MACHINE, Serving, split_device
from rightfit.ranking.applications.applications import (
    QUALITIES,
    S_PER_HOUR,
    THROUGHPUT,
    Application,
    BatchSizes,
    RankingRules,
)
from rightfit.ranking.assessment.configurations import MAX_HALF_WIDTH, UTILITY_DIGITS
from rightfit.ranking.assessment.profile_table import ProfileTable, choose_path, read_profiles
from rightfit.ranking.explanation.decisions import Decision
from rightfit.reporting.run_results import Results, list_costs

DEFAULT_COSTS = ("latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib", "model_size_mib")

Json = dict[str, Any]


def collect_page_data(results: Results) -> Json:
    """Collect what the scripts need, as JSON types.

    Returns:
        By name: ``applications`` (objectives, limits, tie rule, request path and costs),
        ``profiles`` by dataset, in the order in which the ranking reads them, ``decisions`` by
        application and dataset, ``metrics``, ``datasets`` and ``marks`` of the families.
    """
    applications = dict(results.applications.items())
    table = read_profiles(results.profiles)
    needed = [
        metric
        for name, app in applications.items()
        for metric in (
            *app.objectives,
            *app.constraints,
            *(key.by for key in results.rules.ties.for_application(name, app)),
        )
    ]
    names = [name for name in dict.fromkeys([*needed, *DEFAULT_COSTS]) if name in table.frame]
    columns = [name for name in names if table.frame[name].count() or name in needed]
    datasets = {}
    for dataset in results.datasets:
        metric = results.qualities.get(dataset)
        # the raw qualities that count as 0 and as 1
        worst, best = metric.raw_bounds if metric else (0.0, 1.0)
        datasets[dataset] = {
            "name": dataset,
            "quality": results.quality_title(dataset),
            "worst": worst,
            "best": best,
        }
    demands = dict.fromkeys(app.batch_sizes for app in applications.values())
    parts = [
        (table.of_environment(environment).of_path(path).in_batches(sizes), sizes)
        for sizes in dict.fromkeys([None, *demands])
        for environment in table.environments
        for path in table.of_environment(environment).paths
    ]
    return {
        "applications": {
            name: {
                **list_application_parts(name, app, results.rules),
                "path": _name_path(
                    choose_path(table.of_environment(app.environment), app),
                    app.environment,
                    app.batch_sizes,
                ),
                "costs": [
                    x for x in dict.fromkeys([*list_costs(app), *DEFAULT_COSTS]) if x in columns
                ],
            }
            for name, app in applications.items()
        },
        "profiles": {
            dataset: [
                profile
                for part, sizes in parts
                for profile in _list_profiles(part, sizes, dataset, columns)
            ]
            for dataset in results.datasets
        },
        "decisions": {
            name: {
                dataset: _write_decision(decision, applications[name])
                for dataset, decision in recommendation.datasets.items()
            }
            for name, recommendation in results.recommendations.items()
        },
        "metrics": {
            column: {
                "name": metric_name(column),
                "weighed": objective_name(column),
                "title": metric_title(column),
                "unit": metric_unit(column),
                "better": METRICS_BY_COLUMN[column].better
                if column in METRICS_BY_COLUMN
                else "lower",
            }
            for column in columns
        },
        "datasets": datasets,
        "marks": {
            family: {"color": mark.color, "symbol": mark.symbol, "name": family}
            for family, mark in results.marks.items()
        },
    }


def list_application_parts(name: str, application: Application, rules: RankingRules) -> Json:
    """List an application's objectives, limits and tie rule.

    A limit is ``written_as`` a key of the YAML, whose number is ``per_unit`` times the limit: a
    deadline's rows are a throughput times its seconds.
    """
    workload = application.workload
    return {
        "aggregation": application.aggregation,
        "objectives": [
            {"metric": metric, **objective.model_dump()}
            for metric, objective in application.objectives.items()
        ],
        "limits": [
            {
                "metric": metric,
                "kind": kind,
                "value": value,
                "slowdown": find_slowdown(metric),
                "written_as": f"constraints.{metric}.{kind}",
                "per_unit": 1,
            }
            | (
                {"written_as": "workload.n_rows", "per_unit": workload.hours * S_PER_HOUR}
                if workload and (metric, kind) == (THROUGHPUT, "min")
                else {}
            )
            for metric, kind, value in application.list_limits()
        ],
        "ties": [key.model_dump() for key in rules.ties.for_application(name, application)],
        "utility_digits": UTILITY_DIGITS,
        "prefer_within": rules.prefer_within,
        "max_half_width": MAX_HALF_WIDTH,
        "keep_winner": rules.keep_winner,
    }


def _name_path(path: str, environment: str | None, sizes: BatchSizes | None) -> str:
    """Name the profiles that an application chooses among: request path, machine, batch sizes."""
    name = f"{path}{ELSEWHERE}{environment}"
    return name if sizes is None else f"{name}, {sizes}"


def _list_profiles(
    table: ProfileTable, sizes: BatchSizes | None, dataset: str, columns: list[str]
) -> list[Json]:
    """List profiles of one path; ``values`` with their intervals, ``None`` if not measured.

    ``reach`` holds the ends that the rules of configurations go by, ``ends`` what is drawn.
    """
    costs = [name for name in columns if name not in QUALITIES]
    intervals = {name: interval for name in costs if (interval := table.interval(name))}
    rows = table.frame.with_row_index("row").filter(pl.col("dataset") == dataset)
    return [
        {
            "model": row["model"],
            "candidate": row["candidate"],
            "serving": Serving(row["runtime"], row["n_threads"], row["device"]).label,
            "n_threads": row["n_threads"],
            "disturbed": bool(row.get("disturbed")),
            "path": _name_path(row["request_path"], split_device(row["device"])[1], sizes),
            "values": {name: _finite(row[name]) for name in columns},
            "reach": {
                name: [_finite(end[row["row"]]) for end in interval]
                for name, interval in intervals.items()
            },
            "ends": {
                name: [_round(row[f"{name}_low"]), _round(row[f"{name}_high"])]
                for name in costs
                if row.get(f"{name}_low") is not None
            },
            "quality": [_round(row.get(f"quality_raw{end}")) for end in ("", "_low", "_high")],
        }
        for row in rows.to_dicts()
    ]


def _write_decision(decision: Decision, application: Application) -> Json:
    """Write who won; the same stands under other weights as long as it is practically the best."""
    winner = decision.winner
    document: Json = {"winner": winner and winner.candidate}
    if winner is not None:
        document["serving"] = winner.serving.label
    if decision.fleet is not None:
        document["kinds"] = {
            member.kind: {
                "winner": member.candidate,
                "serving": member.serving and member.serving.label,
                "path": _name_path(str(member.request_path), member.kind, application.batch_sizes),
            }
            for member in decision.fleet.kinds
            if member.kind != THIS_MACHINE
        }
    return document


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _round(value: float | None) -> float | None:
    """Shorten a number that is only drawn."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")
