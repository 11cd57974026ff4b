"""A collection of resource profiles: the table ``resource_profiles`` as typed objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, overload

import polars as pl

from rightfit._core.arguments import read_path, writing_to
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import NOT_MEASURED, count
from rightfit._core.processes.codec import from_plain, to_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.spelling import suggest
from rightfit.api.profile_check import check_table
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.naming import metric_title
from rightfit.measuring.profile import PREDICTIONS, Profile, profiles_schema
from rightfit.measuring.profiles.stored_predictions import JudgedRows, load_predictions
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS
from rightfit.reporting.charts.palette import marks_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure as PlotlyFigure

SHOWN = (
    "quality_raw",
    "latency_p50_ms",
    "latency_p95_ms",
    "throughput_rows_per_s",
    "peak_memory_mib",
    "model_size_mib",
)
"""Metrics of the short table."""

LABELS_IN_LINE: Mapping[str, str] = {
    "quality_raw": "",
    "latency_p50_ms": "p50 ",
    "throughput_rows_per_s": "",
    "peak_memory_mib": "",
}
"""Metrics of a profile's line, and what stands before each."""

METADATA = "rightfit"  # key of the Parquet file's metadata


@dataclass(frozen=True, repr=False)
class Profiles(Sequence[Profile]):
    """Resource profiles: one for each candidate, serving configuration and request path.

    A sequence of :class:`Profile`; ``profiles["forest"]`` are those of a candidate. The same
    figures as a table: :attr:`table`, ``to_polars()``, ``to_pandas()``.

    Args:
        table: The profiles, a row each; the columns are those of ``resource_profiles``.
        environment: The machine they were measured on; ``None``: not known.
        qualities: How each dataset's predictions are scored, by dataset.
        left_out: Why a model was not measured in a serving configuration, by a label of both.
        predictions: Test rows and what candidates predicted for them, by dataset, as far as that is
            stored; another metric judges them without any model (``Ranking.with_quality``).
    """

    table: pl.DataFrame
    environment: Environment | None = None
    qualities: Mapping[str, QualityMetric] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    predictions: Mapping[str, JudgedRows] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Profile: ...

    @overload
    def __getitem__(self, index: slice | str) -> Profiles: ...

    def __getitem__(self, index: int | slice | str) -> Profile | Profiles:
        if isinstance(index, str):
            return self.select(candidate=index)
        if isinstance(index, slice):
            return self._with(self.table[index])
        return Profile.from_row(self.table.row(index, named=True))

    def __len__(self) -> int:
        return self.table.height

    def __iter__(self) -> Iterator[Profile]:
        return (Profile.from_row(row) for row in self.table.iter_rows(named=True))

    def select(
        self,
        *,
        candidate: str | None = None,
        dataset: str | None = None,
        runtime: str | None = None,
        n_threads: int | None = None,
        device: str | None = None,
    ) -> Profiles:
        """Return the profiles that agree with all that is given.

        Raises:
            RightfitError: If there is none; names the values that there are.
        """
        arguments = {
            "candidate": candidate,
            "dataset": dataset,
            "runtime": runtime,
            "n_threads": n_threads,
            "device": device,
        }
        filters = {name: value for name, value in arguments.items() if value is not None}
        try:
            rows = self.table.filter(**filters) if filters else self.table
        except (TypeError, pl.exceptions.PolarsError):  # a value of another type
            rows = self.table.clear()
        if rows.is_empty():
            present = {name: self.table[name].unique().sort().to_list() for name in filters}
            near = suggest(str(candidate), present["candidate"]) if candidate is not None else ""
            raise RightfitError(f"There is no profile with {filters}{near}; there are {present}.")
        return self._with(rows)

    def find(
        self,
        candidate: str,
        *,
        dataset: str | None = None,
        runtime: str | None = None,
        n_threads: int | None = None,
        device: str | None = None,
    ) -> Profile:
        """Return the one profile of a candidate.

        Raises:
            RightfitError: If there is none, or more than one; says which.
        """
        matches = self.select(
            candidate=candidate,
            dataset=dataset,
            runtime=runtime,
            n_threads=n_threads,
            device=device,
        )
        if len(matches) > 1:
            servings = [f"{match.dataset}: {match.serving}" for match in matches]
            raise RightfitError(
                f"{candidate} has {len(matches)} profiles ({'; '.join(servings)}); say which by "
                "dataset=, runtime=, n_threads= or device=."
            )
        return matches[0]

    def to_polars(self) -> pl.DataFrame:
        """Return the table, a row for each profile."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas frame; structs become dictionaries.

        Raises:
            RightfitError: If pandas is not installed.
        """
        return to_pandas(self.table)

    def summary(self) -> pl.DataFrame:
        """Return a short table: who, how it is served, and the usual metrics as text."""
        return pl.DataFrame(
            [
                {
                    "dataset": profile.dataset,
                    "candidate": profile.candidate,
                    "serving": profile.serving.label,
                    **{metric_title(name): _show(profile, name) for name in SHOWN},
                    "hardware": profile.hardware_tier or "",
                    "disturbed": "yes" if profile.disturbed else "",
                }
                for profile in self
            ]
        )

    def plot(self, *, dataset: str | None = None) -> PlotlyFigure:
        """Draw quality against cost, with a menu of costs, as the report does.

        Raises:
            RightfitError: If there are several datasets and none is named.
        """
        from plotly.graph_objects import Figure

        from rightfit.reporting.charts.front_chart import draw_front

        name = require_dataset(self.datasets, dataset)
        winners = self.table.clear().select(pl.lit("").alias("application"), *PROFILE_KEYS)
        metric = self.qualities.get(name)
        chart = draw_front(
            self.table.filter(dataset=name),
            dataset=name,
            quality_title=metric.title if metric else "quality",
            marks=marks_of(self.table["model"]),
            limits=[],
            winners=winners,
        )
        return Figure(chart)

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets, in the order of the profiles."""
        return self.table["dataset"].unique(maintain_order=True).to_list()

    @property
    def candidates(self) -> list[str]:
        """Names of the candidates, in the order of the profiles."""
        return self.table["candidate"].unique(maintain_order=True).to_list()

    def save(self, path: str | Path) -> Path:
        """Write the profiles into a Parquet file, whose folder is made; :meth:`load` reads it.

        Stored predictions are written beside it, into a folder ``<name>.predictions``.
        """
        about = {
            "environment": self.environment and to_plain(self.environment),
            "qualities": {name: metric.model_dump() for name, metric in self.qualities.items()},
            "left_out": dict(self.left_out),
        }
        with writing_to("path", path) as target:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise RightfitError(f"path must name a file, but {target} is a folder.")
            store = JsonStore(target.with_suffix(".predictions"))
            for rows in self.predictions.values():
                for predictions in rows.predictions.values():
                    rows.store(store, predictions)
            self.table.write_parquet(target, metadata={METADATA: json.dumps(about)})
        return target

    @classmethod
    def load(cls, path: str | Path) -> Profiles:
        """Read what :meth:`save` wrote, or a table of profiles that a project's run stored.

        Raises:
            RightfitError: If the file cannot be read, or holds something else.
        """
        path = read_path("path", path)
        try:
            require_regular(path)
            table = pl.read_parquet(path, glob=False)
            about = json.loads(pl.read_parquet_metadata(path).get(METADATA, "{}"))
        except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as err:
            raise RightfitError(f"{path} holds no profiles: {err}") from err
        try:
            environment = about.get("environment")
            measured_on = None if environment is None else from_plain(Environment, environment)
            qualities = {
                name: QualityMetric(**quality)
                for name, quality in about.get("qualities", {}).items()
            }
            left_out = dict(about.get("left_out", {}))
        except (AttributeError, TypeError, ValueError) as err:
            raise RightfitError(f"{path} is damaged in its metadata: {err}. Save it anew.") from err
        table = check_table(table, str(path), qualities)
        store = JsonStore(path.with_suffix(".predictions"))
        try:
            has_names = PREDICTIONS in table.columns
            predictions = load_predictions(store, table) if has_names else {}
        except RightfitError as err:
            raise RightfitError(f"{path}: {err}") from err
        return cls(table, measured_on, qualities, left_out, predictions)

    def _with(self, table: pl.DataFrame) -> Profiles:
        return replace(self, table=table)

    def __repr__(self) -> str:
        head = f"Profiles: {count(len(self), 'profile')}"
        lines = [
            f"  {row.dataset} {row.candidate} ({row.serving.label}): {_show_measured(row)}"
            for row in self
        ]
        if self.left_out:
            lines.append(f"  left out: {'; '.join(self.left_out)} (left_out says why)")
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        return to_html(self.summary())


def to_pandas(table: pl.DataFrame) -> pd.DataFrame:
    """Return a table as a pandas frame, which needs no pyarrow; structs become dictionaries.

    Raises:
        RightfitError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as err:
        raise RightfitError("to_pandas() needs pandas: pip install pandas") from err

    return pd.DataFrame(table.to_dicts(), columns=table.columns)


def from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    """Return the table of profiles of a pandas frame, as :func:`to_pandas` made it.

    Columns have the types that their values have: a null in a column of whole numbers or of truth
    values, which pandas has made numbers or objects, is a null again.
    """
    present = frame.astype(object).where(frame.notna(), None)
    schema, columns = profiles_schema(), []
    for position, name in enumerate(map(str, frame.columns)):
        values, dtype = present.iloc[:, position].tolist(), schema.get(name)
        column = pl.Series(name, values, strict=False)
        if isinstance(column.dtype, pl.Struct) and isinstance(dtype, pl.Struct):
            column = pl.Series(name, values, dtype=dtype, strict=False)
        elif dtype == pl.Int64 and column.dtype.is_float() and (column == column.round()).all():
            column = column.cast(dtype)
        columns.append(column)
    return pl.DataFrame(columns)


def require_dataset(datasets: Sequence[str], dataset: str | None) -> str:
    """Return the dataset that is meant.

    Raises:
        RightfitError: If it is not among them, or there are several and none is named.
    """
    if dataset is None and len(datasets) == 1:
        return datasets[0]
    if not isinstance(dataset, str) or dataset not in datasets:
        got = "none was named" if dataset is None else f"got {dataset!r}"
        raise RightfitError(f"dataset must be one of {list(datasets)}, but {got}.")
    return dataset


def to_html(table: pl.DataFrame) -> str:
    """Write a small table of texts as HTML for a notebook."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>"
        for row in table.rows()
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _show_measured(profile: Profile) -> str:
    """Return the figures that ``repr`` shows, without those that were not measured."""
    figures = [(label, profile[metric]) for metric, label in LABELS_IN_LINE.items()]
    return ", ".join(f"{label}{figure}" for label, figure in figures if figure.value is not None)


def _show(profile: Profile, metric: str) -> str:
    figure = profile[metric]
    return NOT_MEASURED if figure.value is None else str(figure)
