"""Rows that every contender gets, as Parquet: tables that no portfolio was learnt on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from tables import KEPT_ASIDE, NEVER_RECORDED, TableSource, read_frames

from rightfit.models.quality.bounds import complete_quality
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.params import QualityBlock
from rightfit.models.schema import Task

MAX_TRAIN_ROWS, MAX_TEST_ROWS = 10_000, 5_000
TEST_SHARE = 0.25
TABLES = {
    "titanic": TableSource("carData", "TitanicSurvival", "survived"),
    "musk": TableSource("kernlab", "musk", "Class"),
    **KEPT_ASIDE,
    **NEVER_RECORDED,
    "stops": TableSource(
        *("carData", "MplsStops", "problem"),
        left_out=("idNum", "citationIssued", "personSearch", "vehicleSearch"),  # known afterwards
    ),
    "headaches": TableSource("carData", "KosteckiDillon", "headache"),
}
FURTHER = {  # against an earlier version alone; docs/explanation/evidence/peers.md has the rule
    "births": TableSource("AER", "Fertility", "morekids"),
    "men": TableSource("AER", "CPS1988", "wage"),
    "plebiscite": TableSource("carData", "Chile", "vote"),
    "polls": TableSource(
        *("dslabs", "polls_us_election_2016", "rawpoll_clinton"),
        left_out=(
            *("rawpoll_trump", "rawpoll_johnson", "rawpoll_mcmullin"),
            *("adjpoll_clinton", "adjpoll_trump", "adjpoll_johnson", "adjpoll_mcmullin"),
        ),
    ),
    "aggression": TableSource("lme4", "VerbAgg", "r2", ("resp",)),
    "arithmetic": TableSource("mlmRev", "egsingle", "math"),
    "language": TableSource("mlmRev", "bdf", "langPOST", ("pupilNR", "aritPOST")),
    "grants": TableSource("modeldata", "grants", "class", frame="grants_other"),
    "panel": TableSource("plm", "Wages", "lwage"),
    "firms": TableSource("plm", "Snmesp", "n"),
    "schools": TableSource(
        *("survey", "api", "api00"),
        left_out=(
            *("cds", "name", "sname", "snum"),
            *("growth", "sch.wide", "comp.imp", "both", "awards"),
        ),
        frame="apipop",
    ),
}
TABLES |= FURTHER
TIMES = {"stops": "date", "polls": "enddate", "arithmetic": "year", "firms": "year"}
GROUPS = {"headaches": "id"}  # a table is split by its time or its group, if it has one
REGRESSIONS = (
    *("vocabulary", "diamonds"),
    *("men", "polls", "arithmetic", "language", "panel", "firms", "schools"),
)
TASKS: dict[str, Task] = dict.fromkeys(REGRESSIONS, "regression")  # others: classes
METRICS = {"classification": "accuracy", "regression": "r2"}  # both peers know them


@dataclass(frozen=True)
class Rows:
    """The rows of one table.

    Args:
        folder: Holds ``train.parquet`` and ``test.parquet``.
        target: Column to predict.
        task: ``classification`` or ``regression``.
        quality: Metric that every contender optimises, and that judges.
        time: Column whose latest values are the test rows', if the split is by time.
        group: Column whose values are in the train or in the test rows, if the split is by groups.
    """

    folder: Path
    target: str
    task: Task
    quality: QualityMetric
    time: str | None
    group: str | None

    @property
    def test(self) -> pl.DataFrame:
        """The rows that no search sees."""
        return pl.read_parquet(self.folder / "test.parquet")

    def describe(self) -> dict[str, Any]:
        """Return what a contender's process is told, as JSON types."""
        return {
            "rows": str(self.folder),
            "target": self.target,
            "task": self.task,
            "metric": self.quality.name,
            "time": self.time,
            "group": self.group,
        }


def prepare_rows(name: str, root: Path) -> Rows:
    """Read a table and split it, unless that was done before."""
    folder = root / name
    about = folder / "table.json"
    if not about.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _, source, frame = next(read_frames({name: TABLES[name]}))
        frame = frame.drop(source.left_out)
        if time := TIMES.get(name):
            if frame[time].dtype == pl.String:
                frame = frame.with_columns(pl.col(time).str.to_datetime())
            frame = frame.sort(time, descending=True, maintain_order=True)
        if group := GROUPS.get(name):
            frame = pl.concat(frame.partition_by(group, maintain_order=True))
        n_test = min(MAX_TEST_ROWS, int(TEST_SHARE * frame.height))
        train = frame[n_test : n_test + MAX_TRAIN_ROWS]
        if time:
            train = train.reverse()  # the latest rows are last
        if group:
            train = train.filter(~pl.col(group).is_in(frame[:n_test][group].implode()))
        task = TASKS.get(name, "classification")
        frame[:n_test].write_parquet(folder / "test.parquet")
        train.write_parquet(folder / "train.parquet")
        quality = complete_quality(QualityBlock(name=METRICS[task]), train[source.target], task)
        known = {"target": source.target, "task": task, "quality": quality.model_dump()}
        about.write_text(json.dumps(known), encoding="utf-8")
    known = json.loads(about.read_text(encoding="utf-8"))
    quality = QualityMetric(**known["quality"])
    columns = TIMES.get(name), GROUPS.get(name)
    return Rows(folder, known["target"], known["task"], quality, *columns)
