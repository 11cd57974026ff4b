"""Measure models that somebody has: bundles of them in a private folder, then as any candidates."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl
from pydantic import ValidationError

from rightfit._core.arguments import require_type
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count, end_sentence, join_sentences
from rightfit._core.frames import read_frame
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import sweep_temporary_folders, temporary_folder
from rightfit._core.strict_model import list_faults
from rightfit.api.candidate_measuring import list_servings
from rightfit.api.profiles import Profiles
from rightfit.data.request_path import MODEL
from rightfit.data.request_path.raw_rows import load_rows
from rightfit.measuring.given_models import (
    UserModel,
    UserOnnx,
    adapt_model,
    list_export_texts,
    read_rows,
)
from rightfit.measuring.hardware.environment import Environment, describe_environment
from rightfit.measuring.profile import Profile
from rightfit.measuring.profiles.candidate_profiles import profile_set
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.jobs import (
    CandidateSet,
    RowsFile,
    write_model_rows,
)
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.measuring.serving import Serving
from rightfit.measuring.targets import Judging, Quality, plan_judging, read_targets
from rightfit.models.bundle import Bundle
from rightfit.models.imported.exporting import offer_exports
from rightfit.models.imported.feeds import find_feeds
from rightfit.models.imported.row_table import RowTable, read_row_table
from rightfit.models.runtimes import (
    NATIVE,
    ONNX,
    RUNTIMES,
    available_runtimes,
    can_serve,
    derive_files,
)
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.screening import could_be_chosen

MAX_BATCH_VALUES = 2**25  # of one call: 128 MiB
MAX_WORKERS = 4  # measuring processes kept ready; each holds its imports in memory


@dataclass(frozen=True)
class PreparedModels:
    """Models as bundles, with the rows of each, ready to be measured side by side.

    Args:
        dataset: Name of the rows.
        bundles: By name of the model.
        files: Rows in the form that each reads, by name and runtime.
        judging: What they predict, and how that is judged.
        left_out: Why a model does not run in a runtime, by a label of both.
        params: How to measure.
        bench: Where to measure.
        environment: The machine.
        table: The rows as they were given; ``None``: random ones.
    """

    dataset: str
    bundles: Mapping[str, Bundle]
    files: Mapping[tuple[str, str], RowsFile]
    judging: Judging
    left_out: Mapping[str, str]
    params: EvaluationParams
    bench: MeasurementContext
    environment: Environment
    table: RowTable | None

    @property
    def candidates(self) -> CandidateSet:
        """The models as candidates of one dataset."""
        return CandidateSet(
            dataset=self.dataset,
            data_version="",
            candidates=self.bundles,
            targets=self.judging.labels,
            quality=self.judging.metric,
            fit_costs={},
            environment_id=self.environment.environment_id,
            devices=self.environment.devices,
            seed=self.params.seed,
            rows=self.files,
            columns=self.columns,
        )

    @property
    def n_rows(self) -> int:
        """How many rows they answer."""
        return len(load_rows(str(next(iter(self.files.values())).path)))

    @property
    def columns(self) -> pl.DataFrame:
        """The rows' raw columns; none of rows that are no flat table."""
        if self.table is None or not self.table.is_flat:
            return pl.DataFrame()
        if self.table.form == "matrix":
            return pl.DataFrame(self.table.content, schema=self.table.columns)
        return read_frame(self.table.content, entry="rows").select(self.table.columns)

    def plan_servings(self) -> list[Serving]:
        """Return the wanted serving configurations that the machine can run."""
        return list_servings(self.params, self.environment)

    def measure(
        self,
        applications: Applications | None,
        wanted: Mapping[str, Collection[Serving]] | None = None,
    ) -> Profiles:
        """Measure them in fresh processes, beside each other.

        Args:
            applications: Once they cannot choose a profile any more, it is not measured further;
                ``None``: all are measured to the end.
            wanted: Serving configurations of each model; ``None``: all.
        """
        metric = None if self.judging.labels is None else self.judging.metric
        equal_within = read_default("ranking")["equal_within"]
        profiles = self.profile(
            self.bench.settings,
            lambda measured: (
                [True] * measured.height
                if applications is None
                else could_be_chosen(measured, applications, MODEL, equal_within=equal_within)
            ),
            wanted,
        )
        return Profiles(
            profiles,
            self.environment,
            {} if metric is None else {self.dataset: metric},
            self.left_out,
            {
                dataset: replace(rows, metric=self.judging.metric)  # it may be a function
                for dataset, rows in load_predictions(self.store, profiles).items()
            },
        )

    @property
    def store(self) -> JsonStore:
        """Where measurements and predictions are kept."""
        return JsonStore(self.bench.folder / "measurements")

    def profile(
        self,
        settings: MeasuringSettings,
        choose: Callable[[pl.DataFrame], Sequence[bool]],
        wanted: Mapping[str, Collection[Serving]] | None = None,
    ) -> pl.DataFrame:
        """Return the profiles of :meth:`measure`, by other settings and another choice.

        Args:
            settings: How thoroughly to measure.
            choose: As of :func:`profile_set`.
            wanted: Serving configurations of each model; ``None``: all.
        """
        profiles = profile_set(
            self.candidates,
            self.plan_servings(),
            replace(self.bench, settings=settings),
            self.store,
            tiers=self.params.tiers,
            choose=choose,
            wanted=wanted,
            level=logging.DEBUG,
        )
        refused = [name for name, bundle in self.bundles.items() if bundle.onnx_refused]
        is_refused = pl.col("candidate").is_in(refused) & (pl.col("runtime") == ONNX)
        return profiles.filter(~is_refused)


def require_profile(profiles: Profiles) -> Profile:
    """Return the profile of the one model that was measured.

    Raises:
        RightfitError: If it was not.
    """
    load_time = profiles[0]["load_time_ms"]
    if load_time.value is None:
        raise RightfitError(f"{profiles[0].candidate} was not measured: {load_time.reason}")
    return profiles[0]


@contextmanager
def prepare_models(
    models: Mapping[str, object],
    rows: object | None,
    targets: object | None,
    params: EvaluationParams,
    *,
    dataset: str,
    quality: Quality | None,
    trust: bool,
) -> Iterator[PreparedModels]:
    """Write models as bundles that last while the block runs, exported as far as that is wanted.

    Raises:
        RightfitError: If a model, the rows or the targets do not fit each other.
    """
    require_type("trust", trust, bool)
    sweep_temporary_folders()  # what killed processes have left
    environment = describe_environment()
    _require_machine(params, environment)
    table = None
    if rows is not None:
        table = read_row_table(rows, texts=list_export_texts(models.values()))
    labels = None
    if targets is not None:
        if table is None:
            raise RightfitError("There are targets, but no rows that they belong to.")
        labels, table = read_targets(targets, table)
    pool = WorkerPool(MAX_WORKERS)
    try:
        first = WorkerFirstRows(pool)
        adapted: dict[str, UserModel] = {}
        for name, model in models.items():
            with _faults_of(name):
                adapted[name] = adapt_model(model, rows=table, trust=trust, first=first)
        facts = {name: model.facts for name, model in adapted.items()}
        judging = plan_judging(facts, labels, quality)
        with temporary_folder("models") as folder:
            bundles: dict[str, Bundle] = {}
            tables: dict[str, RowTable | None] = {}
            for number, (name, user_model) in enumerate(adapted.items()):
                with _faults_of(name):
                    read = tables[name] = None if table is None else read_rows(user_model, table)
                    bundles[name] = user_model.bundle(
                        folder / str(number), name=name, rows=read, classes=judging.judged_classes
                    )
            wanted = params.runtimes or {available_runtimes(b)[0] for b in bundles.values()}
            by_path = [runtime for runtime in wanted if runtime not in RUNTIMES]
            for name, bundle in bundles.items():
                if set(wanted) != {NATIVE} and table is not None:  # others may read the ONNX file
                    bundle = offer_exports(bundle, table, level=logging.DEBUG)
                bundles[name] = derive_files(bundle, by_path)
            left_out = {
                f"{name}, {runtime}": bundle.onnx_refused or "the model has no file that it opens"
                for name, bundle in bundles.items()
                for runtime in wanted
                if runtime != NATIVE and not can_serve(bundle, runtime)
            }
            files = write_model_rows(bundles, tables, folder, wanted)
            if not files:
                reasons = join_sentences(f"{label}: {reason}" for label, reason in left_out.items())
                raise RightfitError(
                    f"No model runs in {', '.join(wanted)}: {end_sentence(reasons)}"
                )
            settings = _fit_batches(params.settings, adapted, bundles, table)
            yield PreparedModels(
                dataset,
                bundles,
                files,
                judging,
                left_out,
                params.model_copy(update={"runtimes": tuple(wanted)}),
                MeasurementContext(pool, folder, folder, settings, params.preset),
                environment,
                table,
            )
    finally:
        pool.close()


def read_params(
    runtimes: Sequence[str] | None,
    n_threads: Sequence[int | Literal["all"]],
    devices: Sequence[str],
    preset: str,
) -> EvaluationParams:
    """Read how models are to be measured.

    Args:
        runtimes: Runtimes wanted; ``None``: each model as it is, which no runtime stands for.
        n_threads: Threads of a call; ``all``: every core.
        devices: Devices wanted.
        preset: Name of the settings of measuring.

    Raises:
        RightfitError: If one of them is none of its kind.
    """
    wanted = (NATIVE,) if runtimes is None else runtimes
    require_type("runtimes", wanted, list | tuple)
    require_type("n_threads", n_threads, list | tuple)
    settings = {"runtimes": wanted, "n_threads": n_threads, "devices": devices, "preset": preset}
    try:
        params = EvaluationParams.model_validate(read_default("evaluation") | settings)
    except ValidationError as err:
        raise RightfitError(join_sentences(list_faults(err))) from err
    return params.model_copy(update={"runtimes": ()}) if runtimes is None else params


def _require_machine(params: EvaluationParams, environment: Environment) -> None:
    """Refuse to measure where the machine can run none of the serving configurations."""
    if all(n != "all" and n > environment.n_cores for n in params.n_threads):
        raise RightfitError(
            f"n_threads {list(params.n_threads)} cannot be measured: this machine has "
            f"{count(environment.n_cores, 'core')}. Give at most as many, or 'all'."
        )
    if not set(params.devices) & set(environment.devices):
        raise RightfitError(
            f"devices {list(params.devices)} cannot be measured: this machine has "
            f"{list(environment.devices)}. Give one of these."
        )


@contextmanager
def _faults_of(name: str) -> Iterator[None]:
    """Name the model in what is wrong with it."""
    try:
        yield
    except ValueError as err:
        raise RightfitError(f"{name}: {err}") from err


def _fit_batches(
    settings: MeasuringSettings,
    models: Mapping[str, UserModel],
    bundles: Mapping[str, Bundle],
    table: RowTable | None,
) -> MeasuringSettings:
    """Leave out batch sizes that a graph does not take, or that would fill the memory."""
    single = [
        name for name, model in models.items() if isinstance(model, UserOnnx) and model.is_single
    ]
    if single and len(models) > 1:
        raise RightfitError(
            f"{single[0]} takes exactly one row a call, so it cannot be compared with models that "
            "take batches. Export it with a free first dimension."
        )
    if table is not None and table.form == "matrix":
        n_values = math.prod(table.content.shape[1:])  # of a row
    else:
        n_values = max(
            max(bundle.schema.n_features, sum(math.prod(x.shape) for x in find_feeds(bundle, ONNX)))
            for bundle in bundles.values()
        )
    most = 1 if single else max(1, MAX_BATCH_VALUES // max(1, n_values))
    sizes = tuple(size for size in settings.batch_sizes if size <= most) or (most,)
    return settings.model_copy(update={"batch_sizes": sizes})
