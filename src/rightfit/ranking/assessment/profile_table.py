"""Resource profiles as arrays: candidates numbered, their rows side by side."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.spelling import suggest
from rightfit.data.request_path import MODEL, REQUEST
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.profile import LEVEL_ERROR, PART_COLUMNS, PREDICTIONS
from rightfit.measuring.serving import ELSEWHERE, Serving
from rightfit.ranking.applications.applications import (
    N_MODELS,
    UTILITY,
    Application,
    Applications,
    BatchSizes,
    RankingRules,
)
from rightfit.ranking.applications.batch_sizes import find_measured_sizes, serve_batches
from rightfit.ranking.applications.utility import Floats, Ints

CANDIDATE_KEYS = ("dataset", "model", "candidate")
SERVING_KEYS = ("runtime", "n_threads", "device")
PATH = "request_path"
PROFILE_KEYS = (*CANDIDATE_KEYS, *SERVING_KEYS, PATH)
FINAL = "final_quality_raw"  # on test rows that were kept aside
DISTURBED = "disturbed"
DEVIATIONS = "quality_deviations"
OPTIONAL = pl.Schema(
    {
        DEVIATIONS: pl.String,
        DISTURBED: pl.Boolean,
        LEVEL_ERROR: pl.Float64,
        **{f"{name}{end}": pl.Float64 for name in PART_COLUMNS for end in ("", "_low", "_high")},
        **dict.fromkeys((FINAL, f"{FINAL}_low", f"{FINAL}_high"), pl.Float64),
        "min_hardware_tier_name": pl.String,
        PREDICTIONS: pl.String,
        "quality_metric": pl.String,
        "settings": pl.String,
    }
)
"""Columns that a table of profiles may lack; a ranking reads them as null."""

MIN_RANGE = 1e-6  # of scaled qualities that tell the scale


@dataclass(frozen=True)
class ProfileKey:
    """A candidate of a dataset in one serving configuration."""

    model: str
    candidate: str
    serving: Serving


@dataclass(frozen=True)
class _Twin:
    """A profile's row and candidate, and the candidates that its costs rest on, too."""

    row: int
    candidate: str
    twins: tuple[str, ...]

    def shares_with(self, other: _Twin) -> bool:
        return self.candidate in other.twins and other.candidate in self.twins


@dataclass(frozen=True)
class ProfileTable:
    """Profiles sorted so that the rows of a candidate, and those of a dataset, lie side by side.

    Args:
        frame: Sorted profiles; datasets and families keep the order of their first appearance.
        starts: First row of each candidate, shape (n_candidates,).
        dataset_starts: First row of each dataset, shape (n_datasets,).
        datasets: Names of the datasets, in row order.
    """

    frame: pl.DataFrame
    starts: Ints
    dataset_starts: Ints
    datasets: tuple[str, ...]
    _arrays: dict[str, Floats] = field(default_factory=dict, init=False, repr=False)
    _parts: dict[tuple[str, str | None], ProfileTable] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def n_rows(self) -> int:
        """Number of profiles."""
        return self.frame.height

    @cached_property
    def dataset_of_row(self) -> Ints:
        """Position of each row's dataset, shape (n_rows,)."""
        return np.repeat(
            np.arange(len(self.datasets)), np.diff(self.dataset_starts, append=self.n_rows)
        )

    @cached_property
    def dataset_of_candidate(self) -> Ints:
        """Position of each candidate's dataset, shape (n_candidates,)."""
        return self.dataset_of_row[self.starts]

    @cached_property
    def candidate_of_row(self) -> Ints:
        """Number of each row's candidate, shape (n_rows,)."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=self.n_rows))

    @cached_property
    def candidate_slices(self) -> tuple[slice, ...]:
        """Candidates of each dataset, as slices of candidate numbers."""
        edges = np.searchsorted(self.starts, [*self.dataset_starts, self.n_rows])
        return tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(edges))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Request paths that were measured."""
        return tuple(self.frame[PATH].unique().sort())

    def of_path(self, path: str) -> ProfileTable:
        """Return the profiles of one request path; this table where it holds no others."""
        return self._select((PATH, path), pl.col(PATH) == path)

    @cached_property
    def environments(self) -> tuple[str | None, ...]:
        """Names of the machines that were measured; ``None``: the one that runs the pipeline."""
        return tuple(self.frame.select(_environment().unique().sort()).to_series())

    @cached_property
    def rates(self) -> frozenset[float]:
        """Rates of requests that profiles were served at under load, in requests/s."""
        how = self.frame.schema.get("measured_how")
        if not isinstance(how, pl.Struct) or not isinstance(dict(how).get("server"), pl.Struct):
            return frozenset()
        load = pl.col("measured_how").struct.field("server").struct.field("rate_per_s")
        return frozenset(self.frame.select(load.drop_nulls().unique()).to_series())

    @cached_property
    def cost_class_of_row(self) -> Ints:
        """First row of each row's cost class, shape (n_rows,); its own row: it has no twin.

        Rows are of one class where they serve the same graph, with other weights, in the same way,
        and each names all others as candidates whose samples its costs rest on, too.
        """
        firsts: Ints = np.arange(self.n_rows)
        how = self.frame.schema.get("measured_how")
        if not isinstance(how, pl.Struct) or not {"cost_class", "twins"} <= set(dict(how)):
            return firsts
        fields = pl.col("measured_how").struct
        classed = (
            self.frame.with_row_index("row")
            .with_columns(fields.field("cost_class"), fields.field("twins"))
            .drop_nulls("cost_class")
        )
        classes: dict[tuple[object, ...], list[list[_Twin]]] = defaultdict(list)
        keys = ("dataset", "cost_class", *SERVING_KEYS, PATH)
        for row, name, twins, *key in classed.select("row", "candidate", "twins", *keys).rows():
            twin = _Twin(row, name, tuple(twins or ()))
            of_key = classes[tuple(key)]
            members = next((those for those in of_key if all(map(twin.shares_with, those))), None)
            if members is None:
                of_key.append(members := [])
            members.append(twin)
            firsts[row] = members[0].row
        return firsts

    def of_environment(self, name: str | None) -> ProfileTable:
        """Return the profiles of one machine; this table where it holds no others."""
        return self._select(("environment", name), _environment().eq_missing(pl.lit(name)))

    def in_batches(self, sizes: BatchSizes | None) -> ProfileTable:
        """Return the profiles with their figures at the best batch size that is allowed."""
        if sizes is None:
            return self
        key = "batch_sizes", str(sizes)
        if key not in self._parts:
            self._parts[key] = served = replace(self, frame=serve_batches(self.frame, sizes))
            served._parts[key] = served
        return self._parts[key]

    def _select(self, key: tuple[str, str | None], rows: pl.Expr) -> ProfileTable:
        """Return some profiles; the same table to all applications, which share its arrays."""
        if key not in self._parts:
            frame = self.frame.filter(rows)
            self._parts[key] = self if frame.height == self.n_rows else _number(frame)
        return self._parts[key]

    def values(self, column: str) -> Floats:
        """Return a column as floats, NaN where nothing was measured."""
        if column not in self._arrays:
            is_missing = column in METRICS_BY_COLUMN and column not in self.frame.columns
            values = pl.repeat(None, self.n_rows, eager=True) if is_missing else self.frame[column]
            self._arrays[column] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return self._arrays[column]

    def interval(self, metric: str) -> tuple[Floats, Floats] | None:
        """Return the metric's 95 % interval per row.

        A value whose interval is not known, such as one process' time, gets the widest known one,
        relative to the value.

        Returns:
            Lower and upper ends, or ``None`` when no profile has an interval of this metric.
        """
        names = f"{metric}_low", f"{metric}_high"
        if any(
            name not in self.frame.columns or self.frame[name].null_count() == self.n_rows
            for name in names
        ):
            return None
        value = self.values(metric)
        low, high = (self.values(name) for name in names)
        is_known = ~(np.isnan(low) | np.isnan(high))
        low, high = np.minimum(low, value), np.maximum(high, value)
        if is_known.all():
            return low, high
        size = np.abs(value)
        is_scalable = is_known & (size > 0)
        below, above = (
            size * (side[is_scalable] / size[is_scalable]).max(initial=0.0)
            for side in (value - low, high - value)
        )
        return np.where(is_known, low, value - below), np.where(is_known, high, value + above)

    def best_by_dataset(self, metric: str) -> Floats:
        """Return the highest measured value of each row's dataset, shape (n_rows,)."""
        best = np.fmax.reduceat(self.values(metric), self.dataset_starts)
        return best[self.dataset_of_row]

    def read_ends(self, metric: str, row: int) -> tuple[float | None, float | None]:
        """Return the measured ends of a value's 95 % interval, ``None`` where there is none."""
        names = f"{metric}_low", f"{metric}_high"
        if any(name not in self.frame.columns for name in names):
            return None, None
        low, high = (self.frame[name][row] for name in names)
        return low, high

    def scale_of_quality(self, dataset: int) -> tuple[float, float] | None:
        """Return by which factor and offset a scaled quality becomes the dataset's own metric.

        ``None`` where the profiles do not tell: all equal, or clipped at the ends of the scale.
        """
        scaled, raw = (self.values(name) for name in ("quality", "quality_raw"))
        is_usable = (self.dataset_of_row == dataset) & (scaled > 0) & (scaled < 1) & ~np.isnan(raw)
        if not is_usable.any() or np.ptp(scaled[is_usable]) < MIN_RANGE:
            return None
        low, high = (
            pick(np.where(is_usable, scaled, np.nan)) for pick in (np.nanargmin, np.nanargmax)
        )
        factor = (raw[high] - raw[low]) / (scaled[high] - scaled[low])
        return float(factor), float(raw[low] - factor * scaled[low])

    def find_row(self, dataset: str, key: ProfileKey) -> int | None:
        """Return the row of a profile; ``None`` where it is not in the table."""
        names = {"dataset": dataset, "model": key.model, "candidate": key.candidate}
        fits = pl.all_horizontal(
            pl.col(column).cast(pl.String) == str(value)  # some are enums without that name
            for column, value in (names | vars(key.serving)).items()
        )
        return next(iter(self.frame.select(fits.arg_true()).to_series()), None)

    def read_key(self, row: int) -> ProfileKey:
        """Return what tells a row's profile from the others of its dataset."""
        _, model, candidate, *serving = self.frame.select(PROFILE_KEYS).row(row)
        return ProfileKey(str(model), str(candidate), Serving(*serving))


def read_profiles(profiles: pl.DataFrame) -> ProfileTable:
    """Sort and number resource profiles.

    Args:
        profiles: One row per dataset, model, candidate, runtime, n_threads, device and request
            path; a table without that column holds encoded rows only.

    Raises:
        ValueError: If there is no profile, or a key column is missing.
    """
    completed = complete_paths(profiles)
    missing = [key for key in PROFILE_KEYS if key not in completed.columns]
    if missing or not profiles.height:
        raise RightfitError(
            f"resource_profiles holds {profiles.height} rows and lacks the columns {missing}. "
            "Run the evaluation pipeline first."
        )
    # A cascade consists of two models and names the one it falls back on.
    is_cascade = pl.col("settings").str.json_path_match("$.fixed.expensive").is_not_null()
    lacking = [name for name in OPTIONAL if name not in profiles.columns]
    ordered = (
        completed.with_columns(pl.lit(None).alias(name) for name in lacking)
        .cast(OPTIONAL)
        .cast({name: pl.Float64 for name in METRICS_BY_COLUMN if name in profiles.columns})
        .with_columns(
            (1 + is_cascade).alias(N_MODELS),
            pl.col(pl.Float64).fill_nan(None),
            *(
                pl.col(name).cast(
                    pl.Enum(profiles[name].cast(pl.String).unique(maintain_order=True))
                )
                for name in ("dataset", "model")
            ),
        )
        .sort(PROFILE_KEYS)
    )
    return _number(ordered)


def complete_paths(profiles: pl.DataFrame) -> pl.DataFrame:
    """Add the request path to profiles that name none: they are of the model alone."""
    if PATH in profiles.columns:
        return profiles.with_columns(pl.col(PATH).fill_null(MODEL))
    return profiles.with_columns(pl.lit(MODEL).alias(PATH))


def replace_qualities(profiles: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Return profiles with the qualities that another judgement of their predictions found.

    Args:
        profiles: Their column ``predictions_sha256`` says which judgement is theirs.
        judged: Columns of profiles, a row per dataset and hash; other datasets keep their quality.
    """
    keys = ["dataset", PREDICTIONS]
    columns = [name for name in judged.columns if name in profiles.columns and name not in keys]
    joined = profiles.join(
        judged.select(*keys, *columns), on=keys, how="left", suffix="_judged", maintain_order="left"
    )
    is_judged = pl.col("dataset").is_in(judged["dataset"].unique().to_list())
    return joined.select(
        pl.when(is_judged).then(pl.col(f"{name}_judged")).otherwise(pl.col(name)).alias(name)
        if name in columns
        else pl.col(name)
        for name in profiles.columns
    )


def select_profiles(table: ProfileTable, application: Application) -> ProfileTable:
    """Return the profiles of the machine, path and batch sizes that an application means."""
    profiles = table.of_environment(application.environment)
    return profiles.of_path(choose_path(profiles, application)).in_batches(application.batch_sizes)


def choose_path(table: ProfileTable, application: Application) -> str:
    """Return the request path whose profiles an application chooses among.

    One that names none chooses among whole requests, where they were measured.
    """
    if application.request_path is not None:
        return application.request_path
    return REQUEST if REQUEST in table.paths else MODEL


def _environment() -> pl.Expr:
    return pl.col("device").cast(pl.String).str.split(ELSEWHERE).list.get(1, null_on_oob=True)


def _number(ordered: pl.DataFrame) -> ProfileTable:
    datasets = ordered["dataset"].unique(maintain_order=True).cast(pl.String)
    return ProfileTable(
        frame=ordered,
        starts=_starts(ordered, CANDIDATE_KEYS),
        dataset_starts=_starts(ordered, ("dataset",)),
        datasets=tuple(datasets),
    )


def check_columns(table: ProfileTable, applications: Applications, rules: RankingRules) -> None:
    """Refuse to rank by columns that the profiles do not have.

    Raises:
        ValueError: If an application or a tie rule names a column that does not exist; lists all of
            them.
    """
    faults = [
        f"applications.{name}: the metric {metric!r} is not in resource_profiles"
        f"{suggest(metric, table.frame.columns)}"
        for name, application in applications.items()
        for metric in application.needed_metrics()
        if metric not in table.frame.columns
    ]
    for rule_name, rule in {"rule": rules.ties.rule, **rules.ties.rule_by_application}.items():
        columns = {UTILITY, *METRICS_BY_COLUMN, *table.frame.columns}
        unknown = [key.by for key in rule if key.by not in columns]
        faults += [f"ranking.ties.{rule_name}: no such column {by!r}" for by in unknown]
    for name, application in applications.items():
        if application.environment not in table.environments:
            faults.append(
                f"applications.{name}: none of these candidates was measured on "
                f"{application.environment or 'this machine'}; pack them again with "
                "rightfit remote pack"
            )
            continue
        profiles = table.of_environment(application.environment)
        if other := profiles.rates - {application.rate_per_s} if application.rate_per_s else ():
            faults.append(
                f"applications.{name}: rate_per_s is {application.rate_per_s:g}, but the profiles "
                f"were measured at {', '.join(f'{rate:g}' for rate in sorted(other))} requests/s"
            )
        sizes = application.batch_sizes
        if sizes and (fault := sizes.find_fault(name, find_measured_sizes(profiles.frame))):
            faults.append(fault)
        if choose_path(profiles, application) not in profiles.paths:
            faults.append(
                f"applications.{name}: request_path is {application.request_path}, but "
                f"resource_profiles holds {', '.join(profiles.paths)} only"
            )
    unknown_names = sorted(set(rules.ties.rule_by_application) - set(applications))
    faults += [
        f"ranking.ties.rule_by_application: no such application {name!r}" for name in unknown_names
    ]
    if faults:
        raise RightfitError(
            "; ".join(faults)
            + ". Correct the application or the tie rule, or measure what is missing."
        )


def find_unmeasured(table: ProfileTable, application: Application) -> dict[str, list[str]]:
    """Find the metrics an application needs that a dataset has of no candidate at all.

    Args:
        table: The profiles of the application's machine and request path.
        application: Whose objectives and constraints count.

    Returns:
        Metrics by dataset, those datasets left out that lack none.
    """
    metrics_by_dataset = {}
    for position, dataset in enumerate(table.datasets):
        rows = table.dataset_of_row == position
        metrics = application.needed_metrics()
        lacking = [name for name in metrics if np.isnan(table.values(name)[rows]).all()]
        if lacking:
            metrics_by_dataset[dataset] = lacking
    return metrics_by_dataset


def _starts(frame: pl.DataFrame, keys: tuple[str, ...]) -> Ints:
    ids = frame.select(pl.struct(keys).rle_id()).to_series().cast(pl.Int64).to_numpy()
    return np.flatnonzero(np.diff(ids, prepend=-1))
