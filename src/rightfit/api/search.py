"""Search models for a table: ``rightfit.search``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import ValidationError

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count, end_sentence
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import sweep_temporary_folders, temporary_folder
from rightfit._core.processes.lost_threads import require_threads
from rightfit._core.processes.repeated_warnings import counting_repeats
from rightfit._core.progress import Listener, report_progress
from rightfit._core.row_files import scan_rows
from rightfit._core.spelling import name_some, suggest
from rightfit._core.strict_model import list_faults, read_key
from rightfit.api.candidate_measuring import (
    RawTest,
    add_settings,
    judge_candidates,
    measure_candidates,
    read_fit_costs,
)
from rightfit.api.fitted import (
    FittedModel,
    Labels,
    Preprocessor,
    list_labels,
    make_lasting_folder,
    read_files,
    write_files,
)
from rightfit.api.profiles import Profiles
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import ApplicationsLike, Ranking, require_application
from rightfit.api.search_arguments import (
    FamiliesLike,
    Preset,
    Rules,
    StoppingLike,
    TrainRows,
    read_rules,
)
from rightfit.api.stored_qualities import require_judgeable
from rightfit.data.data_card import DataCard, describe_columns_taken
from rightfit.data.description import DatasetBlock, DatasetSpec
from rightfit.data.prepared import PreparedDataset, prepare_dataset
from rightfit.data.request_path.encoder import TargetMean
from rightfit.data.request_path.raw_inputs import pass_columns
from rightfit.data.row_stream import stream_beyond_sample
from rightfit.data.splitting import PARTS, Parted, assign_parts
from rightfit.data.tables import RawTableError, Table, read_frame, read_records, require_names
from rightfit.measuring.given_models import list_export_texts
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.measuring.rounds.jobs import FitCosts
from rightfit.measuring.rounds.worker_pool import close_shared_pool
from rightfit.measuring.targets import Quality, choose_metric
from rightfit.measuring.teaching import LABELLING_SHARE, SILENT_S, TEACHER, Teacher
from rightfit.models.bundle import Bundle
from rightfit.models.family import Rows
from rightfit.models.onnx_session import first_line
from rightfit.models.registry import get_family
from rightfit.models.schema import Task
from rightfit.params.faults import explain_faults
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.searching.cell import study_name
from rightfit.searching.parallel.all_rows import RowForecast, RowSource, train_on_all_rows
from rightfit.searching.parallel.forked_workers import (
    close_shared_fork_server,
    shared_fork_server,
)
from rightfit.searching.parallel.planned_search import (
    PlannedSearch,
    SearchOutcome,
    complete_search,
    plan_search,
    train_on_more,
)
from rightfit.searching.parallel.side_by_side import (
    carry_out,
    search_cut_off,
    search_in_parallel,
    search_in_turn,
)
from rightfit.searching.search import is_over
from rightfit.searching.setting_up import make_cell, make_data, make_labelled_rows
from rightfit.searching.studies.study_store import PrivateStudyStore, StudyStore
from rightfit.searching.task_worker import JUDGED_ROWS, PREDICTIONS, TaskWorker
from rightfit.searching.tasks import Task as SearchTask
from rightfit.searching.tasks import TaskResult

logger = logging.getLogger(__name__)

NAME = "data"  # of the dataset
LEAST_GAIN = 0.02  # of the way from guessing to the best, below which a model is hardly worth it
LEARNT_ALL = "all rows since it was ranked, those that judged it too"
MANY_ROWS = 20_000  # above which a family is begun by forecast
MAX_TRIED_ROWS = 500  # on which an export must answer as the model does


class Workspace:
    """Folder of a search's studies, bundles and measurements.

    Args:
        folder: Where to keep it; ``None``: in a temporary folder, which lasts as long as anything
            refers to this.
        in_memory: Whether the studies are kept in this process' memory; not for a folder of the
            user's, which a later search continues.
    """

    def __init__(self, folder: Path | None, *, in_memory: bool) -> None:
        if folder is None:
            self.folder = make_lasting_folder(self)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # fails before anything slow
                pass
            self.folder = folder.absolute()  # the working directory may change while it is used
        self.measurements = JsonStore(self.folder / "measurements")
        studies = self.folder / "studies"
        is_private = folder is None and in_memory
        self.studies = PrivateStudyStore(studies) if is_private else StudyStore(studies, None)


class SearchResult:
    """Results of a search.

    Attributes:
        ranking: The candidates in order for each application, with the reasons.
        trials: One row per configuration that was tried, those that were stopped included.
        learning_curves: One row per trial and checkpoint.
        row_forecasts: With ``train_rows`` other than ``sample``, what more rows than those of the
            sample were expected to bring and to cost, by the candidate's name.
    """

    def __init__(
        self,
        ranking: Ranking,
        trials: pl.DataFrame,
        learning_curves: pl.DataFrame,
        *,
        candidates: Mapping[str, Bundle],
        refitted: Mapping[str, Bundle],
        feeding: Preprocessor,
        refitted_feeding: Preprocessor,
        workspace: Workspace,
        row_forecasts: Mapping[str, RowForecast],
        faults: Sequence[str] = (),
        teacher: object = None,
    ) -> None:
        self.ranking = ranking
        self.trials = trials
        self.learning_curves = learning_curves
        self.row_forecasts = row_forecasts
        self._candidates, self._refitted = candidates, refitted  # bundles by candidate name
        self._feeding, self._refitted_feeding = feeding, refitted_feeding
        self._workspace, self._faults = workspace, tuple(faults)
        self._teacher = teacher

    @property
    def profiles(self) -> Profiles:
        """Profiles of the candidates."""
        return self.ranking.profiles

    @property
    def applications(self) -> Applications:
        """The applications that choose."""
        return self.ranking.applications

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on columns and failures, and on winners that hardly beat guessing."""
        return (*self.data_card.remarks, *self._faults, *self._remark_worthless())

    def _remark_worthless(self) -> Iterator[str]:
        quality = self.data_card.quality
        for name in self.applications:
            winner = self._find_winner(name)
            if winner is None or winner.candidate == TEACHER:
                continue
            [profile, *_] = self.profiles.select(candidate=winner.candidate)
            figure = profile["quality_raw"]
            if figure.value is None:
                continue
            low = figure.value if figure.low is None else figure.low
            worst, best = quality.raw_bounds
            is_weak = figure.value < worst + LEAST_GAIN * (best - worst)
            if is_weak or low <= worst:
                beats = "hardly beats" if is_weak else "may not beat"
                yield (
                    f"{name}: {winner.candidate} {beats} guessing: {quality.name} is "
                    f"{figure} on rows it has not learnt from, and {worst:.3g} "
                    "without a model; see which columns were left out, or add some that tell of "
                    "the target"
                )

    @property
    def data_card(self) -> DataCard:
        """Description of the table, with remarks on the columns left out."""
        return self._feeding.data_card

    def best(self, application: str | None = None) -> FittedModel | Any:
        """Return the model that an application chooses; ``None``: no candidate meets its limits.

        A warning then says what was nearest. The type does not ask for a test, as most searches
        have a winner. Where that is the teacher, no model is worth it in its place: the teacher
        comes back as it was given.

        Args:
            application: Its name; may be left out where there is one application only.

        Raises:
            RightfitError: If there is no such application.
        """
        require_threads()
        name = require_application(self.applications, application)
        winner = self._find_winner(name)
        if winner is None:
            logger.warning("%s: %s", name, self.ranking.decision(name).sentence)
            return None
        if winner.candidate == TEACHER:
            logger.warning("%s: %s", name, self._compare_teacher(name))
            return self._teacher
        is_refitted = winner.candidate in self._refitted
        feeding = self._refitted_feeding if is_refitted else self._feeding
        threshold = self.ranking.decision(name).threshold
        bundles = self._refitted if is_refitted else self._candidates
        return FittedModel(
            bundles[winner.candidate],
            winner,
            replace(feeding, data_card=feeding.data_card.with_threshold(threshold)),
            keeper=self._workspace,
            ranking=self.ranking,
            application=name,
            learnt_since=LEARNT_ALL if is_refitted else None,
        )

    def _find_winner(self, application: str) -> ProfileKey | None:
        return self.ranking.winners[application].get(self.data_card.dataset)

    def _compare_teacher(self, application: str) -> str:
        """Return what the winner keeps of the teacher, and at which cost; empty without one."""
        replacements = self.ranking.decision(application).replacements
        return replacements[0].sentence if replacements else ""

    def __repr__(self) -> str:
        winners = {name: self._find_winner(name) for name in self.applications}
        lines = []
        for name, key in winners.items():
            winner = self.ranking.winner(name)
            if key is None or winner is None:
                lines.append(f"  {name}: none, {self.ranking.decision(name).sentence}")
            else:
                score = f"{winner.quality_metric} {winner.quality_raw}"
                lines.append(f"  {name}: {key.candidate} ({key.serving.label}), {score}")
            if sentence := self._compare_teacher(name):
                lines.append(f"    {sentence}")
        lines += [f"  {name}: {forecast}" for name, forecast in self.row_forecasts.items()]
        tried = f"{count(self.trials.height, 'trial')}, {count(len(self._candidates), 'candidate')}"
        return "\n".join([f"SearchResult: {tried}", *lines])

    def _repr_html_(self) -> str:
        return self.ranking._repr_html_()

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy is made of: the files of all models travel with it."""
        bundles = [*self._candidates.values(), *self._refitted.values()]
        files = {bundle.path: read_files(bundle) for bundle in bundles}
        return {**self.__dict__, "_workspace": None, "_teacher": None, "files": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files: Mapping[Path, Mapping[str, bytes]] = state.pop("files")
        self.__dict__.update(state)
        self._workspace = Workspace(None, in_memory=True)
        for attribute in ("_candidates", "_refitted"):
            folder = self._workspace.folder / attribute
            copied = {
                name: write_files(files[bundle.path], bundle, folder / name)
                for name, bundle in state[attribute].items()
            }
            setattr(self, attribute, copied)


def search(
    table: object,
    target: str,
    *,
    teacher: object | None = None,
    applications: ApplicationsLike | None = None,
    families: FamiliesLike | None = None,
    budget_cpu_s: float | None = 60.0,
    budget_s: float | None = None,
    n_trials: int | None = None,
    task: Task | None = None,
    quality: Quality | None = None,
    dataset: Mapping[str, object] | None = None,
    early_stopping: StoppingLike = "pausing",
    preset: Preset = "quick",
    refit: bool = True,
    train_rows: TrainRows = "sample",
    n_jobs: int | None = None,
    random_state: int = 0,
    folder: str | Path | None = None,
    verbose: bool | int | None = None,
    on_progress: Listener | None = None,
) -> SearchResult:
    """Search models for a table, measure what serving them costs, and rank them per application.

    The table is described, split and encoded as a project's is: 20 % of the rows are kept for the
    test, a fifth of the others validates. Families are searched side by side; the best of each are
    measured in fresh processes and ranked by the test rows.

    Without applications quality alone decides: nothing is exported or measured, and every cost in
    ``profiles`` is null.

    Args:
        table: A pandas or polars frame, an Arrow table, a list of mappings, or the path of a
            .parquet or .csv file.
        target: Column to predict; rows without a value are left out, unless a teacher answers.
        teacher: An accurate model that is too slow: any that :func:`rightfit.measure` takes, which
            reads the table's columns but the target. It labels rows without a value of the target,
            which join the train rows; where no row has one, it labels all, and quality is the
            agreement with it. It gets half of the budget's seconds, by the clock; of more rows a
            random draw is labelled. Where applications ask for costs of serving it is measured on
            the test rows and ranked as the candidate ``teacher``; ``print(result)`` and the report
            say what each winner keeps of its quality, and at which cost.
        applications: Who will use the model: :class:`rightfit.Application` by name, or the path of
            a YAML file of them. ``None``: quality alone decides.
        families: Names of the library's families, import paths of families or of estimators, or
            blocks by name as in ``parameters_models.yml``. ``None``: ``linear``, ``forest``,
            ``boosting``, ``lightgbm``, ``catboost`` and ``net``, as far as their libraries are
            installed.
        budget_cpu_s: CPU seconds of the call, all processes together: preparing, searching and
            final trainings. Where applications ask for costs of serving, exporting and measuring
            the candidates comes on top. A step that takes longer than expected is ended, but for
            ``n_jobs=1``. ``None``: no limit.
        budget_s: Wall seconds of the same; the first of the two limits ends the search. ``None``:
            no limit.
        n_trials: Configurations of each family at most; ``None``: the library's limit, 100 under
            a budget.
        task: ``classification`` or ``regression``; ``None``: as the target's values suggest.
        quality: Metric that judges: a scorer of scikit-learn, a function ``(y_true, y_answer) ->
            float`` as of :func:`rightfit.measure`, or a mapping as in a dataset's block with
            ``name``, ``worst``, ``best`` or ``costs``. ``None``: as the target's values say.
        dataset: What else a block of ``parameters_datasets.yml`` says, such as ``not_features``,
            ``features``, ``split`` or ``validation``.
        early_stopping: ``pausing``, one of Optuna's pruners by name, ``none``, or a rule of your
            own: see :class:`rightfit.StoppingRule`. It runs in the scheduling process.
        preset: How thoroughly candidates are measured: ``quick``, ``standard`` or ``publish``.
        refit: Whether the models that ``best`` returns have learnt from the test rows too, once all
            was measured, as scikit-learn's searches do. Every figure stays that of the model that
            was measured and ranked, which has learnt from train and validation rows.
        train_rows: Where ``dataset`` limits ``max_train_rows``, the rows that candidates learn from
            before they are measured: those of the ``sample``, ``all`` of the train split, or
            ``auto``: all, or fewer where by their learning curves the others add, even at best,
            less than the error of the quality on the validation rows. They are read from a
            temporary file, four bytes a value, in the search's folder; their training comes on top
            of the budget. A model that has learnt from more than the sample is not refitted.
        n_jobs: Processes that train at the same time; 1: this process alone trains. ``None`` or
            -1: as many as there are cores.
        random_state: Seed of sampling and training. With ``n_trials`` and ``budget_cpu_s=None`` the
            same seed repeats a search.
        folder: Where to keep the search; a later one with the same table continues it. ``None``: a
            temporary folder, kept as long as the result is.
        verbose: Whether the progress is shown; ``None``: in a terminal or a notebook. If true, a
            log file or a pipe gets a line every five seconds.
        on_progress: Called with each step, a :class:`Progress`; an error of it ends the call.

    Returns:
        The ranking, profiles and trials, and the fitted model of each application.

    Raises:
        RightfitError: If something is wrong with what was given, told before anything slow; or if
            no model could be trained.
    """
    workspace = None if folder is None else read_path("folder", folder)
    with showing_progress(verbose, on_progress):
        rules = read_rules(
            applications=applications,
            families=families,
            budget_cpu_s=budget_cpu_s,
            budget_s=budget_s,
            n_trials=n_trials,
            early_stopping=early_stopping,
            preset=preset,
            refit=refit,
            train_rows=train_rows,
            n_jobs=n_jobs,
            seed=random_state,
        )
        frame = read_table(table, texts=list_export_texts([teacher]))
        with ExitStack() as stack:
            opened_teacher = None
            if teacher is not None:
                opened_teacher = _open_teacher(teacher, table, frame, target, rules, stack)
                frame = opened_teacher.label_unlabelled()
            values = check_target(frame, target)
            prepared = _prepare(
                frame,
                target,
                task=task,
                quality=quality,
                dataset=dataset,
                assign=assign_parts if opened_teacher is None else opened_teacher.assign,
            )
            labels = list_labels(prepared.data_card, values)
            del values  # in regression as many as the table has rows
            return search_dataset(
                prepared, rules, labels, folder=workspace, table=frame, teacher=opened_teacher
            )


def _open_teacher(
    model: object, table: object, frame: Table, target: str, rules: Rules, stack: ExitStack
) -> Teacher:
    """Open a teacher whose files last as long as the stack.

    Raises:
        RightfitError: If it is none that could be measured, or another argument does not go with
            it.
    """
    if rules.training.rows != "sample":
        raise RightfitError(
            "teacher: its rows join the sample, so train_rows must be 'sample', but got "
            f"{rules.training.rows!r}."
        )
    if TEACHER in rules.models:
        raise RightfitError(f"families: {TEACHER!r} is the teacher's name; choose another.")
    stack.callback(close_shared_pool)
    limit = rules.limit
    limits_s = [s for s in (limit.cpu_s, limit.wall_s) if s is not None] if limit else []
    return Teacher(
        model,
        table=table,
        frame=frame,
        target=target,
        folder=stack.enter_context(temporary_folder("teacher")),
        max_s=LABELLING_SHARE * min(limits_s) if limits_s else None,
        seed=rules.training.seed,
        charge=limit.charge if limit else lambda _: None,
    )


def read_table(table: object, *, texts: Collection[str] = ()) -> Table:
    """Read what a search is given.

    Args:
        table: The table.
        texts: Columns of a CSV file that are texts whatever they look like.

    Raises:
        RightfitError: If it is no table, or holds no rows.
    """
    if isinstance(table, str | Path):
        with scan_rows(read_path("table", table), texts=texts) as scan:
            return require_names(read_frame(scan, entry="table"), entry="table")
    if isinstance(table, np.ndarray):
        raise RightfitError(
            "The table is an array, whose columns have no names. Give it as "
            "polars.DataFrame(table, schema=[...]), or use RightfitClassifier or RightfitRegressor."
        )
    if isinstance(table, Sequence):
        table = read_records(table, entry="table")
    try:
        frame = require_names(read_frame(table, entry="table"), entry="table")
    except (ValueError, pl.exceptions.PolarsError) as err:
        raise RightfitError(f"The table cannot be read: {first_line(err)}") from err
    if not frame.height:
        raise RightfitError("The table has no rows.")
    return frame


def check_target(frame: Table, target: str) -> pl.Series:
    """Check that a column can be predicted; return its different values.

    Raises:
        RightfitError: If it is no column, or has fewer than two values.
    """
    if not isinstance(target, str) or target not in frame.columns:
        raise RightfitError(
            f"target must be a column of the table, but got {target!r}"
            f"{suggest(str(target), frame.columns)}. It has {name_some(frame.columns)}."
        )
    try:
        values = frame[target].drop_nulls().unique()
    except pl.exceptions.PolarsError as err:
        raise RightfitError(
            f"The target {target!r} holds {frame[target].dtype}, which cannot be told apart. Give "
            "texts, truth values or numbers."
        ) from err
    if values.len() < 2:
        raise RightfitError(
            f"The target {target!r} holds {values.to_list()} in all rows, so there is nothing to "
            "learn; name another column."
        )
    return values


def _prepare(
    frame: Table,
    target: str,
    *,
    task: Task | None,
    quality: Quality | None,
    dataset: Mapping[str, object] | None,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted],
) -> PreparedDataset:
    settings: dict[str, object] = {
        "tables": [NAME], "target": {"column": target}, "task": task,
        "quality": quality_block(quality),
    }  # fmt: skip
    if not isinstance(dataset, Mapping | None):
        raise RightfitError(
            f"dataset must be a block as in parameters_datasets.yml, but got {dataset!r:.80}."
        )
    stated = dataset or {}
    repeated = [
        key for key in ("tables", "task", "quality") if key in stated and settings[key] is not None
    ]
    if read_key(stated.get("target"), "column") not in (None, target):
        repeated.append("target")
    if repeated:
        raise RightfitError(
            f"dataset says {repeated}, which search is given outside of it; say each in one place."
        )
    if isinstance(aim := stated.get("target"), Mapping):
        stated = {**stated, "target": {"column": target, **aim}}
    settings |= stated
    if faults := explain_faults("", {"dataset": settings}, ["dataset"], DatasetBlock):
        raise RightfitError("; ".join(faults))
    return prepare_rows(settings, frame, quality, assign)


def prepare_rows(
    block: Mapping[str, object],
    frame: Table,
    quality: Quality | None,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted] = assign_parts,
) -> PreparedDataset:
    """Prepare a table as a dataset's block describes it; see :func:`prepare_dataset`.

    Raises:
        RightfitError: If the block is not right, or the table or the metric does not fit it.
    """
    try:
        described = DatasetBlock.model_validate(block)
        return judge_by(quality, prepare_dataset(NAME, described, {NAME: frame}, assign=assign))
    except ValidationError as err:
        raise RightfitError("; ".join(list_faults(err))) from err
    except ValueError as err:
        reason = " ".join(str(err).split())
        raise RightfitError(f"The search cannot be prepared: {reason}") from err


def quality_block(quality: Quality | None) -> object:
    """Return a metric as a dataset's block says it; ``None`` for a function."""
    if isinstance(quality, str):
        return {"name": quality}
    return None if _is_function(quality) else quality


def judge_by(quality: Quality | None, prepared: PreparedDataset) -> PreparedDataset:
    """Have a function judge a dataset; any other metric is in its block.

    Raises:
        RightfitError: If it cannot judge the targets, or cannot be sent to other processes.
    """
    if not _is_function(quality):
        return prepared
    card, labels = prepared.data_card, prepared.rows["label"].to_numpy()
    metric = choose_metric(quality, labels, card.task, card.input_schema.classes)
    metric.dump_function()
    return prepared.with_quality(metric)


def _is_function(quality: Quality | None) -> bool:
    return callable(quality.get("name") if isinstance(quality, Mapping) else quality)


def search_dataset(
    prepared: PreparedDataset,
    rules: Rules,
    labels: Labels | None,
    *,
    folder: Path | None = None,
    table: Table | None = None,
    teacher: Teacher | None = None,
) -> SearchResult:
    """Search, measure and rank models for a prepared dataset.

    Args:
        prepared: Its rows. Without test rows the validation rows choose among the candidates.
        rules: What the search goes by.
        labels: The classes as predictions name them, shape (n_classes,); ``None`` in regression.
        folder: Where it is kept; ``None``: in a temporary folder.
        table: What it was prepared from, which holds the train rows beyond the sample.
        teacher: A model that is ranked beside those searched.

    Raises:
        RightfitError: If a family cannot learn the task, the folder cannot be used, or no model
            could be trained or measured.
    """
    for name, block in rules.models.items():
        try:
            get_family(block.family).check_task(prepared.data_card.task)
        except ValueError as err:
            raise RightfitError(f"families: {name}: {err}. Leave it out.") from err
    raw = RawTest.take(prepared.rows, prepared.encoder)
    require_judgeable(
        rules.applications, raw.columns, prepared.rows["label"], prepared.data_card.task
    )
    for remark in prepared.data_card.remarks:
        is_task = remark.startswith("target.column")  # a guess that the ranking shows anyway
        logger.log(logging.INFO if is_task else logging.WARNING, remark)
    logger.info(describe_columns_taken(prepared.spec.features))
    sweep_temporary_folders()  # what killed processes have left
    # Nobody else works on such a search, so its studies may be in memory.
    in_memory = not rules.is_parallel and not rules.applications.asks_costs
    try:
        workspace = Workspace(folder, in_memory=in_memory)
    except OSError as err:
        raise RightfitError(f"folder: {folder} cannot be used: {err.strerror}.") from err
    tried = prepared.encode("validation").head(MAX_TRIED_ROWS)
    features = prepared.data_card.input_schema.features
    feeding = Preprocessor(
        spec=prepared.spec,
        encoder=prepared.encoder,
        data_card=prepared.data_card,
        labels=labels,
        tried_rows=np.ascontiguousarray(tried.select(features).to_numpy(), dtype=np.float32),
    )
    try:
        return _Search(prepared, rules, workspace, table, teacher).run(feeding)
    except OSError as err:
        raise RightfitError(
            f"The search cannot read or write its files: {err}. It keeps them in "
            f"{workspace.folder} and in {tempfile.gettempdir()}: free some space there, raise the "
            "limit of files (ulimit -f), or name another folder."
        ) from err
    finally:  # Ctrl-C too leaves no process behind
        close_shared_fork_server()
        close_shared_pool()


class _Search:
    """One search from its rows to its ranking."""

    def __init__(
        self,
        prepared: PreparedDataset,
        rules: Rules,
        workspace: Workspace,
        table: Table | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self._prepared, self._rules, self._workspace = prepared, rules, workspace
        self._table, self._teacher = table, teacher
        self._faults = [] if teacher is None else list(teacher.remarks)
        self._card = prepared.data_card
        self._parts = {part: prepared.encode(part) for part in PARTS}
        if self._parts["validation"].is_empty():  # too few rows to keep any aside
            self._parts["validation"] = self._parts["train"]
        # Where the winner alone will be needed, the others' last trainings would be for nothing.
        self._refits_at_once = (
            rules.limit is not None
            and rules.refit
            and rules.training.rows == "sample"
            and not rules.applications.asks_costs
            and self._has_validation
        )
        if rules.limit is not None and rules.refit:
            learnt = ("train",) if self._refits_at_once else ("train", "validation")
            n_rows = sum(self._parts[part].height for part in PARTS)
            rules.limit.refit_growth = n_rows / sum(self._parts[part].height for part in learnt)

    @counting_repeats()
    def run(self, feeding: Preprocessor) -> SearchResult:
        """Search, measure, refit and rank."""
        rules = self._rules
        searches, errors = self._search()
        # Those are over by now, and tell what they found.
        outcomes = {
            search.cell.model: complete_search(search, error=errors.get(search.cell.name, ""))
            for search in searches
        }
        if not any(outcome.candidates for outcome in outcomes.values()):
            reasons = pl.concat([outcome.trials["stop_reason"] for outcome in outcomes.values()])
            reasons = reasons.drop_nulls().str.strip_prefix("failed: ").unique()
            raise RightfitError(
                f"No model could be trained: {end_sentence('; '.join(reasons.head(3)))} "
                "Raise budget_cpu_s, or name other families or another quality."
            )
        candidates = {
            name: b for outcome in outcomes.values() for name, b in outcome.candidates.items()
        }
        of_all_rows, row_forecasts = self._train_on_all_rows(searches, outcomes)
        candidates |= of_all_rows
        trials = {name: outcome.trials for name, outcome in outcomes.items()}
        searched = {name: block.space for name, block in rules.models.items()}
        if rules.limit is not None and rules.applications.asks_costs:
            spent_s = rules.limit.spent_cpu_s
            logger.info("Searched in %.0f CPU seconds; measuring comes on top", spent_s)
        measured = self._measure(candidates, read_fit_costs(trials), searches)
        table = add_settings(measured, candidates, searched=searched)
        if self._teacher is not None and rules.applications.asks_costs:
            table = pl.concat([table, self._measure_teacher(self._teacher, table)], how="diagonal")
        name = self._card.dataset
        profiles = Profiles(
            table,
            describe_environment(),
            {name: self._card.quality},
            predictions=load_predictions(self._workspace.measurements, table),
        )
        ranking = Ranking(profiles, rules.applications, rules.ranking, imported=(TEACHER,))
        refitted: dict[str, Bundle] = {}
        refitted_feeding = feeding
        if rules.refit:
            refitted_feeding, refits = self._average_all_rows(feeding, searches)
            refitted = self._refit(ranking, refits, outcomes, leave_out=[*of_all_rows, TEACHER])
        result = SearchResult(
            ranking=ranking,
            trials=_stack(trials),
            learning_curves=_stack(
                {name: outcome.learning_curves for name, outcome in outcomes.items()}
            ),
            candidates=candidates,
            refitted=refitted,
            feeding=feeding,
            refitted_feeding=refitted_feeding,
            workspace=self._workspace,
            row_forecasts=row_forecasts,
            faults=self._faults,
            teacher=None if self._teacher is None else self._teacher.model,
        )
        for remark in result.remarks[len(self._card.remarks) :]:
            logger.warning(remark)
        return result

    def _search(self) -> tuple[list[PlannedSearch], dict[str, str]]:
        """Carry out the families' searches; return them, and what broke a worker, by cell."""
        rules, searches = self._rules, self._plan()
        report_progress("searching")
        if rules.limit is not None:
            if rules.is_parallel:  # one process imports for the forecasts of all families
                shared_fork_server(
                    [search.cell.family for search in searches],
                    searches[0].settings.n_threads,
                    exports=searches[0].exports,
                )
            # Those of which nothing is forecast come first.
            forecast = map(self._forecast, searches)
            due = sorted(forecast, key=lambda s: s.first_look["cpu_s"] if s.first_look else 0.0)
        else:
            due = [one for one in searches if not is_over(one.cell, one.settings, one.store)]
        if rules.is_parallel:
            return searches, search_in_parallel(due) if due else {}
        search_cut_off(due)
        if rules.limit is not None:
            search_in_turn(due)
        return searches, {}

    def _forecast(self, search: PlannedSearch) -> PlannedSearch:
        """Forecast a family's first look where rows are many, so that no hopeless one is begun."""
        cell, default = search.cell, search.cell.default()
        if len(cell.train.labels) < MANY_ROWS or default is None:
            return search
        task = SearchTask("forecast", 0, cell.params.fixed | dict(default), 0)
        result = self._carry_out(search, task)
        return replace(search, first_look=None if result is None else result.point)

    def _carry_out(self, search: PlannedSearch, task: SearchTask) -> TaskResult | None:
        """Carry out a task, in a process of its own unless this one alone may train."""
        if self._rules.is_parallel:
            return carry_out(search, task)
        name = study_name(search.cell, search.settings)
        return TaskWorker(search.cell, search.settings, search.store, name).carry_out(task)

    def _plan(self) -> list[PlannedSearch]:
        rules, searches = self._rules, list[PlannedSearch]()
        for name, block in rules.models.items():
            cell = make_cell(
                f"{self._card.dataset}.{name}",
                self._parts["train"],
                self._parts["validation"],
                self._card,
                block,
            )
            planned = plan_search(
                cell,
                rules.training,
                rules.applications,
                rules.evaluation,
                studies=self._workspace.studies,
                siblings={other: b for other, b in rules.models.items() if other != name},
                n_searches=len(rules.models) if rules.is_parallel else 1,
            )
            planned = replace(
                planned,
                exports=rules.applications.asks_costs,
                rule=rules.stopping,
                limit=rules.limit,
            )
            if self._refits_at_once or not self._has_validation:
                planned = replace(planned, cell=replace(planned.cell, learns_validation=False))
            searches.append(planned.with_rows_of(searches[0]) if searches else planned)
        return searches

    def _train_on_all_rows(
        self, searches: Sequence[PlannedSearch], outcomes: Mapping[str, SearchOutcome]
    ) -> tuple[dict[str, Bundle], dict[str, RowForecast]]:
        """Train candidates on train rows beyond the sample, if wanted; see the function."""
        prepared, table = self._prepared, self._table
        if self._rules.training.rows == "sample" or table is None:
            return {}, {}
        stream = partial(
            stream_beyond_sample, prepared.spec, {NAME: table}, prepared.encoder, prepared.rows
        )
        source = RowSource(self._card.rows.beyond_sample, stream, self._workspace.folder)
        try:
            return train_on_all_rows(searches, outcomes, source, carry_out=self._carry_out)
        except (RawTableError, OSError) as err:
            self._faults.append(f"the candidates stay as the sample has trained them: {err}")
            return {}, {}

    def _measure(
        self,
        candidates: Mapping[str, Bundle],
        costs: FitCosts,
        searches: Sequence[PlannedSearch],
    ) -> pl.DataFrame:
        """Measure all families' candidates in the same turns: none goes on that another beats."""
        rules = self._rules
        if not rules.applications.asks_costs:
            judges = self._parts["validation" if self._judges_by_validation else "test"]
            rows = make_labelled_rows(judges, self._card.input_schema).rows
            with temporary_folder("judging") as folder:
                np.save(folder / JUDGED_ROWS, rows, allow_pickle=False)
                by_model = {search.cell.model: search for search in searches}
                return judge_candidates(
                    candidates,
                    costs,
                    judges,
                    self._card,
                    rules.evaluation,
                    predict=lambda bundle: self._predict(by_model[bundle.model], bundle, folder),
                    raw=self._raw_test,
                    measurements=self._workspace.measurements,
                )
        return measure_candidates(
            candidates,
            costs,
            self._parts["test"],
            self._card,
            raw=self._raw_test,
            measurements=self._workspace.measurements,
            params=rules.evaluation,
            choosers=rules.applications,
            equal_within=rules.ranking.equal_within,
        )

    def _measure_teacher(self, teacher: Teacher, rivals: pl.DataFrame) -> pl.DataFrame:
        """Measure the teacher on the test rows, as a candidate beside those measured before."""
        rules, bundle, table = self._rules, teacher.bundle, teacher.take(teacher.test_rows)
        columns = teacher.take_columns(teacher.test_rows)
        derived = self._raw_test.rows.drop(columns.columns, strict=False)
        texts = [name for name in table.columns if table.column(name).dtype.kind not in "biuf"]
        params, expected_s = rules.evaluation, teacher.pace_s * len(table)
        if expected_s > SILENT_S:
            logger.warning(
                "The teacher is judged on %s, which takes up to %.0f seconds",
                count(len(table), "test row"),
                expected_s,
            )
        settings = params.settings.model_copy(
            update={"answer_max_s": params.settings.answer_max_s + 2 * expected_s}
        )
        presets = params.presets.model_copy(update={params.preset: settings})
        return measure_candidates(
            {TEACHER: bundle},
            {},
            self._parts["test"].select("label"),
            self._card,
            raw=RawTest(
                pl.concat([columns, derived], how="horizontal"),
                pass_columns(bundle.schema.features, texts),
            ),
            measurements=self._workspace.measurements,
            params=params.model_copy(update={"presets": presets}),
            choosers=rules.applications,
            equal_within=rules.ranking.equal_within,
            table=table,
            rivals=rivals,
        )

    def _predict(self, search: PlannedSearch, bundle: Bundle, folder: Path) -> Rows:
        """Predict the rows in a folder where the family's libraries are imported already."""
        task = SearchTask(
            "predict", 0, bundle.configuration, 0, stored_rows=str(folder), bundle=str(bundle.path)
        )
        result = self._carry_out(search, task)
        if result is None or result.fault:
            raise RuntimeError(result.fault if result else "the process that predicts has ended")
        predictions: Rows = np.load(folder / PREDICTIONS, allow_pickle=False)
        return predictions

    @property
    def _has_validation(self) -> bool:
        """Whether there are validation rows that neither train nor choose among candidates."""
        is_train = self._parts["validation"] is self._parts["train"]
        return not (is_train or self._judges_by_validation)

    @property
    def _judges_by_validation(self) -> bool:
        """Whether there are no test rows, so that candidates must not learn the validation rows."""
        return self._parts["test"].is_empty()

    @property
    def _raw_test(self) -> RawTest:
        part = "validation" if self._judges_by_validation else "test"
        if self._parts[part] is self._parts["train"]:
            part = "train"
        return RawTest(self._prepared.take(part), self._prepared.encoder.to_json())

    def _average_all_rows(
        self, feeding: Preprocessor, searches: Sequence[PlannedSearch]
    ) -> tuple[Preprocessor, Sequence[PlannedSearch]]:
        """Have the last trainings read target means of all rows, where there are target means."""
        if not any(isinstance(step, TargetMean) for step in self._prepared.encoder.steps):
            return feeding, searches
        encoder, encoded = self._prepared.encode_for_all()
        has_validation = self._parts["validation"] is not self._parts["train"]
        self._parts = encoded | ({} if has_validation else {"validation": encoded["train"]})
        train = make_data(self._parts["train"], self._card.input_schema)
        validation = make_labelled_rows(self._parts["validation"], self._card.input_schema)
        feeding = replace(feeding, encoder=encoder, tried_rows=validation.rows[:MAX_TRIED_ROWS])
        return feeding, [
            replace(search, cell=replace(search.cell, train=train, validation=validation))
            for search in searches
        ]

    def _refit(
        self,
        ranking: Ranking,
        searches: Sequence[PlannedSearch],
        outcomes: Mapping[str, SearchOutcome],
        *,
        leave_out: Collection[str],
    ) -> dict[str, Bundle]:
        """Train the winners on all rows, those that judged too; return their bundles by name.

        Those to leave out have learnt from more rows than the sample, which nothing here reads.
        Nothing is measured again. One whose training would take longer than
        ``training.final.max_s``, or fails, is delivered as it was ranked.
        """
        rules = self._rules
        judges = self._parts["validation" if self._judges_by_validation else "test"]
        if judges is self._parts["train"]:  # learnt already
            return {}
        if self._refits_at_once:
            judges = pl.concat([self._parts["validation"], judges])
        by_model = {search.cell.model: search for search in searches}
        keys = {
            key.candidate: key
            for winners in ranking.winners.values()
            for key in winners.values()
            if key.candidate not in leave_out
        }
        held_out = make_labelled_rows(judges, self._card.input_schema)
        refitted = {}
        if rules.limit is not None:
            rules.limit.release_refit()
        for name, key in keys.items():
            search, ranked = by_model[key.model], outcomes[key.model].candidates[name]
            report_progress("refitting", name)
            bundle = train_on_more(
                search,
                name,
                held_out,
                exports=rules.applications.asks_costs,
                carry_out=self._carry_out,
            )
            if bundle is None or (ranked.onnx and not bundle.onnx):
                logger.warning(
                    "%s has not learnt from the rows that judged it: training it on all rows "
                    "failed or did not fit into the budget",
                    name,
                )
            else:
                refitted[name] = bundle
        return refitted


def _stack(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the tables of all families into one, with the model's name in front."""
    return pl.concat(
        table.select(pl.lit(name).alias("model"), pl.all()) for name, table in tables.items()
    )
