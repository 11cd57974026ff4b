"""Each application's winner and its costs, kept in a file and compared with a later run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import Field, ValidationError, model_validator

from rightfit._core.formatting import count, escape_markdown
from rightfit._core.json_documents import parse_json
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.strict_model import StrictModel, list_faults
from rightfit.measuring.metrics import METRICS, Figure
from rightfit.measuring.naming import metric_name
from rightfit.measuring.profile import find_impossible
from rightfit.measuring.serving import Serving
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.explanation.answer import Answer
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.ranking.figures import UTILITY_ROW, Figures, UtilityFigure

# Raise it also when a metric comes to mean something else: its figures are then not compared.
FORMAT_VERSION = 3
UTILITY = "utility"
Name = Annotated[str, Field(min_length=1)]
ROUNDING = 1e-9  # of a figure, as a share
MAX_FAULTS = 5  # of a file that are shown


class StoredWinner(StrictModel):
    """The winner of an application and dataset, with what the application asks for."""

    candidate: Name
    model: Name
    serving: Serving
    batch_size: int | None = Field(gt=0)
    utility: UtilityFigure
    metrics: Figures

    @model_validator(mode="after")
    def _check(self) -> StoredWinner:
        if not (self.serving.runtime and self.serving.device and self.serving.n_threads > 0):
            raise ValueError(
                f"serving must name runtime, threads and device, but is {self.serving}"
            )
        if lacking := [name for name, figure in self.figures.items() if figure.value is None]:
            raise ValueError(f"figures must have a value, but {', '.join(lacking)} have none")
        return self

    @property
    def figures(self) -> dict[str, Figure]:
        """Its metrics and its utility, where that is known."""
        return self.metrics | ({UTILITY: self.utility} if self.utility else {})

    @property
    def key(self) -> ProfileKey:
        """Candidate and serving configuration that were recommended."""
        return ProfileKey(self.model, self.candidate, self.serving)


class MeasuredOn(StrictModel):
    """The hardware that timings depend on."""

    cpu: str
    n_cores: int = Field(gt=0)
    memory_mib: int = Field(gt=0)


class Baseline(StrictModel):
    """The winners of a run, by application and dataset; ``None`` where none qualified."""

    format_version: Literal[3]
    ranked_in: str
    machine: MeasuredOn | None
    winners: dict[str, dict[str, StoredWinner | None]]


Standing = Mapping[tuple[str, str], Figure | None]
NONE_STANDS: Standing = {}


Verdict = Literal["same", "regressed", "cannot tell"]
EXIT_CODES: Mapping[Verdict, int] = {"same": 0, "regressed": 1, "cannot tell": 3}  # 2: usage


@dataclass(frozen=True)
class Comparison:
    """A winner compared with the one of a baseline.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        faults: What is worse.
        notes: What else has changed.
        doubts: Losses beyond the margin that the intervals do not prove.
        candidate: The winner now; ``None``: none qualifies.
    """

    application: str
    dataset: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    candidate: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Result of the comparison."""
        return "regressed" if self.faults else "cannot tell" if self.doubts else "same"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Faults, doubts and notes, in words."""
        return (*self.faults, *self.doubts, *self.notes)


def make_baseline(
    answers: Iterable[Answer], metrics_by_application: Mapping[str, Collection[str]]
) -> Baseline:
    """Keep the winners of a run."""
    listed = list(answers)
    winners: dict[str, dict[str, StoredWinner | None]] = {}
    for answer in listed:
        winner, stored_winner = answer.decision.winner, None
        if winner is not None:
            needed = metrics_by_application[answer.application]
            stored_winner = StoredWinner(
                candidate=winner.candidate,
                model=winner.model,
                serving=winner.serving,
                batch_size=winner.best_batch_size,
                utility=keep_utility(winner),
                metrics={
                    metric: figure
                    for metric, figure in winner.metrics.items()
                    if metric in needed and figure.value is not None
                },
            )
        winners.setdefault(answer.application, {})[answer.dataset] = stored_winner
    machine = None
    if listed and (environment := listed[0].origin.environment):
        machine = MeasuredOn(
            cpu=environment.cpu, n_cores=environment.n_cores, memory_mib=environment.memory_mib
        )
    return Baseline(
        format_version=FORMAT_VERSION,
        ranked_in=listed[0].origin.ranked_in if listed else "",
        machine=machine,
        winners=winners,
    )


def write_baseline(present: Baseline, path: Path) -> None:
    """Write a baseline; one that is there is replaced.

    Raises:
        ValueError: If nothing could be compared with it.
    """
    require_regular(path)
    if gaps := list(find_gaps(present)):
        raise ValueError(
            f"The last ranking makes no baseline: {'; '.join(gaps)}. A check needs winners with "
            "measured metrics: relax the applications' limits, or run: kedro run "
            "--pipelines perf"
        )
    path.write_text(present.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ValueError: If the file is none, or holds nothing to compare with.
    """
    require_regular(path)
    anew = f"Write one from the last ranking: rightfit check --against {path} --write"
    try:
        before = Baseline.model_validate(parse_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError as err:
        raise ValueError(f"There is no baseline {path}. {anew}") from err
    except ValueError as err:
        faults = list_faults(err) if isinstance(err, ValidationError) else [str(err)]
        raise ValueError(
            f"{path} is no baseline of rightfit check: {'; '.join(faults[:MAX_FAULTS])}. {anew}"
        ) from err
    if gaps := [*find_gaps(before), *_find_outside(before)]:
        raise ValueError(f"{path} is no baseline to compare with: {'; '.join(gaps)}. {anew}")
    return before


def find_gaps(baseline: Baseline) -> Iterator[str]:
    """Describe what of a baseline no later run can be compared with.

    Yields:
        One line per gap.
    """
    if not any(winner for datasets in baseline.winners.values() for winner in datasets.values()):
        yield "winners holds no winner"
    for application, datasets in baseline.winners.items():
        if not datasets:
            yield f"winners.{application} holds no dataset"
        for dataset, winner in datasets.items():
            if winner is None:
                continue
            if not winner.metrics:
                yield f"winners.{application}.{dataset}.metrics holds no metric"


def _find_outside(baseline: Baseline) -> Iterator[str]:
    """Yield a line for each figure that cannot be, or lies outside its own interval."""
    for application, datasets in baseline.winners.items():
        for dataset, winner in datasets.items():
            for metric, figure in (winner.figures if winner else {}).items():
                place = f"winners.{application}.{dataset}.{metric} is {float(figure):g}"
                column = "quality" if metric == UTILITY else metric  # both lie between 0 and 1
                if demand := find_impossible(column, pl.Series([figure.value])):
                    yield f"{place}, but {demand}"
                margin = ROUNDING * abs(float(figure))
                low, high = _end(figure, favourable=-1), _end(figure, favourable=1)
                if not low - margin <= float(figure) <= high + margin:
                    yield f"{place}, outside of its interval of {low:g} to {high:g}"


def compare_baselines(
    before: Baseline, now: Baseline, standing: Standing = NONE_STANDS, *, margin_pct: float
) -> Iterator[Comparison]:
    """Compare the winners of two runs.

    A metric is worse if both intervals lie apart the wrong way and, where it is no quality, the
    values differ by more than the margin. Another candidate that is worth no less to the
    application may trade one metric for another: that is noted, and is no fault. So is memory of
    batches whose size differs, because another size had the best throughput.

    Args:
        before: The baseline.
        now: The winners of the other run.
        standing: Utilities in the other run of those winners of the baseline that have been
            replaced by candidates that are not significantly better: theirs count.
        margin_pct: Change of a metric that counts, in percent.
    """
    for application, datasets in before.winners.items():
        present = now.winners.get(application, {})
        for dataset, old_winner in datasets.items():
            new_winner = present.get(dataset)
            faults: list[str] = []
            notes: list[str] = []
            doubts: list[str] = []
            if dataset not in present:
                faults = ["it is not ranked any more"]
            elif old_winner is None:
                notes = (
                    []
                    if new_winner is None
                    else [f"{new_winner.candidate} qualifies now, none did"]
                )
            elif new_winner is None:
                faults = [f"no candidate meets its limits any more; {old_winner.candidate} did"]
            else:
                utility = standing.get((application, dataset))
                faults, notes, doubts = _compare(old_winner, new_winner, utility, margin_pct)
            candidate = new_winner.candidate if new_winner else None
            yield Comparison(
                application, dataset, tuple(faults), tuple(notes), tuple(doubts), candidate
            )


def find_other_machine(before: Baseline, now: Baseline) -> str | None:
    """Say how the machines differ, or that one is not known; ``None`` if they are alike."""
    if before.machine is None or now.machine is None:
        side = "the baseline" if before.machine is None else "this run"
        return f"{side} does not say what it was measured on"
    if before.machine == now.machine:
        return None
    old, new = (
        f"{machine.cpu}, {count(machine.n_cores, 'core')}"
        for machine in (before.machine, now.machine)
    )
    return f"the baseline was measured on {old}, {before.machine.memory_mib} MiB; this run on {new}"


def keep_utility(candidate: RankedCandidate) -> Figure | None:
    """Return a candidate's utility; ``None`` where it is not known."""
    if candidate.utility is None:
        return None
    return Figure(UTILITY_ROW, candidate.utility, candidate.utility_low, candidate.utility_high)


def _compare(
    before: StoredWinner, now: StoredWinner, standing: Figure | None, margin_pct: float
) -> tuple[list[str], list[str], list[str]]:
    """Return the faults, notes and doubts of a winner beside the one of the baseline."""
    is_same = before.key == now.key
    figures = now.figures | ({UTILITY: standing} if standing else {})
    worse = {
        metric: line
        for metric, old in before.figures.items()
        if (line := _describe_loss(old, figures.get(metric), margin_pct))
    }
    lost = worse.pop(UTILITY, None)
    old, new = before.candidate, now.candidate
    if old == new:  # served otherwise
        old, new = str(before.serving), f"{new} with {now.serving}"
    notes = [] if is_same else [f"{new} has replaced {old}"]
    if standing:
        notes = [f"{notes[0]}, but is not significantly better"]
    if is_same and before.batch_size != now.batch_size:
        sizes = f"at batch size {now.batch_size} instead of {before.batch_size}"
        of_batches = [
            metric.column
            for metric in METRICS
            if metric.depends_on_batch and metric.column in worse
        ]
        notes += [f"{sizes}, {worse.pop(metric)}" for metric in of_batches]
    if not is_same and not lost:
        notes += [f"in exchange for other metrics, {line}" for line in worse.values()]
        worse = {}
    doubts = [
        doubt
        for metric, old in before.figures.items()
        if metric in figures and (is_same or metric == UTILITY)
        if (doubt := _describe_doubt(old, figures[metric], margin_pct))
    ]
    return [*([lost] if lost else []), *worse.values()], notes, doubts


def _describe_loss(before: Figure, now: Figure | None, margin_pct: float) -> str | None:
    """Describe by how much a metric is worse; ``None`` if it is not, within the errors."""
    name = metric_name(before.metric.column)
    if now is None:
        return f"{name} was not measured"
    sign = _sign(before)
    best_now = _end(now, favourable=sign)
    worst_before = _end(before, favourable=-sign)
    change = sign * (float(now) - float(before))
    margin = 0.0 if _is_quality(before) else abs(float(before)) * margin_pct / 100
    if not (sign * (best_now - worst_before) < 0 and change < -margin):
        return None
    return f"{name} is worse: {before} before, {now} now"


def _describe_doubt(before: Figure, now: Figure, margin_pct: float) -> str | None:
    """Describe a loss beyond the margin that the intervals do not prove; ``None`` without one.

    Intervals shrink with the square root of the number of runs, so they lie apart once there are
    (sum of the half-widths / loss)² times as many on either side.
    """
    sign = _sign(before)
    loss = sign * (float(before) - float(now))
    reach = sign * (float(before) - _end(before, favourable=-sign))
    reach += sign * (_end(now, favourable=sign) - float(now))
    if not abs(float(before)) * margin_pct / 100 < loss <= reach:
        return None
    more = max(1, math.ceil((reach / loss) ** 2) - 1)
    is_quality = _is_quality(before)
    what = "times as many test rows" if is_quality else "more runs on either side"
    return (
        f"{metric_name(before.metric.column)} may be worse: {before} before, {now} now; if the "
        f"loss is that, about {more + is_quality} {what} would tell"
    )


def write_verdict(compared: Sequence[Comparison]) -> str:
    """Write comparisons as Markdown for a pull request, the worst verdict first."""
    order: tuple[Verdict, ...] = ("regressed", "cannot tell", "same")
    counts = [(sum(one.verdict == verdict for one in compared), verdict) for verdict in order]
    lines = [
        f"## Models against the baseline: {conclude(compared)}",
        "",
        ", ".join(f"{n} {verdict}" for n, verdict in counts if n) + ".",
        "",
        "| Application | Dataset | Verdict | Why |",
        "|---|---|---|---|",
    ]
    for one in sorted(compared, key=lambda one: order.index(one.verdict)):
        why = ". ".join(one.remarks) or "no loss beyond margin and errors"
        cells = (one.application, one.dataset, one.verdict, why)
        lines.append(f"| {' | '.join(map(escape_markdown, cells))} |")
    return "\n".join(lines) + "\n"


def conclude(compared: Iterable[Comparison]) -> Verdict:
    """Return the worst of several verdicts.

    >>> conclude([Comparison("a", "d", (), (), ("it may be",)), Comparison("b", "d", (), ())])
    'cannot tell'
    """
    verdicts = {one.verdict for one in compared}
    order: tuple[Verdict, ...] = ("regressed", "cannot tell")
    return next((verdict for verdict in order if verdict in verdicts), "same")


def _is_quality(figure: Figure) -> bool:
    """Tell whether the interval alone says what is worse."""
    return figure.metric.source == "predictions"


def _sign(figure: Figure) -> int:
    """Return 1 where a higher value is better, else -1."""
    return 1 if figure.metric.better == "higher" else -1


def _end(figure: Figure, *, favourable: int) -> float:
    end = figure.high if favourable > 0 else figure.low
    return float(figure) if end is None else end
