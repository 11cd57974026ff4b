"""Say why a candidate won or lost, by the last ranking."""

from __future__ import annotations

import click
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.spelling import name_some, suggest
from rightfit.cli.options import AS_JSON, echo_json, echo_lines, faults_as_message
from rightfit_kedro.stored_answers import require_ranked
from rightfit_kedro.stored_results import ProjectLocation, where

SECTION = "Look"


@click.command()
@click.option("--application", "-a", help="One application; all if not given.")
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@AS_JSON
@click.argument("candidate")
@where
def explain(
    location: ProjectLocation,
    candidate: str,
    application: str | None,
    dataset: str | None,
    *,
    as_json: bool,
) -> None:
    """Say why a candidate won or lost, by the last ranking.

    CANDIDATE is a candidate of the ranking, or a trial that its search stopped: forest-003.
    """
    with faults_as_message():
        results = location.open_results()
        version = results.find_version("rejections")
        table: pl.DataFrame = results.load("rejections", version)
        with results.reading("rejections", version):
            rankings = pl.col("rank").count().over("application", "dataset")
            table = table.with_columns(n_ranked=rankings)  # the rivals of a candidate and it
            for kind, name in (("application", application), ("dataset", dataset)):
                options = table[kind].drop_nulls().unique().sort().to_list()
                if name is not None:  # what no application stopped counts for all of them
                    require_ranked(kind, name, options)
                    table = table.filter((pl.col(kind) == name) | pl.col(kind).is_null())
            reasons = table.filter(candidate=candidate).to_dicts()
        if not reasons:
            names = table["candidate"].unique().sort().to_list()
            raise RightfitError(
                f"There is no candidate {candidate!r}{suggest(candidate, names)}; candidates: "
                f"{name_some(names)}."
            )
    if as_json:
        echo_json(reasons)
        return
    for reason in reasons:
        ranked = "" if reason["rank"] is None else f", {reason['rank']} of {reason['n_ranked']}"
        subject = reason["application"] or "every application"
        echo_lines([f"{subject} on {reason['dataset']}{ranked}: {reason['reason']}"])
