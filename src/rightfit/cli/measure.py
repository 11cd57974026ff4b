"""Measure what serving a model file costs, in any folder, without a project."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from rightfit._core.formatting import format_number
from rightfit.api.own_models import measure_file
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import (
    AS_JSON,
    echo_json,
    echo_lines,
    echo_table,
    faults_as_message,
    make_table,
)
from rightfit.measuring.naming import listing, metric_name, sentence_case
from rightfit.ranking.explanation.answer import profile_to_json
from rightfit.ranking.explanation.decisions import describe_disturbance

SECTION = "Measure elsewhere"
TIER_COLUMN = "min_hardware_tier"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rows", type=click.Path(path_type=Path), help="Table of rows: .parquet, .csv, .npy."
)
@click.option("--columns", help="Columns that the model reads, in order: a,b,c; all if not given.")
@click.option(
    "--threads", default="1", show_default=True, help="Threads of a call: 1, 2, … or all."
)
@click.option("--target", help="Column of the rows that holds the targets, to judge predictions.")
@click.option("--quality", help="Scorer of scikit-learn; accuracy or r2 if not given.")
@click.option(
    "--preset",
    type=click.Choice(["quick", "standard", "publish"]),
    default="quick",
    show_default=True,
    help="How thoroughly to measure.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Open what is no ONNX, as you trust who wrote it: a pickle runs whatever code it holds.",
)
@AS_JSON
def measure(
    file: Path,
    rows: Path | None,
    columns: str | None,
    threads: str,
    *,
    target: str | None,
    quality: str | None,
    preset: str,
    trust: bool,
    as_json: bool,
) -> None:
    """Measure what serving a model file costs, in any folder, without a project.

    FILE may be an ONNX file; with --trust one of scikit-learn (skops or a pickle), XGBoost,
    LightGBM or CatBoost; or the folder of a bundle, an export or an MLflow model.
    """
    with faults_as_message(RuntimeError), showing_progress():
        is_all = threads == "all"
        if not is_all and (not threads.isdecimal() or len(threads) > 6 or int(threads) < 1):
            raise ValueError(f"--threads must be 1 or more, or all, but got {threads[:20]!r}.")
        measured = measure_file(
            file,
            rows=rows,
            columns=columns.split(",") if columns else None,
            target=target,
            quality=quality,
            trust=trust,
            n_threads=None if is_all else int(threads),
            preset=preset,
        )
    profile = measured.profile
    if as_json:
        echo_json(
            {
                "file": str(measured.path),
                "sha256": measured.sha256,
                "inputs": [asdict(tensor) for tensor in measured.inputs],
                "outputs": [asdict(tensor) for tensor in measured.outputs],
                "rows": measured.rows,
                "n_rows": measured.n_rows,
                "environment": asdict(measured.environment),
                "profile": profile_to_json(profile),
            }
        )
        return
    declared = [
        f"  inputs    {'; '.join(map(str, measured.inputs))}",
        f"  outputs   {'; '.join(map(str, measured.outputs))}",
    ]
    echo_lines(
        [
            f"{measured.path.name}, {profile.serving.label}",
            *(declared if measured.inputs else []),
            f"  rows      {measured.n_rows:,} of {measured.rows}",
            f"  machine   {measured.environment.machine}",
            f"  measured  {describe_disturbance(profile)}; preset {measured.preset}",
            "",
        ]
    )
    figures = []
    for figure in profile.measured():
        metric = figure.metric
        shown = f"{format_number(figure.value)} {metric.unit}".rstrip()
        if metric.column == TIER_COLUMN:
            shown = str(profile.hardware_tier)
        ends = format_number(figure.low), format_number(figure.high)
        interval = " to ".join(ends) if ends[0] != ends[1] else ""  # not known, or without width
        figures.append((metric.label, shown, interval))
    echo_table(make_table(("", "value", "95 % interval"), figures))
    for reason, metrics in profile.missing().items():
        names = listing([metric_name(metric.column) for metric in metrics])
        echo_lines([f"not measured: {names} ({sentence_case(reason)})"])
