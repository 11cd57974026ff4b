"""The verbs that measure one file, check a ranking, and size a deployment."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rightfit.printable import clean_text
from rightfit.verbs.project_options import (
    FiniteRange,
    faults_as_message,
    open_place,
    read_project_parameters,
    where,
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rows", type=click.Path(path_type=Path), help="Table of rows: .parquet, .csv, .npy."
)
@click.option("--columns", help="Columns that the model reads, in order: a,b,c; all if not given.")
@click.option(
    "--threads", default="1", show_default=True, help="Threads of a call: 1, 2, … or all."
)
@click.option("--target", help="Column of the rows that holds what is right, to judge answers.")
@click.option("--quality", help="Scorer of scikit-learn; accuracy or r2 if not given.")
@click.option(
    "--preset",
    type=click.Choice(["quick", "standard", "publish"]),
    default="quick",
    show_default=True,
    help="How thoroughly to measure.",
)
@click.option("--trust", is_flag=True, help="Open a pickle: it runs whatever code it holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the profile as JSON.")
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
    """Measure what serving a model FILE costs, in any folder, without a project.

    It may be an ONNX file, one of scikit-learn (skops, or a pickle with --trust), XGBoost, LightGBM
    or CatBoost, or the folder of a bundle, an export or an MLflow model.
    """
    from rightfit.verbs.costs.measured_text import describe_measured, measured_to_json
    from rightfit.verbs.costs.measuring import measure_file

    with faults_as_message(RuntimeError):
        measured = measure_file(
            file,
            rows=rows,
            columns=columns.split(",") if columns else None,
            target=target,
            quality=quality,
            trust=trust,
            n_threads=_read_threads(threads),
            preset=preset,
        )
    if as_json:
        click.echo(json.dumps(measured_to_json(measured), indent=2))
        return
    click.echo("\n".join(clean_text(line) for line in describe_measured(measured)))


@click.command()
@click.option(
    "--against",
    "baseline",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the baseline.",
)
@click.option("--write", is_flag=True, help="Write the last ranking's winners to it instead.")
@click.option(
    "--margin-pct",
    type=FiniteRange(0, 1_000),
    default=5.0,
    show_default=True,
    help="Change of a metric that counts, in percent; qualities go by their intervals alone.",
)
@click.option("--any-machine", is_flag=True, help="Compare with a baseline of another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@where
def check(
    baseline: Path,
    *,
    write: bool,
    margin_pct: float,
    any_machine: bool,
    as_json: bool,
    **place: Any,
) -> None:
    """Fail if a winner breaks its limits or is worse than a stored baseline."""
    from rightfit.verbs.costs.checking import (
        check_against,
        describe_findings,
        read_baseline,
        read_present,
        write_baseline,
    )

    with faults_as_message():
        before = None if write else read_baseline(baseline)
        parameters = read_project_parameters({}, place["env"], place["conf_source"])
        present = read_present(open_place(**place), parameters, before)
        if before is None:
            write_baseline(present.winners, baseline)
            click.echo(f"Wrote the winners of {present.winners.ranked_in} to {baseline}")
            return
        findings = check_against(before, present, margin_pct=margin_pct, any_machine=any_machine)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        click.echo("\n".join(clean_text(line) for line in describe_findings(findings)))
    if any(finding.faults for finding in findings):
        raise click.exceptions.Exit(1)


@click.command()
@click.option(
    "--margin-pct",
    type=FiniteRange(0, 1_000),
    default=5.0,
    show_default=True,
    help="Change of a metric that counts, in percent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@where
def watch(*, margin_pct: float, as_json: bool, **place: Any) -> None:
    """Measure the winners again; fail if one has left its interval or breaks a limit."""
    from rightfit.process_state import set_log_level
    from rightfit.processes.codec import to_plain
    from rightfit.serving.watch import describe_watch
    from rightfit.verbs.costs.watching import watch_winners

    if as_json:
        set_log_level("WARNING")  # the log goes to standard output, too
    with faults_as_message():
        parameters = read_project_parameters({}, place["env"], place["conf_source"])
        found = watch_winners(open_place(**place), parameters, margin_pct=margin_pct)
    if as_json:
        click.echo(json.dumps(to_plain(found), indent=2))
    else:
        click.echo("\n".join(clean_text(line) for line in describe_watch(found)))
    if found.changed:
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--application", "-a", required=True, help="Name of an application, e.g. web_api.")
@click.option("--dataset", "-d", required=True, help="Name of a dataset.")
@click.option(
    "--rate",
    "rate_per_s",
    required=True,
    type=FiniteRange(0, 1e12, min_open=True),
    help="Requests a second of all replicas; rows a second where the scenario is offline.",
)
@click.option(
    "--headroom-pct",
    type=FiniteRange(0, 1_000),
    default=30.0,
    show_default=True,
    help="Further rate and memory to bear, in percent.",
)
@click.option(
    "--load",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What rightfit load --json printed for the exported winner.",
)
@click.option(
    "--try",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Try it on the exported winner in this folder; needs --load and --rows.",
)
@click.option(
    "--rows",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Raw rows to ask about while trying: a JSON list of objects, or a table.",
)
@click.option(
    "--seconds",
    type=FiniteRange(1, 3_600),
    default=60.0,
    show_default=True,
    help="How long to try.",
)
@where
def size(
    application: str,
    dataset: str,
    *,
    rate_per_s: float,
    headroom_pct: float,
    load: Path | None,
    folder: Path | None,
    rows: Path | None,
    seconds: float,
    **place: Any,
) -> None:
    """Write Kubernetes resources, threads and replicas for a winner, as YAML.

    With --try only what held is written.
    """
    from rightfit.serving.sizing import NOT_RAISED, Raised
    from rightfit.verbs.costs.sizing import size_winner, try_size

    if folder is not None and (load is None or rows is None):
        raise click.UsageError("--try needs --load and --rows.")

    def write(raised: Raised) -> str:
        return size_winner(
            open_place(**place),
            application,
            dataset,
            rate_per_s=rate_per_s,
            headroom_pct=headroom_pct,
            load=load,
            raised=raised,
        )

    said: list[str] = []

    def say(text: str) -> None:
        said.append(f"# tried for {seconds:g} s with {clean_text(text)}")
        click.echo(said[-1], err=True)

    with faults_as_message():
        if folder is not None and load is not None and rows is not None:
            text = try_size(
                write, folder, rows, rate_per_s=rate_per_s, load=load, seconds=seconds, say=say
            )
        else:
            text = write(NOT_RAISED)
    click.echo("\n".join([*said, text]), nl=False)


def _read_threads(text: str) -> int | None:
    """Return a number of threads, ``None`` for all."""
    if text == "all":
        return None
    if not text.isdecimal() or len(text) > 6 or int(text) < 1:
        raise ValueError(f"--threads must be 1 or more, or all, but got {text[:20]!r}.")
    return int(text)
