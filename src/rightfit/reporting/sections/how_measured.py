"""The measurements: how reliable they are, and all of them, a line per profile."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest

import polars as pl

from rightfit._core.formatting import count, format_quality
from rightfit._core.processes.codec import to_plain
from rightfit.measuring.naming import listing, metric_name, metric_title, sentence_case, words
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import (
    Column,
    Section,
    Table,
    figure,
    keys,
    number,
    sentence,
    tabulate,
    text,
)

TIMED = ("latency_p50_ms", "latency_p99_ms", "throughput_rows_per_s")
COSTS = (
    "latency_p50_ms",
    "latency_p99_ms",
    "throughput_rows_per_s",
    "peak_memory_mib",
    "model_size_mib",
    "cpu_cores",
)
UNITS = {"n_cores": "cores", "memory_mib": "memory (MiB)"}
ENDS = {
    "precise": "requested precision reached",
    "processes": "maximum number of processes reached",
    "time": "time limit reached",
    "screened": "no application could still choose the profile",
}


def build_measuring(results: Results) -> Section:
    """Say where and how often it was measured, what was disturbed and what is missing."""
    environment = results.environment
    missing = Counter(
        (column, reason)
        for reasons in results.profiles["null_reasons"].drop_nulls()
        for column, reason in reasons.items()
        if reason is not None
    )
    half_widths_pct = {
        name: 100 * (pl.col(f"{name}_high") - pl.col(f"{name}_low")) / 2 / pl.col(name)
        for name in TIMED
        if f"{name}_low" in results.profiles and f"{name}_high" in results.profiles
    }
    cells = results.profiles.group_by("dataset", "model", maintain_order=True).agg(
        n_profiles=pl.len(),
        n_disturbed=pl.col("disturbed").sum(),
        n_samples=pl.col("n_latency_samples").min(),
        **{name: half_width.median() for name, half_width in half_widths_pct.items()},
    )
    return Section(
        id="measuring",
        title="Quality of the measurements",
        sentences=(
            f"{count(results.profiles.height, 'profile')} measured on {environment.machine}, "
            f"Python {environment.python} (environment {environment.environment_id}).",
            describe_thoroughness(results.profiles),
            *describe_level(results.profiles),
        ),
        tables=(
            tabulate(
                "Sample sizes, and half widths of the 95 % intervals (median of the profiles)",
                cells.to_dicts(),
                *keys("dataset", "model"),
                number("Profiles", lambda row: str(row["n_profiles"])),
                number("Disturbed", lambda row: str(row["n_disturbed"])),
                figure("Fewest latency calls", "n_samples"),
                *(
                    figure(f"{sentence_case(metric_name(name))} ± %", name)
                    for name in half_widths_pct
                ),
            ),
            *_tabulate_corrections(results),
            tabulate(
                "Missing metrics",
                _fold_reasons(missing).most_common(),
                text("Metric", lambda item: metric_name(item[0][0])),
                number("Profiles", lambda item: str(item[1])),
                sentence("Why", lambda item: item[0][1]),
            ),
            *([_tabulate_data(results)] if results.data_cards else []),
            tabulate(
                "Environment",
                to_plain(environment).items(),
                text("Property", lambda item: UNITS.get(item[0], words(item[0]))),
                sentence("Value", lambda item: _write_value(item[1])),
            ),
        ),
    )


def _fold_reasons(missing: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Join reasons that differ by a number only; they show its range."""
    groups: dict[tuple[str, ...], list[tuple[list[int], int]]] = {}
    for (column, reason), n_profiles in missing.items():
        parts = re.split(r"(\d+)", reason)
        group = groups.setdefault((column, *parts[::2]), [])
        group.append(([int(part) for part in parts[1::2]], n_profiles))
    folded: Counter[tuple[str, str]] = Counter()
    for (column, *texts), members in groups.items():
        ranges = [(min(seen), max(seen)) for seen in zip(*(row for row, _ in members), strict=True)]
        shown = [f"{low}" if low == high else f"{low} to {high}" for low, high in ranges]
        reason = "".join(map("".join, zip_longest(texts, shown, fillvalue="")))
        folded[column, reason] = sum(n_profiles for _, n_profiles in members)
    return folded


def describe_thoroughness(profiles: pl.DataFrame) -> str:
    """Say how many processes were timed, how often, and why measuring ended."""
    hows = profiles["measured_how"].drop_nulls().to_list()
    timed = [how for how in hows if how["n_processes"] is not None]
    if not timed:
        return "No profile was timed."
    presets = listing(sorted({how["preset"] for how in timed}))
    least, most = (end(how["n_processes"] for how in timed) for end in (min, max))
    processes = count(most, "fresh process", "fresh processes")
    counts = Counter(ENDS[how["settled"]] for how in timed).most_common()
    ends = ", ".join(f"{end} ({n})" for end, n in counts)
    return (
        f"Preset {presets}: {f'{least} to ' if least < most else ''}{processes} per profile, all "
        "timed in slices of some milliseconds that alternate in random order. Why measuring ended, "
        f"with the number of profiles: {ends}."
    )


def describe_level(profiles: pl.DataFrame) -> list[str]:
    """Say how sure absolute times are; nothing for profiles that do not know."""
    hows = profiles["measured_how"].drop_nulls().to_list()
    timed = [how for how in hows if how["level_error_pct"] is not None]
    if not timed:
        return []
    how = max(timed, key=lambda how: how["n_runs_seen"])
    return [
        "Times and rates are told at the machine's usual speed, that of a reference which is timed "
        f"beside all models ({count(how['n_runs_seen'], 'run')} seen): it is known to "
        f"{how['level_error_pct']:.0f} %, which the intervals leave out as it is the same for all. "
        f"Meanwhile the machine took {how['slowdown']:.2f} times as long as usual."
    ]


def _tabulate_corrections(results: Results) -> list[Table]:
    """List by how much the winners' qualities are too high for having been chosen by them."""
    rows = [
        {"dataset": dataset, "application": name, "winner": decision.winner, "decision": decision}
        for name, dataset, decision in list_decisions(results.recommendations)
        if decision.winner and decision.winner.quality and decision.corrected_quality
    ]
    table = tabulate(
        "Quality of the winners without selection bias: the test rows both choose and judge them",
        rows,
        *keys("dataset", "application"),
        text("Winner", lambda row: row["winner"].candidate),
        text("Measured", lambda row: str(row["winner"].quality)),
        number("Selection bias", lambda row: format_quality(row["decision"].selection_bias)),
        number("Corrected", lambda row: format_quality(row["decision"].corrected_quality.value)),
        number("From", lambda row: format_quality(row["decision"].corrected_quality.low)),
        number("To", lambda row: format_quality(row["decision"].corrected_quality.high)),
        text("Held-out rows", lambda row: str(row["decision"].held_out_quality or "none")),
    )
    return [table] if rows else []


def _tabulate_data(results: Results) -> Table:
    cards = results.data_cards

    def count_rows(part: str) -> Column:
        return number(f"{sentence_case(part)} rows", lambda name: f"{cards[name].n_rows[part]:,}")

    return tabulate(
        "Rows, features and licences",
        cards,
        text("Dataset", str),
        *map(count_rows, ("train", "validation", "test")),
        number("Features", lambda name: str(len(cards[name].input_schema.features))),
        text("Task", lambda name: cards[name].task),
        text("Quality metric", results.quality_title),
        text("Licence", lambda name: cards[name].licence),
        text("Version", lambda name: cards[name].data_version),
    )


def _write_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "none" if value in (None, [], "") else str(value)


def build_profiles(results: Results) -> Section:
    """List the profiles of every dataset."""
    tables = []
    for dataset in results.datasets:
        profiles = results.profiles.filter(dataset=dataset).sort(
            "quality_raw", descending=True, nulls_last=True, maintain_order=True
        )
        quality = sentence_case(results.quality_title(dataset))
        tables.append(
            tabulate(
                f"Profiles of {dataset}, best quality first",
                profiles.to_dicts(),
                *keys("candidate", "serving"),
                text("Request path", lambda row: row["request_path"]),
                number(quality, lambda row: format_quality(row["quality_raw"])),
                *(figure(metric_title(name), name) for name in COSTS if name in profiles),
            )
        )
    return Section(
        id="profiles",
        title="All profiles",
        sentences=("Every measured profile, with its quality on all test rows.",),
        tables=tuple(tables),
    )
