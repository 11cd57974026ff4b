"""What the contenders' models are worth to the applications, and by how much they differ.

Every model of a table counts as a candidate of one ranking: utilities and limits are the library's,
quality that of the test rows. Rightfit delivers the model that its own ranking chose for an
application. A peer may deliver the best of its models by these very figures, found with or without
a latency limit, as delivered or as ONNX: that favours it. All of these read raw rows; what a peer
would be worth if others had encoded its rows is printed beside them. A contender that failed is
worth 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.api.rank import read_applications
from rightfit.models.imported.objects import name_class
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.standard_errors import find_contributions
from rightfit.ranking.applications.applications import THREADS, Application, Applications
from rightfit.ranking.applications.constraints import Judgement, judge_profiles, resolve_limits

OWN, BASELINE, BEFORE = "rightfit", "lightgbm", "rightfit_before"
PEERS = {
    "flaml": ("flaml", "flaml_limited"),
    "autogluon": ("autogluon", "autogluon_limited", "autogluon_high", "autogluon_best"),
}
LIBRARIES = {OWN: (OWN,), BASELINE: (BASELINE,), **PEERS}
CONTROL = "accuracy_first"
BARE, RAW = "bare", "raw"  # a peer's single model as ONNX: its rows already encoded, or raw
STANDS_IN = {"latency_p99_ms": "latency_p95_ms", "latency_p95_ms": "latency_p50_ms"}
"""The lower figure counts where a slow model did not answer often enough; that favours it."""
N_DRAWS = 4_000
NOTHING = "-"  # a utility that is not known
SHOWN = {
    "latency_p50_ms": "p50 ms",
    "throughput_rows_per_s": "rows/s",
    "peak_memory_mib": "MiB",
    "model_size_mib": "size MiB",
}


@dataclass(frozen=True)
class Answered:
    """A model that answered the test rows.

    Args:
        contender: Whose it is.
        name: The application that chose it, ``delivered``, ``raw`` or ``bare``.
        quality_raw: On test rows.
        error: Its standard error.
        quality: Scaled to [0, 1].
        metrics: What was measured, by column; empty where nothing was.
        what: Description.
        disturbed: Whether other work disturbed the measurement.
        contributions: Of each test row to the deviation of its quality.
    """

    contender: str
    name: str
    quality_raw: float
    error: float
    quality: float
    metrics: Mapping[str, float | None]
    what: str = ""
    disturbed: bool = False
    contributions: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def find(self, metric: str) -> float:
        """Return a metric, NaN where neither it nor a lower figure was measured."""
        if metric == "quality":
            return self.quality
        if metric == THREADS:
            return 1.0
        value = self.metrics.get(metric)
        if value is None:
            return self.find(STANDS_IN[metric]) if metric in STANDS_IN else float("nan")
        return float(value)


def read_answered(folder: Path, rows: Path) -> list[Answered]:
    """Read what a contender's models answered and cost; empty where it failed."""
    if not (folder / "predictions.parquet").is_file():
        return []
    table = json.loads((rows / "table.json").read_text(encoding="utf-8"))
    targets = pl.read_parquet(rows / "test.parquet")[table["target"]]
    predicted = pl.read_parquet(folder / "predictions.parquet")
    measured: dict[str, dict[str, Any]] = {}
    if (folder / "measured.json").is_file():
        found = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
        measured = {one["model"]: one for one in found}
    metric, answered = QualityMetric(**table["quality"]), []
    models = json.loads((folder / "models.json").read_text(encoding="utf-8"))
    models += [model | {"model": RAW} for model in models if model["model"] == BARE]
    for model in models:
        name = model["model"]
        answers = predicted[BARE if name == RAW else name]
        raw, contributions = score(targets, answers, metric, table["task"])
        error = float(np.linalg.norm(contributions))
        answered.append(
            Answered(
                *(folder.name, name, raw, error, metric.scale(raw)),
                measured.get(name, {}).get("metrics", {}),
                model["what"],
                measured.get(name, {}).get("disturbed", False),
                contributions,
            )
        )
    return answered


def score(
    targets: pl.Series, predicted: pl.Series, metric: QualityMetric, task: str
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the quality of predicted labels or values, and each row's contribution to it.

    The norm of the contributions is the standard error; of the difference of two models', that of
    the difference of their qualities.
    """
    if task == "regression":
        labels, answers = (one.cast(pl.Float64).to_numpy() for one in (targets, predicted))
        answers = answers.reshape(-1, 1)
    else:
        names = [[name_class(one) for one in values] for values in (targets, predicted)]
        classes = sorted({*names[0], *names[1]})
        labels, chosen = (np.searchsorted(classes, name) for name in names)
        answers = np.eye(len(classes))[chosen]
    raw = metric.score(labels, answers)
    contributions = find_contributions(metric, labels, answers)
    if contributions is None:
        raise ValueError(f"{metric.name}: what a row contributes to it is not known")
    return raw, contributions


def judge_answered(answered: Sequence[Answered], application: Application) -> Judgement:
    """Return what each of a table's models is worth; losses count from the best quality of all."""
    values = {
        metric: np.array([one.find(metric) for one in answered])
        for metric in {*application.needed_metrics(), "quality"}
    }
    best = np.asarray(values["quality"].max(initial=0.0))
    limits = resolve_limits(application, {"quality": best})
    return judge_profiles(values, application, limits=limits)


def choose(
    answered: Sequence[Answered], applications: Mapping[str, Application]
) -> list[dict[str, Any]]:
    """Return what each library brings to each application of one table.

    Returns:
        A row for every library and application: ``utility``, 0 where it failed; ``kept``, whether
        all limits are; ``failed``; ``quality_raw``, ``error`` and ``model``, null where it failed.
        ``utility_delivered`` is the same without models as ONNX, ``utility_bare`` with those whose
        rows others have encoded.
    """
    rows = []
    for name, application in applications.items():
        judged = judge_answered(answered, application)
        for library, contenders in LIBRARIES.items():
            own = [
                place
                for place, one in enumerate(answered)
                if one.contender in contenders
                and (library != OWN or one.name == name)
                and not np.isnan(judged.utility[place])
            ]

            def find_best(*left_out: str, own: Any = own, judged: Any = judged) -> int | None:
                """Return the place of the best model that is not of these kinds."""
                return max(
                    (place for place in own if answered[place].name not in left_out),
                    key=lambda place: (judged.feasible[place], judged.utility[place]),
                    default=None,
                )

            places = {"": find_best(BARE), "_delivered": find_best(BARE, RAW), "_bare": find_best()}
            utilities = {
                f"utility{way}": 0.0 if place is None else float(judged.utility[place])
                for way, place in places.items()
            }
            first = places[""]
            chosen = None if first is None else answered[first]
            rows.append(
                {
                    "application": name,
                    "library": library,
                    **utilities,
                    "kept": first is not None and bool(judged.feasible[first]),
                    "failed": first is None,
                    "quality_raw": chosen and chosen.quality_raw,
                    "error": chosen and chosen.error,
                    "model": chosen and f"{chosen.contender}.{chosen.name}",
                }
            )
    return rows


def compare(chosen: pl.DataFrame, peer: str, utility: str = "utility") -> list[float] | None:
    """Return by how much Rightfit's utility is above a peer's, with the 95 % interval's ends.

    Tables are drawn with replacement, then applications within each.

    Args:
        chosen: As of :func:`choose`, with the column ``table``.
        peer: The other library.
        utility: Column to compare.
    """
    wide = chosen.filter(pl.col("library").is_in([OWN, peer])).pivot(
        "library", index=["table", "application"], values=utility
    )
    if wide.is_empty():
        return None
    wide = wide.with_columns((pl.col(OWN) - pl.col(peer)).alias("gain"))
    gains = [part["gain"].to_numpy() for _, part in wide.group_by("table", maintain_order=True)]
    rng = np.random.default_rng(0)
    drawn = [
        np.mean([rng.choice(gains[place], len(gains[place])).mean() for place in places])
        for places in rng.integers(len(gains), size=(N_DRAWS, len(gains)))
    ]
    ends: npt.NDArray[np.float64] = np.quantile(drawn, [0.025, 0.975])
    mean = float(np.mean([one.mean() for one in gains]))
    return [round(value, 4) for value in (mean, *ends.tolist())]


def count_within_one_error(chosen: pl.DataFrame) -> int:
    """Return on how many tables Rightfit's most accurate model is as good as the better peer's.

    It may be one standard error of the peer's quality below.
    """
    control = chosen.filter(application=CONTROL, failed=False)
    peers = (
        control.filter(pl.col("library").is_in(list(PEERS)))
        .sort("quality_raw", descending=True)
        .group_by("table", maintain_order=True)
        .first()
    )
    own = control.filter(library=OWN).join(peers, on="table", how="left", suffix="_peer")
    is_near = pl.col("quality_raw") >= pl.col("quality_raw_peer") - pl.col("error_peer")
    return own.filter(is_near | pl.col("quality_raw_peer").is_null()).height


def relate_cpu_s(spent: pl.DataFrame) -> float | None:
    """Return Rightfit's CPU seconds as a share of those of the peer that took fewer.

    Args:
        spent: Columns ``table``, ``contender`` and ``cpu_s``; a peer counts without latency limit.
    """
    taken = dict(spent.group_by("contender").agg(pl.col("cpu_s").sum()).iter_rows())
    theirs = [taken[name] for name in PEERS if name in taken]
    return round(taken[OWN] / min(theirs), 3) if OWN in taken and theirs else None


def judge(root: Path, applications: Path, cells: Iterable[tuple[float, str, str, Path]]) -> None:
    """Print the tables, and the JSON line last: see the module.

    ``utility_vs_PEER`` are mean difference and ends of its interval at the largest budget,
    ``utility_vs_PEER_low`` at the smallest; ``accuracy_within_one_se`` counts tables of the largest
    budget that has any, of ``n_datasets``; ``cpu_s_ratio`` is ours / theirs over all.
    """
    read = read_applications(applications)
    by_budget: dict[float, list[tuple[str, str, Path]]] = {}
    for budget, table, contender, folder in cells:
        by_budget.setdefault(budget, []).append((table, contender, folder))
    figures: dict[str, Any] = {}
    spent = []
    for place, (budget, folders) in enumerate(sorted(by_budget.items())):
        suffix = "_low" if place == 0 and len(by_budget) > 1 else ""
        print(f"\n## {budget:g} CPU seconds")
        chosen, taken = _judge_budget(root, read, folders)
        for peer in (*PEERS, BASELINE):
            figures[f"utility_vs_{peer}{suffix}"] = None
        if chosen.is_empty():
            print("No table is complete.")
            continue
        spent.append(taken)
        _print_differences(chosen)
        _print_cpu_s(taken)
        for peer in (*PEERS, BASELINE):
            figures[f"utility_vs_{peer}{suffix}"] = compare(chosen, peer)
        figures["accuracy_within_one_se"] = count_within_one_error(chosen)
        figures["n_datasets"] = chosen["table"].n_unique()
        figures[f"n_datasets{suffix}"] = chosen["table"].n_unique()
    figures["cpu_s_ratio"] = relate_cpu_s(pl.concat(spent)) if spent else None
    print(json.dumps(figures))


def judge_accuracy(root: Path, cells: Iterable[tuple[float, str, str, Path]]) -> None:
    """Print the quality of what everybody delivers where quality alone counts; JSON comes last.

    ``accuracy_within_one_se`` counts tables on which Rightfit is at most one standard error (the
    peer's) below the better peer, of ``n_datasets``; ``accuracy_mean_se`` is the mean difference
    in such errors; ``cpu_s`` are mean CPU seconds of a table, by contender; ``cpu_s_ratio`` is
    ours / those of the peer that took fewer, over the tables of both. Differences are printed with
    standard errors of their own, as all answer the same rows. ``gain_over_before``, if an earlier
    version took part, is the mean difference from it in its standard errors, between the ends of
    an interval of 95 % that draws tables. A contender's searches with several seeds are averaged.
    """
    rows: list[dict[str, Any]] = []
    searches: dict[tuple[float, str, str], list[np.ndarray]] = {}
    for budget, table, contender, folder in cells:
        if (folder / "fit.json").is_file():
            ended = {"budget": budget, "table": table, "cpu_s": read_ended(folder)[0]}
            for model in read_answered(folder, root / "rows" / table):
                if model.name == "delivered":
                    quality = {"quality": model.quality_raw, "error": model.error}
                    rows.append(ended | {"contender": contender} | quality)
                    searches.setdefault((budget, table, contender), []).append(model.contributions)
    contributions = {key: np.mean(by_seed, axis=0) for key, by_seed in searches.items()}
    for budget in dict.fromkeys(row["budget"] for row in rows):
        fits = pl.DataFrame([row for row in rows if row["budget"] == budget])
        fits = fits.group_by("table", "contender", maintain_order=True).mean()
        print(f"\n## Quality at {budget:g} CPU seconds")
        wide = fits.pivot("contender", index="table", values="quality")
        with pl.Config(tbl_formatting="MARKDOWN", tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200):
            print(wide)
        peers = [name for names in PEERS.values() for name in names]
        best = fits.filter(pl.col("contender").is_in(peers)).sort("quality")
        best = best.group_by("table").last()
        fits_own = fits.filter(contender=f"{OWN}_quality")
        own = relate(fits_own, best)
        earlier = relate(fits_own, fits.filter(contender=BEFORE))
        for row in (*own.iter_rows(named=True), *earlier.iter_rows(named=True)):
            by_row = [
                contributions[budget, row["table"], row[name]]
                for name in ("contender", "contender_other")
            ]
            error = float(np.linalg.norm(by_row[0] - by_row[1]))
            print(
                f"{row['table']}: {row['difference']:+.4f} ± {error:.4f} from "
                f"{row['contender_other']}, {row['n_errors']:+.2f} of its standard errors"
            )
        cpu_s = fits.group_by("contender", maintain_order=True).agg(pl.col("cpu_s").mean().round(1))
        figures: dict[str, Any] = {"cpu_s": dict(cpu_s.iter_rows())}
        if own.height:
            shared = [
                fits_own.join(fits.filter(contender=peer), on="table", suffix="_peer")
                for peer in peers
            ]
            ratios = [
                float(both["cpu_s"].to_numpy().sum() / both["cpu_s_peer"].to_numpy().sum())
                for both in shared
                if both.height
            ]
            figures |= {
                "accuracy_within_one_se": int((own["n_errors"] >= -1).sum()),
                "accuracy_mean_se": round(float(np.mean(own["n_errors"].to_numpy())), 2),
                "n_datasets": own.height,
                "cpu_s_ratio": round(max(ratios), 3),
            }
        if earlier.height:
            gains = earlier["n_errors"].to_numpy()
            drawn = np.random.default_rng(0).choice(gains, (N_DRAWS, len(gains))).mean(axis=1)
            ends = np.quantile(drawn, [0.025, 0.975]).tolist()
            figures["gain_over_before"] = [round(float(v), 3) for v in (gains.mean(), *ends)]
        print(json.dumps(figures))


def relate(own: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return by how much qualities differ from another contender's, the worst table first.

    ``n_errors`` is the difference in the other's standard errors.
    """
    difference = pl.col("quality") - pl.col("quality_other")
    return (
        own.join(others, on="table", suffix="_other")
        .with_columns(
            difference.alias("difference"), (difference / pl.col("error_other")).alias("n_errors")
        )
        .sort("n_errors")
    )


def _judge_budget(
    root: Path, applications: Applications, folders: Sequence[tuple[str, str, Path]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Print and return what was chosen, and the CPU seconds taken, on all complete tables."""
    chosen, taken = [], []
    for table in dict.fromkeys(table for table, *_ in folders):
        own = {name: folder for where, name, folder in folders if where == table}
        missing = [name for name in (OWN, *PEERS) if not _is_over(own.get(name))]
        if missing:
            print(f"\n{table}: left out, not measured yet: {', '.join(missing)}")
            continue
        answered = []
        for name, folder in own.items():
            if _is_over(folder):
                cpu_s, _ = read_ended(folder)
                taken.append({"table": table, "contender": name, "cpu_s": cpu_s})
                answered += read_answered(folder, root / "rows" / table)
        rows = choose(answered, applications)
        chosen += [{"table": table, **row} for row in rows]
        _print_table(table, own, answered, applications)
    return pl.DataFrame(chosen, infer_schema_length=None), pl.DataFrame(taken)


def read_ended(folder: Path) -> tuple[float, str]:
    """Return the CPU seconds that a contender took in all, and why it failed, if it did."""
    ended = [
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("fit.json", "ship.json")
        if (folder / name).is_file()
    ]
    return sum(one["cpu_s"] for one in ended), "".join(one["failure"] for one in ended)


def _is_over(folder: Path | None) -> bool:
    """Tell whether a contender was measured, or has failed."""
    if folder is None or not (folder / "fit.json").is_file():
        return False
    return bool(read_ended(folder)[1]) or (folder / "measured.json").is_file()


def _print_table(
    table: str, own: Mapping[str, Path], answered: Sequence[Answered], applications: Applications
) -> None:
    """Print a table's models, each with its utilities; * marks a broken limit."""
    names = list(applications)
    utilities = {}
    for name, application in applications.items():
        judged = judge_answered(answered, application)
        utilities[name] = [
            NOTHING if np.isnan(u) else f"{u:.3f}{'' if ok else '*'}"
            for u, ok in zip(judged.utility, judged.feasible, strict=True)
        ]
    print(f"\n| {table} | CPU s | quality (error) | {' | '.join((*SHOWN.values(), *names))} |")
    print("|---" * (3 + len(SHOWN) + len(names)) + "|")
    for contender, folder in own.items():
        if not _is_over(folder):
            continue
        cpu_s, failure = read_ended(folder)
        models = [(place, one) for place, one in enumerate(answered) if one.contender == contender]
        if not models:
            print(f"| {contender} | {cpu_s:.0f} | failed: {failure[:100]} |")
        for place, model in models:
            costs = [f"{model.find(metric):.4g}" for metric in SHOWN]
            worth = [
                utilities[name][place] if contender != OWN or model.name == name else ""
                for name in names
            ]
            mark = " (disturbed)" if model.disturbed else ""
            print(
                f"| {contender} {model.name}{mark} | {cpu_s:.0f} | {model.quality_raw:.4f} "
                f"({model.error:.4f}) | {' | '.join((*costs, *worth))} |"
            )


def _print_differences(chosen: pl.DataFrame) -> None:
    """Print Rightfit's mean utility above each peer's in several ways."""
    limited = chosen.with_columns(
        pl.when("kept").then("utility").otherwise(0.0).alias("utility_kept")
    )
    ways = {
        "best of all its models": (chosen, "utility"),
        "as it delivers them": (chosen, "utility_delivered"),
        "or with rows that others have encoded": (chosen, "utility_bare"),
        "0 where a limit is broken": (limited, "utility_kept"),
    }
    print("\n| utility above | " + " | ".join(ways) + " | broken limits |")
    print("|---" * (2 + len(ways)) + "|")
    for peer in (*PEERS, BASELINE):
        found = [compare(frame, peer, column) for frame, column in ways.values()]
        cells = ["{:+.3f} ({:+.3f} to {:+.3f})".format(*one) if one else NOTHING for one in found]
        n_broken = chosen.filter(library=peer, kept=False).height
        print(f"| {peer} | {' | '.join(cells)} | {n_broken} |")
    print(f"| {OWN} {'| ' * len(ways)}| {chosen.filter(library=OWN, kept=False).height} |")


def _print_cpu_s(spent: pl.DataFrame) -> None:
    """Print the CPU seconds that each contender took for a table."""
    print("\n| CPU s a table | mean | most |")
    print("|---|---|---|")
    for (contender,), rows in spent.group_by("contender", maintain_order=True):
        seconds = rows["cpu_s"].to_numpy()
        print(f"| {contender} | {seconds.mean():.0f} | {seconds.max():.0f} |")
