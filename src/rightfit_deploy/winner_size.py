"""The size of a winner's deployment, from its profile and from loads that files hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rightfit._core.formatting import clean_text
from rightfit._core.json_documents import parse_json
from rightfit._core.processes.codec import from_plain, to_plain
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.strict_model import MAX_SIZE, list_faults
from rightfit._core.yaml_documents import read_yaml
from rightfit.measuring.serving import MACHINE_NAME, THIS_MACHINE
from rightfit.ranking.applications.applications import EnvironmentName, MachineKind, Scenario
from rightfit.ranking.explanation.answer import Answer
from rightfit.ranking.explanation.decisions import Decision
from rightfit.ranking.records.load_records import LIMITED, LatencyLimit, LoadCurve
from rightfit_deploy.http_load.curve import SHARES, judge_curve
from rightfit_deploy.sizing import (
    LOAD_AGAIN,
    OFFLINE,
    ServedFigures,
    count_instances,
    size_deployment,
)


def size_winner(
    answer: Answer,
    scenario: Scenario,
    stored: LoadCurve | None,
    *,
    rates_per_s: Sequence[float],
    headroom_pct: float,
    load_files: Sequence[str],
    prices_file: Path | None,
    is_table: bool,
    as_json: bool,
) -> str:
    """Write Kubernetes resources for a winner as YAML, or how many machines it takes as a table.

    Args:
        answer: The application's answer for a dataset.
        scenario: How the application asks.
        stored: What a run has found of the winner's server.
        rates_per_s: Requests a second of all replicas; rows a second where it is offline.
        headroom_pct: Head-room of rate and memory.
        load_files: What loading has found, as KIND=FILE or FILE.
        prices_file: YAML of prices by kind of machine.
        is_table: Write the table.
        as_json: Write it as JSON.

    Raises:
        ValueError: If nothing was loaded, a file is something else or a load sizes nothing.
    """
    curves = read_kinds(load_files)
    if stored is not None and (is_table or not curves):
        curves = {THIS_MACHINE: stored} | curves
    if curves:
        limit = next(find_latency_limits(answer.decision), next(iter(curves.values())).limit)
        curves = {kind: judge_curve(curve, limit) for kind, curve in curves.items()}
    if not is_table:
        served = next(map(read_served_figures, curves.values()), None)
        return size_deployment(
            answer, scenario, rate_per_s=rates_per_s[0], headroom_pct=headroom_pct, served=served
        )
    application, dataset = answer.application, answer.dataset
    if not curves:
        raise ValueError(
            f"The winner of {application} on {dataset} was not loaded. Export it: rightfit "
            f"export -a {application} -d {dataset} out. Load it on each kind of machine: "
            "rightfit load-test out --rows rows.json --json > board.json. Give that: "
            "--load board=board.json"
        )
    table = count_instances(
        curves,
        rates_per_s,
        headroom_pct=headroom_pct,
        prices={} if prices_file is None else read_prices(prices_file),
        per_row=scenario == OFFLINE,
    )
    if as_json:
        head = {"application": application, "dataset": dataset, "headroom_pct": headroom_pct}
        return json.dumps(head | to_plain(table), indent=2) + "\n"
    lines = [
        f"{application} on {dataset}, with {headroom_pct:g} % head-room",
        *map(clean_text, table.write_lines()),
    ]
    return "\n".join(lines) + "\n"


def find_latency_limits(decision: Decision) -> Iterator[LatencyLimit]:
    """Find the limits of the latency that an application's winner meets, the strictest first."""
    bounds = {outcome.metric: outcome.bound for outcome in decision.limits}
    for metric, share in LIMITED.items():
        if (bound := bounds.get(metric)) is not None:
            yield LatencyLimit(share, bound)


def read_kinds(options: Iterable[str]) -> dict[str, LoadCurve]:
    """Read what loading servers has found, by the kind of machine, by default this one.

    Raises:
        ValueError: If a kind has no name of one or stands twice, or a file is something else.
    """
    curves: dict[str, LoadCurve] = {}
    for option in options:
        kind, has_kind, name = option.partition("=")
        if not has_kind or Path(option).is_file():
            kind, name = THIS_MACHINE, option
        if not re.fullmatch(MACHINE_NAME, kind):
            raise ValueError(
                f"--load: a kind of machine must match {MACHINE_NAME}, but got {kind!r:.80}"
            )
        if kind in curves:
            raise ValueError(f"--load: {kind} stands twice; name another kind as KIND=FILE")
        curves[kind] = read_load(Path(name))
    return curves


def read_load(path: Path) -> LoadCurve:
    """Read what loading a server has found.

    Raises:
        ValueError: If the file is something else.
    """
    if not path.exists() or path.is_dir():
        raise ValueError(f"There is no file {path}.")
    require_regular(path)
    try:
        plain = parse_json(
            path.read_text(encoding="utf-8"),
            parse_int=read_figure,
            parse_float=read_figure,
            parse_constant=read_figure,
        )
        curve = from_plain(LoadCurve, plain)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise ValueError(f"{path} is not what rightfit load-test --json prints: {err}") from err
    if any(
        {*SHARES, curve.limit_share} != {*step.latency_ms}
        for step in (*curve.closed, *curve.opened)
    ):
        raise ValueError(f"{path} lacks a percentile of {SHARES}; load the server again.")
    if curve.highest_rate_per_s is not None:
        try:
            read_served_figures(curve)
        except (AttributeError, TypeError, ValueError) as err:
            raise ValueError(f"{path}: {err}") from err
    return curve


def read_figure(text: str) -> float:
    """Read a number of a load, none of which is negative, infinite or not a number.

    Raises:
        ValueError: If it is, or is larger than :data:`MAX_SIZE`.
    """
    if not 0 <= float(text) <= MAX_SIZE:
        raise ValueError(f"{text:.20} is no figure of a load")
    return int(text) if text.isdigit() else float(text)


def read_prices(path: Path) -> dict[str, MachineKind]:
    """Read the prices of kinds of machine.

    Raises:
        ValueError: If the file holds something else; names the first fault.
    """
    document = read_yaml(path)
    try:
        return TypeAdapter(dict[EnvironmentName, MachineKind]).validate_python(document)
    except ValidationError as err:
        raise ValueError(
            f"{path} must hold lines such as 'board: {{price_per_hour: 0.01}}': "
            f"{' '.join(list_faults(err)[0].split())}"
        ) from err


def read_served_figures(curve: LoadCurve) -> ServedFigures:
    """Read off a load curve what sizes a deployment.

    Raises:
        ValueError: If no rate met the limit, or a figure is none that a server can have.
    """
    rate = curve.highest_rate_per_s
    steps = [] if rate is None else [step for step in curve.opened if step.level <= rate]
    if rate is None or not steps:
        share = curve.limit.share
        slowest = next((step.latency_ms[share] for step in curve.opened), None)
        reached = f"; the lowest has {slowest.value:.3g} ms" if slowest else ""
        remedy = LOAD_AGAIN.capitalize() if curve.disturbed else "Try a larger machine"
        raise ValueError(
            f"No rate of the load meets {curve.limit}{reached}. {remedy}, or raise the "
            "application's limit."
        )
    figures = ServedFigures(
        highest_rate_per_s=rate,
        limit_ms=curve.limit_ms,
        server_cores=max(step.server_cores for step in steps),
        peak_memory_mib=max(step.peak_memory_mib for step in (*curve.closed, *curve.opened)),
        limit_share=curve.limit_share,
        n_rows=curve.n_rows,
        disturbed=curve.disturbed,
    )
    if not all(
        0 < figure < math.inf for name, figure in asdict(figures).items() if name != "disturbed"
    ):
        raise ValueError(f"These are no figures of a server: {figures}.")
    return figures
