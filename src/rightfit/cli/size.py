"""Write Kubernetes resources, threads and replicas for a winner, as YAML."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import click

from rightfit._core.formatting import clean_text
from rightfit._core.processes.codec import from_plain
from rightfit._core.processes.regular_files import require_regular
from rightfit.cli.options import (
    APPLICATION,
    DATASET,
    GIVEN_FILE,
    GIVEN_FOLDER,
    FiniteRange,
    faults_as_message,
)
from rightfit.cli.stored_answers import load_recommendations, read_answers, read_loads
from rightfit.data.request_path.usage import PROFILE, read_export
from rightfit.kedro_project.stored_results import ProjectLocation, where
from rightfit.ops.http_load.deployment_trial import TrialResult, read_deployment, try_deployment
from rightfit.ops.http_load.loading import read_bodies
from rightfit.ops.http_load.served import split_cores
from rightfit.ops.sizing import NOT_RAISED, OFFLINE, Raised, ServedFigures, size_deployment
from rightfit.ranking.records.load_records import LatencyLimit, LoadCurve

SECTION = "Use"
MAX_TRIALS = 4
MORE_CORES = 0.5  # of the limit, where a trial was throttled
MORE_MEMORY = 0.25  # share of the limit, where a trial was killed


@click.command()
@APPLICATION
@DATASET
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
    help="Head-room of rate and memory, in percent.",
)
@click.option(
    "--load",
    "load_file",
    type=GIVEN_FILE,
    help="What rightfit load-test --json printed for the exported winner.",
)
@click.option(
    "--try",
    "folder",
    type=GIVEN_FOLDER,
    help="Try it on the exported winner in this folder; needs --load and --rows.",
)
@click.option(
    "--rows",
    type=GIVEN_FILE,
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
    location: ProjectLocation,
    application: str,
    dataset: str,
    *,
    rate_per_s: float,
    headroom_pct: float,
    load_file: Path | None,
    folder: Path | None,
    rows: Path | None,
    seconds: float,
) -> None:
    """Write Kubernetes resources, threads and replicas for a winner, as YAML.

    With --try only what held is written.
    """
    if folder is not None and (load_file is None or rows is None):
        raise click.UsageError("--try needs --load and --rows.")
    remarks: list[str] = []
    with faults_as_message():
        results = location.open_results()
        (answer,) = read_answers(results, application, dataset)
        scenario = load_recommendations(results)[1][application].scenario
        served = None if load_file is None else read_load(load_file)
        loaded = read_loads(results).find(application, dataset, answer.decision.winner)
        stored = loaded.curve if loaded is not None else None
        if served is None and stored is not None and stored.highest_rate_per_s is not None:
            served = read_served_figures(stored)  # of the run's own test of the winner's server

        def write(raised: Raised) -> str:
            return size_deployment(
                answer,
                scenario,
                rate_per_s=rate_per_s,
                headroom_pct=headroom_pct,
                served=served,
                raised=raised,
            )

        def say(text: str) -> None:
            remarks.append(f"# tried for {seconds:g} s with {clean_text(text)}")
            click.echo(remarks[-1], err=True)

        if folder is None or rows is None or served is None:
            text = write(NOT_RAISED)
        else:
            inputs = read_export(folder, needed=[PROFILE]).inputs
            card = json.loads((folder / PROFILE).read_bytes())
            winner = answer.decision.winner
            if winner and (card["dataset"], card["candidate"]) != (dataset, winner.candidate):
                raise ValueError(
                    f"{folder} holds {card['candidate']}, exported for {card['dataset']}, and not "
                    f"{winner.candidate}, the winner. Export it: rightfit export --application "
                    f"{application} --dataset {dataset} NEW_FOLDER"
                )
            bodies = read_bodies(rows, inputs, n_rows=served.n_rows)
            limit = LatencyLimit(served.limit_share, served.limit_ms)
            requests_per_s = rate_per_s / (served.n_rows if scenario == OFFLINE else 1)

            def attempt(text: str) -> TrialResult:
                return try_deployment(
                    text, folder, bodies, rate_per_s=requests_per_s, limit=limit, seconds=seconds
                )

            text = settle_size(write, attempt, n_cores=len(split_cores()[1]), say=say)
    click.echo("\n".join([*remarks, text]), nl=False)


def read_load(path: Path) -> ServedFigures:
    """Read what loading a server has found.

    Raises:
        ValueError: If the file is something else, or no rate met the limit.
    """
    require_regular(path)
    try:
        curve = from_plain(LoadCurve, json.loads(path.read_text(encoding="utf-8")))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise ValueError(f"{path} is not what rightfit load-test --json prints: {err}") from err
    try:
        return read_served_figures(curve)
    except (AttributeError, TypeError, ValueError) as err:
        raise ValueError(f"{path}: {err}") from err


def read_served_figures(curve: LoadCurve) -> ServedFigures:
    """Read off a load curve what sizes a deployment.

    Raises:
        ValueError: If no rate met the limit, or a figure is none that a server can have.
    """
    rate = curve.highest_rate_per_s
    steps = [] if rate is None else [step for step in curve.opened if step.level <= rate]
    if rate is None or not steps:
        raise ValueError(f"No rate of the load keeps {curve.limit}.")
    figures = ServedFigures(
        highest_rate_per_s=rate,
        limit_ms=curve.limit_ms,
        server_cores=max(step.server_cores for step in steps),
        peak_memory_mib=max(step.peak_memory_mib for step in (*curve.closed, *curve.opened)),
        limit_share=curve.limit_share,
        n_rows=curve.n_rows,
        disturbed=curve.disturbed,
    )
    if (
        not all(
            0 < figure < math.inf for name, figure in asdict(figures).items() if name != "disturbed"
        )
        or figures.limit_share not in steps[0].latency_ms
        or type(figures.n_rows) is not int
    ):
        raise ValueError(f"These are no figures of a server: {figures}.")
    return figures


def settle_size(
    write: Callable[[Raised], str],
    attempt: Callable[[str], TrialResult],
    *,
    n_cores: int,
    say: Callable[[str], None],
) -> str:
    """Try deployments, each with more of what the one before lacked, until one holds.

    Returns:
        The deployment that held.

    Raises:
        ValueError: If none held.
    """
    raised, n_disturbed = NOT_RAISED, 0
    for _ in range(MAX_TRIALS):
        text = write(raised)
        tried = attempt(text)
        say(tried.said)
        if tried.holds:
            return text.replace("; not tried", "; tried, see above")
        n_disturbed += tried.is_disturbed
        cores = read_deployment(text).limits.cores
        if tried.needs_memory:
            raised = replace(raised, memory_share=raised.memory_share + MORE_MEMORY)
        elif tried.needs_cores and cores + MORE_CORES <= n_cores:
            raised = replace(raised, cores=raised.cores + MORE_CORES)
        elif not tried.is_disturbed:  # that is tried again
            raised = replace(raised, replicas=raised.replicas + 1)
    message = f"None of {MAX_TRIALS} deployments held; the last: {', '.join(tried.faults)}. "
    if n_disturbed:
        message += (
            f"In {n_disturbed} of these trials other processes used the cores: try again on a "
            "quiet machine."
        )
    raise ValueError(message)
