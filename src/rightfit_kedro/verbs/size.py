"""Write Kubernetes resources, threads and replicas for a winner, as YAML."""

from __future__ import annotations

from pathlib import Path

import click

from rightfit._core.plugins import load_plugin
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import (
    APPLICATION,
    AS_JSON,
    DATASET,
    GIVEN_FILE,
    FiniteRange,
    faults_as_message,
)
from rightfit_kedro.stored_answers import load_recommendations, read_answers, read_loads
from rightfit_kedro.stored_results import ProjectLocation, where

SECTION = "Use"


@click.command()
@APPLICATION
@DATASET
@click.option(
    "--rate",
    "rates_per_s",
    required=True,
    multiple=True,
    type=FiniteRange(0, 1e12, min_open=True),
    help="Requests a second of all replicas; rows a second where the scenario is offline. Several "
    "rates, or --prices: a table of how many machines of each kind, and their price.",
)
@click.option(
    "--headroom-pct",
    type=FiniteRange(0, 1_000),
    default=30.0,
    show_default=True,
    help="Head-room of rate and memory, in percent.",
)
@click.option(
    "--load",
    "load_files",
    multiple=True,
    help="What rightfit load-test --json printed for the exported winner, a file; of another kind "
    "of machine as KIND=FILE.",
)
@click.option(
    "--prices",
    type=GIVEN_FILE,
    help="YAML of price_per_hour by kind of machine, as in ranking.environments.",
)
@AS_JSON
@where
def size(
    location: ProjectLocation,
    application: str,
    dataset: str,
    *,
    rates_per_s: tuple[float, ...],
    headroom_pct: float,
    load_files: tuple[str, ...],
    prices: Path | None,
    as_json: bool,
) -> None:
    """Write Kubernetes resources, threads and replicas for a winner, as YAML.

    --json gives the numbers of machines instead.
    """
    is_table = as_json or prices is not None or len(rates_per_s) > 1
    if len(load_files) > 1 and not is_table:
        raise click.UsageError("Several --load need several --rate, --prices or --json.")
    with faults_as_message(), showing_progress():
        results = location.open_results()
        (answer,) = read_answers(results, application, dataset)
        loaded = read_loads(results).find(application, dataset, answer.decision.winner)
        write_size = load_plugin("rightfit.operations", "size", purpose="rightfit size")
        text = write_size(
            answer,
            load_recommendations(results)[1][application].scenario,
            None if loaded is None else loaded.curve,  # the run's own test of its server
            rates_per_s=rates_per_s,
            headroom_pct=headroom_pct,
            load_files=load_files,
            prices_file=prices,
            as_json=as_json,
            is_table=is_table,
        )
    click.echo(text, nl=False)
