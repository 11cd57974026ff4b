"""Search models for a table: ``rightfit.search``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count, end_sentence
from rightfit._core.frames import RawTableError, Table
from rightfit._core.processes.leftovers import sweep_temporary_folders, temporary_folder
from rightfit._core.processes.repeated_warnings import counting_repeats
from rightfit._core.progress import Listener, report_progress
from rightfit.api.candidate_measuring import (
    RawTest,
    add_settings,
    judge_candidates,
    measure_candidates,
    read_fit_costs,
)
from rightfit.api.profiles import Profiles
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import ApplicationsLike, Ranking
from rightfit.api.stored_qualities import require_judgeable
from rightfit.data.request_path.encoder import TargetMean
from rightfit.data.request_path.raw_inputs import pass_columns
from rightfit.measuring.given_models import list_export_texts
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.measuring.rounds.jobs import FitCosts
from rightfit.measuring.rounds.worker_pool import close_shared_pool
from rightfit.measuring.targets import Quality
from rightfit.models.bundle import Bundle
from rightfit.models.schema import Task
from rightfit.models.served_family import Rows
from rightfit_search.api.fitted import (
    Labels,
    Preprocessor,
    list_labels,
)
from rightfit_search.api.search_arguments import (
    FamiliesLike,
    Preset,
    Rules,
    StoppingLike,
    TrainRows,
    read_rules,
)
from rightfit_search.api.search_result import SearchResult, Workspace
from rightfit_search.api.searched_table import (
    NAME,
    check_target,
    name_target,
    prepare_table,
    read_table,
)
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.learning_curve import foresee_first_look
from rightfit_search.searching.parallel.all_rows import RowForecast, RowSource, train_on_all_rows
from rightfit_search.searching.parallel.forked_workers import (
    close_shared_fork_server,
    shared_fork_server,
)
from rightfit_search.searching.parallel.planned_search import (
    PlannedSearch,
    SearchOutcome,
    complete_search,
    plan_search,
    train_on_more,
)
from rightfit_search.searching.parallel.side_by_side import (
    carry_out,
    search_cut_off,
    search_in_parallel,
    search_in_turn,
)
from rightfit_search.searching.search import is_over
from rightfit_search.searching.setting_up import make_cell, make_data, make_labelled_rows
from rightfit_search.searching.task_worker import JUDGED_ROWS, PREDICTIONS, TaskWorker
from rightfit_search.searching.tasks import Task as SearchTask
from rightfit_search.searching.tasks import TaskResult
from rightfit_search.tables.data_card import describe_columns_taken
from rightfit_search.tables.description_parts import LatestShare
from rightfit_search.tables.prepared import PreparedDataset
from rightfit_search.tables.row_stream import stream_beyond_sample
from rightfit_search.tables.splitting import PARTS, assign_parts
from rightfit_search.tables.teaching import LABELLING_SHARE, SILENT_S, TEACHER, Teacher

logger = logging.getLogger(__name__)

MANY_ROWS = 20_000  # above which a family is begun by forecast
LEFT_TO_TRAIN = 1 / 2  # of what a call has left for searching: no forecast begins with less
MAX_TRIED_ROWS = 500  # on which an export must answer as the model does


def search(
    table: object,
    target: str | int,
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
        target: Column to predict, by the name that the table has for it; rows without a value are
            left out, unless a teacher answers.
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
            blocks by name as a project's ``models``. ``None``: ``linear``, ``forest``,
            ``boosting``, ``lightgbm``, ``catboost`` and ``net``, as far as their libraries are
            installed.
        budget_cpu_s: CPU seconds of the call, all processes together: preparing, searching and
            final trainings. Where applications ask for costs of serving, exporting and measuring
            the candidates comes on top. A step that takes longer than expected is ended, but for
            ``n_jobs=1``. The winner's last training, on all rows, may exceed the limit by
            3 %. ``None``: no limit.
        budget_s: Wall seconds of the same; the first of the two limits ends the search. ``None``:
            no limit.
        n_trials: Configurations of each family at most; ``None``: the library's limit, 100 under
            a budget.
        task: ``classification`` or ``regression``; ``None``: as the target's values suggest.
        quality: Metric that judges: a scorer of scikit-learn, a function ``(y_true, y_answer) ->
            float`` as of :func:`rightfit.measure`, or a mapping as in a dataset's block with
            ``name``, ``worst``, ``best`` or ``costs``. ``None``: as the target's values say.
        dataset: What else a project's block of a dataset says, such as ``not_features``,
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
        # a teacher may have learnt from the numbers
        texts = list_export_texts([teacher])
        frame = read_table(table, texts=texts, keeps_codes=teacher is None)
        target = name_target(table, target)
        with ExitStack() as stack:
            opened_teacher = None
            if teacher is not None:
                opened_teacher = _open_teacher(teacher, table, frame, target, rules, stack)
                frame = opened_teacher.label_unlabelled()
            values = check_target(frame, target)
            prepared = prepare_table(
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
        # Where the winner alone will be needed, the others' last trainings would be for nothing,
        # unless what they have not learnt lies in time between what they have and what judges.
        self._refits_at_once = (
            rules.limit is not None
            and rules.refit
            and rules.training.rows == "sample"
            and not rules.applications.asks_costs
            and self._has_validation
            and not isinstance(prepared.spec.validation, LatestShare)
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
            reasons = reasons.drop_nulls().unique()
            raise RightfitError(
                f"No model could be trained: {end_sentence('; '.join(reasons.head(3)))} "
                "Raise the budget, or name other families or another quality."
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
        for remark in result.search_remarks():
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
            due = sorted(
                self._forecast_all(searches),
                key=lambda s: s.first_look["cpu_s"] if s.first_look else 0.0,
            )
            due = [self._foresee(search) for search in due]
        else:
            due = [one for one in searches if not is_over(one.cell, one.settings, one.store)]
        if rules.is_parallel:
            return searches, search_in_parallel(due) if due else {}
        search_cut_off(due)
        if rules.limit is not None:
            search_in_turn(due)
        return searches, {}

    def _forecast_all(self, searches: Sequence[PlannedSearch]) -> list[PlannedSearch]:
        """Forecast first looks in turn, for as long as enough of the rest is left to train."""
        limit, forecast = self._rules.limit, list[PlannedSearch]()
        least_s = LEFT_TO_TRAIN * limit.left_s() if limit else 0.0
        for search in searches:
            forecast.append(self._forecast(search))
            if forecast[-1].first_look and limit and limit.left_s() < least_s:
                left_out = [other.cell.model for other in searches[len(forecast) :]]
                if left_out:
                    logger.warning("The budget is too short to try %s", ", ".join(left_out))
                break
        return forecast

    def _forecast(self, search: PlannedSearch) -> PlannedSearch:
        """Forecast a family's first look where rows are many, so that no hopeless one is begun."""
        cell, default = search.cell, search.cell.default()
        if len(cell.train.labels) < MANY_ROWS or default is None:
            return search
        task = SearchTask("forecast", 0, cell.params.fixed | dict(default), 0)
        result = self._carry_out(search, task)
        return replace(search, first_look=None if result is None else result.point)

    def _foresee(self, search: PlannedSearch) -> PlannedSearch:
        """Note a first look that settings alone tell, where it was not forecast."""
        cell, default = search.cell, search.cell.default()
        if search.first_look is not None or default is None:
            return search
        configuration = cell.params.fixed | dict(default)
        look = foresee_first_look(cell, configuration, search.settings.n_checkpoints)
        return replace(search, first_look=look)

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
                self._faults.append(
                    f"{name} has not learnt from the rows that judged it: training it on all rows "
                    "failed or did not fit into the budget"
                )
            else:
                refitted[name] = bundle
        return refitted


def _stack(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the tables of all families into one, with the model's name in front."""
    return pl.concat(
        table.select(pl.lit(name).alias("model"), pl.all()) for name, table in tables.items()
    )
