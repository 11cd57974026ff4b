"""Section: everything that was measured, a line per profile."""

from __future__ import annotations

from rightfit.formatting import format_quality
from rightfit.naming import metric_title, sentence_case, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Section, Table, figure, keys, number, tabulate, text

COSTS = (
    "latency_p50_ms",
    "latency_p99_ms",
    "throughput_rows_per_s",
    "peak_memory_mib",
    "model_size_mib",
    "cpu_cores",
)


def build_profiles(results: Results) -> Section:
    """List the profiles of every dataset."""
    return Section(
        id="profiles",
        title="All profiles",
        sentences=("Quality here is that on the rows that chose the winners.",),
        tables=tuple(_tabulate(results, dataset) for dataset in results.datasets),
    )


def _tabulate(results: Results, dataset: str) -> Table:
    profiles = results.profiles.filter(dataset=dataset)
    ordered = profiles.sort("quality_raw", descending=True, nulls_last=True, maintain_order=True)
    quality = sentence_case(results.quality_title(dataset))
    return tabulate(
        f"Profiles of {words(dataset)}, best quality first",
        ordered.to_dicts(),
        *keys("candidate", "serving"),
        text("Request path", lambda row: row["request_path"]),
        number(quality, lambda row: format_quality(row["quality_raw"])),
        *(figure(metric_title(name), name) for name in COSTS if name in profiles),
    )
