"""Measuring rules side by side on one model after the other, each judged twice."""

from __future__ import annotations

import functools
import importlib.util
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from interval_tally import Judged
from kept_pieces import KeptPieces
from measured_models import use_preset
from measuring_rules import (
    PERF_ANALYZER_WINDOW_S,
    PERF_ANALYZER_WINDOWS,
    Estimate,
    Run,
    estimate_perf_analyzer,
    estimate_window,
    list_turns,
    run_pyperf,
    would_perf_analyzer_stop,
)
from recorded_calls import SHARES, Against, Recording, Reference, find_reference, record

from rightfit.profiling.common_mode_error import (
    BlockEffects,
    CommonModeError,
    estimate_common_mode_error,
)
from rightfit.profiling.measuring.measurement import Bench, Measurement, Subject

PRESETS = ("quick", "standard")
QUICK, STANDARD, ALONE = "ours, quick", "ours, standard", "ours, alone"
WINDOW, PERF_ANALYZER = "fixed window", "perf_analyzer"
WINDOW_S = 10
PERF_ANALYZER_EVERY = 2  # of the reference's processes, one is long enough for it too
AGAINST: tuple[Against, ...] = ("all_calls", "full_speed")


@dataclass(frozen=True)
class Scope:
    """How much to compare.

    Args:
        scale: Factor of all window lengths.
        n_runs: Runs of each of our presets per model.
        n_processes: Processes of a reference, and runs of a model measured alone.
        one_window: Whether to run ``standard`` with one window to each process too.
        smallest: Whether our presets are cut down, too.
    """

    scale: float
    n_runs: int
    n_processes: int
    one_window: bool
    smallest: bool


@dataclass(frozen=True)
class Compared:
    """What the rules found for one model.

    Args:
        reference: What they should have found.
        estimates: Runs of each rule.
        slow_share: Share of the reference's calls made on a slow core.
        stops: Of perf_analyzer's runs, whether it would have stopped.
        turns: What our runs of it had in common, turn by turn.
        shared: The common-mode error that intervals in turns hold.
    """

    reference: Reference
    estimates: dict[str, list[Estimate]]
    slow_share: float
    stops: list[bool]
    turns: list[BlockEffects]
    shared: CommonModeError

    def errors(self, rule: str, share: float, against: Against) -> list[float]:
        """Return the relative errors of a rule's runs."""
        return [one.error(share, against) for one in self.estimates[rule]]

    def judge(self, rule: str, against: Against) -> list[Judged]:
        """Return a rule's intervals of the p95 beside what they should hold."""
        judged = [one.judge_p95(against) for one in self.estimates[rule]]
        return [one for one in judged if one is not None]

    def mean_s(self, rule: str) -> float:
        """Return how long a run of a rule takes."""
        return statistics.mean(one.seconds for one in self.estimates[rule])


def compare_rules(
    bench: Bench, models: dict[str, Subject], scope: Scope, pieces: KeptPieces
) -> dict[str, float | None]:
    """Compare the rules model by model, a piece each; return the figures over all models."""
    found: dict[str, Compared] = {}
    seen: list[BlockEffects] = []  # as a machine's cells are measured one after the other
    for name, model in models.items():
        found[name] = pieces.find(
            f"rules-{name}", Compared, functools.partial(compare_on, model, bench, scope, seen)
        )
        seen += found[name].turns
        print_model(name, found[name])
    return summarise(found)


def compare_on(
    model: Subject, bench: Bench, scope: Scope, seen: Sequence[BlockEffects]
) -> Compared:
    """Compare the rules on one model."""
    recordings, runs, alone = measure_in_turns(model, bench, scope)
    constant_pct = bench.settings.common_mode_error_pct
    compared = compare_windows(recordings, scope.scale, list_turns(runs), seen, constant_pct)
    for run in runs:
        own = run.estimate(compared.reference, compared.shared)
        compared.estimates.setdefault(run.rule, []).append(own)
    unknown = CommonModeError.assume(constant_pct).alone
    compared.estimates[ALONE] = [run.estimate(compared.reference, unknown) for run in alone]
    if importlib.util.find_spec("pyperf") is not None:
        found = run_pyperf(model, bench, compared.reference, scope.scale)
        compared.estimates["pyperf"] = [found]
    return compared


def measure_in_turns(
    model: Subject, bench: Bench, scope: Scope
) -> tuple[list[Recording], list[Run], list[Run]]:
    """Measure the reference's processes, between them our runs a process of each at a time.

    Returns:
        The reference's processes, the runs in turns, and runs of the model measured alone, one
        after each process of the reference.
    """
    window_s = WINDOW_S * scope.scale
    long_s = PERF_ANALYZER_WINDOWS * PERF_ANALYZER_WINDOW_S * scope.scale
    benches = {
        f"ours, {preset}": use_preset(bench, preset, smallest=scope.smallest) for preset in PRESETS
    }
    standard = benches[STANDARD]
    if scope.one_window:
        settings = standard.settings.model_copy(update={"n_windows": 1})
        benches["ours, one window"] = replace(standard, settings=settings)
    runs = [
        Run(rule, Measurement(model, own))
        for rule, own in benches.items()
        for _ in range(scope.n_runs)
    ]
    recordings: list[Recording] = []
    alone: list[Run] = []
    while len(recordings) < scope.n_processes or not all(run.measurement.is_over for run in runs):
        if len(recordings) < scope.n_processes:
            is_long = len(recordings) % PERF_ANALYZER_EVERY == 0
            recordings.append(record(model, bench, long_s if is_long else window_s))
            alone.append(Run(ALONE, Measurement(model, standard)))
            alone[-1].finish()
        for window in range(max(run.n_windows for run in runs)):
            for run in runs:
                if window < run.n_windows:
                    run.take_turn()
    return recordings, runs, alone


def compare_windows(
    recordings: list[Recording],
    scale: float,
    turns: list[BlockEffects],
    seen: Sequence[BlockEffects],
    constant_pct: float,
) -> Compared:
    """Hold the rules that take their calls from the reference's processes against the others."""
    window_s = WINDOW_S * scale
    full_ns = min(recording.full_ns for recording in recordings)
    windows = [recording.first(window_s) for recording in recordings]
    others = [
        find_reference([*windows[:i], *windows[i + 1 :]], full_ns) for i in range(len(windows))
    ]
    long = range(0, len(recordings), PERF_ANALYZER_EVERY)
    return Compared(
        find_reference(windows, full_ns),
        {
            WINDOW: [estimate_window(windows[i], window_s, others[i]) for i in range(len(windows))],
            PERF_ANALYZER: [estimate_perf_analyzer(recordings[i], others[i], scale) for i in long],
        },
        statistics.mean(window.slow_share(full_ns) for window in windows),
        [would_perf_analyzer_stop(recordings[i], scale) for i in long],
        turns,
        estimate_common_mode_error([*seen, *turns], constant_pct),
    )


def summarise(found: dict[str, Compared]) -> dict[str, float | None]:
    """Return the figures over all models, against calls at full speed if not named otherwise."""

    def pool(rule: str, share: float, against: Against = "full_speed") -> list[float]:
        return [error for one in found.values() for error in one.errors(rule, share, against)]

    def judge(rule: str, take: Callable[[Judged], float]) -> float | None:
        judged = [one for c in found.values() for one in c.judge(rule, "full_speed")]
        return statistics.mean(take(one) for one in judged) if judged else None

    ours = [e for c in found.values() for rule in (QUICK, STANDARD) for e in c.estimates[rule]]
    figures: dict[str, float | None] = {
        "within_5pct_p50": statistics.mean(error <= 0.05 for error in pool(QUICK, 0.5)),
        "p95_interval_covers": judge(STANDARD, lambda one: one.covers),
        "p95_half_width_pct": judge(STANDARD, lambda one: one.half_width_pct),
        "p95_interval_score_pct": judge(STANDARD, lambda one: one.score_pct),
        "p95_interval_score_pct_window": judge(WINDOW, lambda one: one.score_pct),
        "alone_p95_covers": judge(ALONE, lambda one: one.covers),
        "p95_time_of_perf_analyzers_max": max(
            one.mean_s(STANDARD) / one.mean_s(PERF_ANALYZER) for one in found.values()
        ),
        "marked_share": statistics.mean(one.is_marked for one in ours),
    }
    endings: dict[Against, str] = {"full_speed": "", "all_calls": "_all_calls"}
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        for against, ending in endings.items():
            for rule, whose in ((STANDARD, ""), (PERF_ANALYZER, "_perf_analyzer")):
                errors = pool(rule, share, against)
                figures[f"{name}_error_pct{whose}{ending}"] = 100 * statistics.median(errors)
    for name, one in found.items():
        figures[f"speedup_{name}"] = one.mean_s(WINDOW) / one.mean_s(QUICK)
    return figures


def print_header() -> None:
    """Print the head of the table."""
    shares = [f"p{100 * share:.0f}" for share in SHARES]
    print(
        f"{'':<25}{'':>9}{'error against all calls':>27}{'against calls at full speed':>30}"
        f"{'interval of the p95':>30}"
    )
    print(
        f"{'model':<8}{'rule':<17}{'time s':>9}"
        + "".join(f"{share:>9}" for share in shares)
        + "   "
        + "".join(f"{share:>9}" for share in shares)
        + f"{'covers':>10}{'half width':>11}{'score':>9}{'speed-up':>10}"
    )


def print_model(name: str, compared: Compared) -> None:
    """Print one line per rule, medians over its runs; and the reference."""
    for rule in compared.estimates:
        print(f"{name:<8}{rule:<17}{_describe_rule(compared, rule)}", flush=True)
    reference = ", ".join(
        f"p{100 * share:.0f} {compared.reference.full_speed[share] / 1e3:.2f} us"
        f" (of all calls {compared.reference.all_calls[share] / 1e3:.2f})"
        for share in SHARES
    )
    ours = [e for rule, all_runs in compared.estimates.items() if "ours" in rule for e in all_runs]
    print(
        f"{name}: reference {reference}; core slow {100 * compared.slow_share:.1f} %; "
        f"{sum(e.is_marked for e in ours)} of {len(ours)} of our runs marked as disturbed; "
        f"perf_analyzer would have stopped in {sum(compared.stops)} of {len(compared.stops)}; "
        f"common-mode error {compared.shared.in_turns_pct:.2f} % from "
        f"{compared.shared.n_blocks} turns",
        flush=True,
    )


def _describe_rule(compared: Compared, rule: str) -> str:
    """Return time, errors, coverage, width, score and speed-up of a rule as cells."""
    seconds = compared.mean_s(rule)
    cells = f"{seconds:>9.2f}"
    for against in AGAINST:
        errors = [statistics.median(compared.errors(rule, share, against)) for share in SHARES]
        cells += "".join(f"{100 * e:>8.1f}%" if e == e else f"{'-':>9}" for e in errors)
        cells += "   " if against == "all_calls" else ""
    judged = compared.judge(rule, "full_speed")
    if judged:
        covers = statistics.mean(one.covers for one in judged)
        width_pct = statistics.mean(one.half_width_pct for one in judged)
        score_pct = statistics.mean(one.score_pct for one in judged)
        cells += f"{covers:>10.0%}{width_pct:>10.1f}%{score_pct:>8.1f}%"
    else:
        cells += f"{'-':>10}{'-':>11}{'-':>9}"
    return cells + f"{compared.mean_s(WINDOW) / seconds:>9.1f}x"
