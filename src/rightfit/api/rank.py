"""Rank measured candidates for applications, and explain the order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from rightfit._core.arguments import read_path, require_type, writing_to
from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit._core.formatting import join_sentences
from rightfit._core.json_documents import parse_json
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.spelling import suggest
from rightfit._core.strict_model import StrictModel, list_faults
from rightfit._core.yaml_documents import read_yaml
from rightfit.api.diagnostics import Diagnostics
from rightfit.api.profile_check import check_table
from rightfit.api.profiles import Profiles, from_pandas, require_dataset, to_html, to_pandas
from rightfit.api.stored_qualities import Functions, judge_applications
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.hardware.tiers import tabulate_tiers
from rightfit.measuring.naming import sentence_case
from rightfit.measuring.profile import PREDICTIONS, Profile, complete_columns
from rightfit.measuring.serving import Serving
from rightfit.measuring.targets import Quality
from rightfit.models.quality.params import QualityBlock
from rightfit.params.applications import ApplicationsParams, find_contradictions, find_misnamed
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.params.faults import explain_faults
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    Winners,
    list_winner_keys,
    rank_applications,
)
from rightfit.ranking.applications.applications import (
    QUALITIES,
    Application,
    Applications,
    RankingRules,
)
from rightfit.ranking.assessment.profile_table import (
    ProfileTable,
    check_columns,
    complete_paths,
    read_profiles,
    replace_qualities,
)
from rightfit.ranking.explanation.decisions import (
    Decision,
    Fleet,
    Recommendations,
    Segments,
    list_decisions,
)
from rightfit.ranking.explanation.rankings import (
    COLUMNS,
    place_candidates,
    tabulate_breakdown,
    tabulate_robust_choices,
)
from rightfit.ranking.explanation.recommendation import recommend
from rightfit.ranking.fleet import rank_fleet
from rightfit.ranking.records.load_records import LoadCurves
from rightfit.ranking.segments import choose_per_segment
from rightfit.ranking.sensitivity.break_even import tabulate_break_even
from rightfit.ranking.sensitivity.limit_effects import tabulate_limit_effects
from rightfit.ranking.sensitivity.weights import tabulate_weight_intervals, tabulate_win_shares
from rightfit.reporting.charts.palette import marks_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure as PlotlyFigure

ApplicationLike = Application | Mapping[str, object] | str
ApplicationsLike = str | Path | Applications | Application | Mapping[str, ApplicationLike]
EXAMPLES = "ranking/applications/examples.yml"  # of applications
UNNAMED = "application"  # what the only one is called if it has no name
PROFILES_FILE, RANKING_FILE = "profiles.parquet", "ranking.json"


def rank(
    profiles: Profiles | pl.DataFrame | pd.DataFrame,
    applications: ApplicationsLike,
    *,
    rules: RankingRules | None = None,
    previous: Ranking | Winners | str | Path | None = None,
) -> Ranking:
    """Rank candidates for every application, dataset by dataset.

    Args:
        profiles: What was measured, or its table as a frame of polars or pandas.
        applications: By name; or the path of a YAML file, whose form is that of
            a project's ``applications``; or one alone. The name of one of the library's examples
            may take the place of an application: ``interactive``, ``batch``, ``small_device``,
            ``quality_first``.
        rules: Confidence and tie rules; ``None``: the library's.
        previous: An earlier ranking, the folder it was saved in, or its ``winners``. They stand
            while they are practically equal to the best (``rules.keep_winner``).

    Raises:
        RightfitError: If there is no profile, or an application is wrong in itself, or asks for a
            metric that no profile has; lists all faults.
    """
    if is_of(profiles, "pandas", "DataFrame"):
        profiles = from_pandas(cast("pd.DataFrame", profiles))
    if isinstance(profiles, pl.DataFrame):
        profiles = Profiles(check_table(profiles, "the table"))
    if not isinstance(profiles, Profiles):
        kind = f"{profiles!r:.80}" if isinstance(profiles, list) else f"a {type(profiles).__name__}"
        raise RightfitError(
            "profiles must be what compare(…) returns, or its table as a frame of polars or "
            f"pandas, but got {kind}."
        )
    if not len(profiles):
        raise RightfitError("There is no profile to rank. Measure candidates: rightfit.compare(…)")
    check_table(profiles.table, "the table of profiles", profiles.qualities)
    demands = read_applications(applications)
    if rules is None:
        rules = RankingRules.model_validate(read_default("ranking"))
    if not isinstance(rules, RankingRules):
        raise RightfitError(
            f"rules must be those of a ranking (ranking.rules), changed by model_copy, but got "
            f"{rules!r:.80}."
        )
    if isinstance(previous, str | Path):
        previous = Ranking.load(previous)
    earlier = previous.winners if isinstance(previous, Ranking) else previous
    if earlier is None:
        earlier = {}
    try:
        earlier = TypeAdapter(Winners).validate_python(earlier)
    except ValidationError as err:
        raise RightfitError(
            f"previous must be a ranking, its folder or its winners, but got {previous!r:.80}."
        ) from err
    ranking = Ranking(profiles, demands, rules, earlier=earlier)
    ranking.check()
    return ranking


def read_applications(applications: ApplicationsLike) -> Applications:
    """Read applications from any of the forms that :func:`rank` takes.

    Raises:
        RightfitError: If they are wrong; lists all faults.
    """
    if isinstance(applications, Applications):
        return applications
    source = "applications"
    if isinstance(applications, Application):
        applications = {UNNAMED: applications}
    if isinstance(applications, str) and _is_bare_name(applications):
        blocks: dict[str, object] = {applications: read_example(applications)}
    elif isinstance(applications, str | Path):
        source = str(applications)
        blocks = _read_file(read_path("applications", applications))
    elif isinstance(applications, Mapping):
        blocks = {name: _read_block(application) for name, application in applications.items()}
    else:
        raise RightfitError(
            "applications must be rightfit.Application by name, one of the library's examples "
            f"({', '.join(_read_examples())}), or the path of a YAML file, but got "
            f"{applications!r:.80}."
        )
    if non_texts := [
        name
        for name in blocks
        if not isinstance(name, str)
        or not name.strip()
        or name != name.encode(errors="replace").decode()  # half a letter
    ]:
        raise RightfitError(
            f"{source}: names must be texts, but got {non_texts}. Put them in quotes."
        )
    faults = explain_faults(
        "applications", blocks, blocks, Application, misnamed=find_misnamed(blocks)
    )
    if not blocks or faults:
        faults = faults or ["there is no application in it"]
        raise RightfitError(f"{source}: {join_sentences(faults)}")
    if contradictions := find_contradictions(blocks):
        raise RightfitError(f"{source}: {'; '.join(contradictions)}")
    return ApplicationsParams.model_validate(blocks)


def read_example(name: str) -> Mapping[str, object]:
    """Return one of the applications that the library has as examples.

    Raises:
        RightfitError: If there is none of that name.
    """
    examples = _read_examples()
    if name not in examples:
        raise RightfitError(
            "An application is a rightfit.Application, a mapping, or one of the library's examples "
            f"{', '.join(examples)}, but got {name!r}{suggest(name, examples)}."
        )
    return examples[name]


@cache
def _read_examples() -> Mapping[str, Mapping[str, object]]:
    text = files("rightfit").joinpath(EXAMPLES).read_text(encoding="utf-8")
    examples: Mapping[str, Mapping[str, object]] = yaml.safe_load(text)["applications"]
    return examples


def _read_block(application: ApplicationLike) -> object:
    """Return an application as a block, as far as it has the form of one."""
    if isinstance(application, Application):
        return application.model_dump(exclude_unset=True)
    return read_example(application) if isinstance(application, str) else application


def _is_bare_name(text: str) -> bool:
    """Tell whether a text is rather the name of an example than the path of a file."""
    return text.isidentifier() and not read_path("applications", text).exists()


@dataclass(frozen=True, repr=False)
class Ranking:
    """The candidates of each dataset in order, for every application, with the reasons.

    Everything follows from the three arguments and is computed when it is first asked for.

    Args:
        profiles: What was measured.
        applications: What is asked for.
        rules: Confidence and tie rules.
        imported: Families whose candidates are already in use; decisions compare them with winners.
        earlier: Winners of an earlier ranking, by application.
        functions: Metrics that are no configuration, by application; see :meth:`with_quality`.
        judged: What :func:`judge_applications` found; ``None``: it is computed.
    """

    profiles: Profiles
    applications: Applications
    rules: RankingRules
    imported: Collection[str] = ()
    earlier: Winners = field(default_factory=dict)
    functions: Functions = field(default_factory=dict)
    judged: pl.DataFrame | None = None

    def check(self) -> None:
        """Refuse to rank by columns that the profiles do not have, or metrics that do not fit.

        Raises:
            RightfitError: If an application or a tie rule names one; lists all of them. If the
                metric or the column of an application fits no dataset.
        """
        check_columns(self._profile_table, self.applications, self.rules)
        self._tables  # noqa: B018 - judges stored predictions

    @cached_property
    def ranked(self) -> list[ApplicationRanking]:
        """The rankings as arrays, one for each application."""
        return rank_applications(
            self._profile_table,
            self.applications,
            self.rules,
            self.earlier,
            self._judged_tables,
        )

    @cached_property
    def winners(self) -> Winners:
        """Model, candidate and serving configuration of each winner, by application and dataset."""
        return {ranking.assessment.name: list_winner_keys(ranking) for ranking in self.ranked}

    @cached_property
    def segments(self) -> dict[str, dict[str, Segments]]:
        """Winners per value of a column, by application that names one (``per``) and dataset."""
        return {
            name: choose_per_segment(
                ranking, self._tables[name], self._judged.filter(application=name)
            )
            for ranking in self.ranked
            if (name := ranking.assessment.name) in self._tables
        }

    @cached_property
    def fleets(self) -> dict[str, dict[str, Fleet]]:
        """Winners on each kind of machine, by application and dataset; empty where there is one."""
        return {
            (name := ranking.assessment.name): rank_fleet(
                ranking, self._judged_tables.get(name, self._profile_table), self.rules
            )
            for ranking in self.ranked
        }

    @cached_property
    def _judged(self) -> pl.DataFrame:
        if self.judged is not None:
            return self.judged
        return judge_applications(
            complete_columns(self.profiles.table),
            self.applications,
            self.profiles.predictions,
            self.functions,
        )

    @cached_property
    def _tables(self) -> dict[str, pl.DataFrame]:
        """The profiles with another quality, of the applications that have a metric of theirs."""
        whole = self._judged.filter(pl.col("segment").is_null())
        table = complete_columns(complete_paths(self.profiles.table))
        return {
            name: replace_qualities(table, whole.filter(application=name))
            for name in whole["application"].unique(maintain_order=True)
        }

    @cached_property
    def _judged_tables(self) -> dict[str, ProfileTable]:
        return {name: read_profiles(table) for name, table in self._tables.items()}

    @cached_property
    def _profile_table(self) -> ProfileTable:
        return read_profiles(self.profiles.table)

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row for each application, dataset and candidate, best first: ``rankings``."""
        return pl.concat(places.select(COLUMNS) for places in self._places.values())

    @cached_property
    def _places(self) -> dict[str, pl.DataFrame]:
        return {ranking.assessment.name: place_candidates(ranking) for ranking in self.ranked}

    @cached_property
    def breakdown(self) -> pl.DataFrame:
        """Contribution of each objective to each utility: ``utility_breakdown``."""
        return tabulate_breakdown(self.ranked)

    @cached_property
    def win_shares(self) -> pl.DataFrame:
        """Share of the space of weights that each candidate wins."""
        return tabulate_win_shares(self.ranked)

    @cached_property
    def weight_intervals(self) -> pl.DataFrame:
        """Interval of each weight within which the winner stays."""
        return tabulate_weight_intervals(self.ranked)

    @cached_property
    def limit_effects(self) -> pl.DataFrame:
        """Effects of loosening, tightening or removing each limit: ``limit_effects``."""
        return tabulate_limit_effects(self.ranked)

    @cached_property
    def robust_choices(self) -> pl.DataFrame:
        """Comparison of the families over all datasets."""
        return tabulate_robust_choices(self.table)

    @cached_property
    def break_even(self) -> pl.DataFrame:
        """Number of predictions after which a more expensive training pays for itself."""
        return tabulate_break_even(self.ranked)

    @cached_property
    def recommendations(self) -> Recommendations:
        """All decisions, by application."""
        return recommend(
            self.ranked,
            imported=self.imported,
            segments=self.segments,
            fleets=self.fleets,
        )

    def decision(self, application: str | None = None, dataset: str | None = None) -> Decision:
        """Return what is recommended to an application: the winner, and what would change it.

        Args:
            application: Its name; may be left out where there is one, here and elsewhere.
            dataset: Likewise.

        Raises:
            RightfitError: If there is no such application or dataset; names those that there are.
        """
        application = require_application(self.applications, application)
        datasets = self.recommendations[application].datasets
        return datasets[require_dataset(list(datasets), dataset)]

    def winner(self, application: str | None = None, dataset: str | None = None) -> Profile | None:
        """Return the profile of the winner; ``None`` where no candidate meets the limits.

        Raises:
            RightfitError: As of :meth:`decision`.
        """
        application = require_application(self.applications, application)
        name = require_dataset(self.profiles.datasets, dataset)
        winners = self._places[application].filter(pl.col("feasible"), dataset=name, rank=1)
        return None if winners.is_empty() else Profile.from_row(winners.row(0, named=True))

    def diagnostics(
        self, application: str | None = None, dataset: str | None = None
    ) -> Diagnostics:
        """Return what the winner's stored predictions show: hits and misses, calibration, errors.

        Raises:
            RightfitError: As of :meth:`decision`. If there is no winner, or its predictions are not
                stored.
        """
        name = require_dataset(self.profiles.datasets, dataset)
        winner = self.winner(application, name)
        if winner is None:
            raise RightfitError(f"No candidate meets the limits on {name}: there is no winner.")
        rows = self.profiles.predictions.get(name)
        mine = self.profiles.table.filter(
            dataset=name,
            candidate=winner.candidate,
            runtime=winner.serving.runtime,
            n_threads=winner.serving.n_threads,
            device=winner.serving.device,
        )
        names = mine[PREDICTIONS].drop_nulls()
        stored = () if rows is None else [key for key in names if key in rows.predictions]
        if rows is None or not stored:
            raise RightfitError(
                f"The predictions of {winner.candidate} for {name} were not kept: measure it again."
            )
        return Diagnostics(rows.task, rows.targets, rows.predictions[stored[0]])

    def explain(
        self, candidate: str, application: str | None = None, dataset: str | None = None
    ) -> str:
        """Say in one sentence why a candidate has its place for an application.

        Raises:
            RightfitError: If there is no such candidate, application or dataset.
        """
        require_type("candidate", candidate, str)
        name = require_dataset(self.profiles.datasets, dataset)
        application = require_application(self.applications, application)
        rows = self.table.filter(application=application, dataset=name)
        mine = rows.filter(candidate=candidate)
        if mine.is_empty():
            raise RightfitError(
                f"There is no candidate {candidate!r}{suggest(candidate, rows['candidate'])}; "
                f"candidates: {', '.join(rows['candidate'])}."
            )
        row = mine.row(0, named=True)
        served = Serving(row["runtime"], row["n_threads"], row["device"]).label
        return (
            f"{candidate} ({served}) is {row['rank']} of {rows.height} for {application}: "
            f"{row['reason']}."
        )

    def leaderboard(
        self, application: str | None = None, dataset: str | None = None
    ) -> pl.DataFrame:
        """Return an application's candidates in order, as a short table.

        Their quality, under the name of its metric, is the one on all test rows. Metrics are
        numbers in their units, null where they were not measured; ``profiles`` has their intervals.

        Raises:
            RightfitError: As of :meth:`decision`.
        """
        name = require_dataset(self.profiles.datasets, dataset)
        application = require_application(self.applications, application)
        places = self._places[application].filter(dataset=name)
        metrics = self.applications[application].needed_metrics()
        shown = [metric for metric in metrics if metric not in QUALITIES]
        placed = []
        for row in places.iter_rows(named=True):
            profile = Profile.from_row(row)
            placed.append(
                {
                    "rank": row["rank"],
                    "candidate": row["candidate"],
                    "serving": profile.serving.label,
                    profile.quality_metric: profile.quality_raw.value,
                    **{
                        metric: profile[metric].value
                        for metric in shown
                        if metric in profile.figures
                    },
                    "utility": row["utility"],
                    "within limits": row["feasible"],
                    "why": row["reason"],
                }
            )
        return pl.DataFrame(placed, infer_schema_length=None)

    def with_weights(self, application: str, **weights: float) -> Ranking:
        """Rank the same profiles again, with other weights of one application.

        Args:
            application: Its name.
            weights: New weights of its objectives, by metric; the others stay.

        Raises:
            RightfitError: If there is no such application or objective, or a weight is none.
        """
        demands = self.applications[require_application(self.applications, application)]
        block = demands.model_dump(exclude_unset=True)
        goals = block["objectives"]
        for metric, weight in weights.items():
            if metric not in goals:
                raise RightfitError(
                    f"{application} has no objective {metric!r}{suggest(metric, goals)}; "
                    f"objectives: {', '.join(goals)}."
                )
            goals[metric]["weight"] = weight
        changed = read_applications({application: block})
        return replace(self, applications=Applications({**self.applications, **changed}))

    def with_quality(self, quality: Quality, application: str | None = None) -> Ranking:
        """Rank the same profiles again by another metric of the stored predictions.

        No model is opened. What candidates were searched and measured for stays as it was.

        Args:
            quality: A metric by name, a function ``(y_true, y_answer) -> float`` or a scorer, or
                either with its bounds, ``{"name": …, "worst": …, "best": …}``; by name also with
                ``threshold`` and ``options``; or the ``costs`` of wrong predictions. Bounds that
                are left out are what guessing reaches and the metric's best.
            application: Its name; ``None``: all applications.

        Raises:
            RightfitError: If there is no such application, the metric does not fit, or predictions
                are not stored.
        """
        names = [*self.applications]
        if application is not None:
            names = [require_application(self.applications, application)]
        settings = {"name": quality} if isinstance(quality, str) else quality
        if quality is None:
            raise RightfitError("quality must be a metric, by name or as a function.")
        if isinstance(settings, Mapping) and isinstance(settings.get("name", ""), str):
            try:
                block = QualityBlock.model_validate(settings)
            except ValidationError as err:
                raise RightfitError(f"quality: {'; '.join(list_faults(err))}") from err
            changed = {
                name: self.applications[name].model_copy(update={"quality": block})
                for name in names
            }
            changed_applications = Applications({**self.applications, **changed})
            functions = {name: f for name, f in self.functions.items() if name not in names}
        else:
            changed_applications = self.applications
            functions = {**self.functions, **dict.fromkeys(names, quality)}
        ranking = replace(self, applications=changed_applications, functions=functions, judged=None)
        ranking.check()
        return ranking

    def report(self, path: str | Path) -> Path:
        """Write the report: one HTML file that opens offline, and beside it the same as Markdown.

        The folder is made. The Markdown, for pull requests, has the same name but for ``.md``.

        Returns:
            The path of the HTML.

        Raises:
            RightfitError: If the name ends in ``.md``.
        """
        from rightfit.reporting.html_report import render_report
        from rightfit.reporting.markdown_report import render_markdown
        from rightfit.reporting.run_results import Results

        tiers = EvaluationParams.model_validate(read_default("evaluation")).tiers
        profiles = complete_columns(complete_paths(self.profiles.table))
        results = Results(
            applications=self.applications,
            rules=self.rules,
            profiles=profiles,
            recommendations=self.recommendations,
            qualities=self.profiles.qualities,
            data_cards={},  # no dataset was prepared, no trial searched, no server loaded
            trials=pl.DataFrame(),
            audits=pl.DataFrame(),
            environment=self.profiles.environment or describe_environment(),
            load_curves=LoadCurves(()),
            hardware_tiers=tabulate_tiers(profiles, tiers),
            ranked=self.ranked,
        )
        with writing_to("path", path) as target:
            if target.suffix == ".md" or target.is_dir():
                raise RightfitError(
                    f"path must name the HTML file, but got {str(path)!r}; the Markdown is written "
                    "beside it."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(render_report(results, tiers), encoding="utf-8")
            target.with_suffix(".md").write_text(render_markdown(results, tiers), encoding="utf-8")
        return target

    def to_polars(self) -> pl.DataFrame:
        """Return :attr:`table`: a row for each application, dataset and candidate, best first."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """Return :attr:`table` as a pandas frame.

        Raises:
            RightfitError: If pandas is not installed.
        """
        return to_pandas(self.table)

    def plot(self, application: str | None = None) -> PlotlyFigure:
        """Draw an application's utilities by objective, as the report does.

        Raises:
            RightfitError: If there is no such application.
        """
        from plotly.graph_objects import Figure

        from rightfit.reporting.charts.utility_chart import draw_utilities

        chart = draw_utilities(
            self.table,
            self.breakdown,
            application=require_application(self.applications, application),
            marks=marks_of(self.profiles.table["model"]),
        )
        return Figure(chart)

    def save(self, folder: str | Path) -> Path:
        """Write what the ranking follows from into a folder; :meth:`load` ranks again.

        Raises:
            RightfitError: If an application is judged by a function, which cannot be written.
        """
        if self.functions:
            raise RightfitError(
                f"{', '.join(self.functions)}: a function cannot be saved; give with_quality its "
                "import path, such as {'name': 'my_package.my_module.my_metric', 'worst': …, "
                "'best': …}."
            )
        record = _StoredRanking(
            applications=self.applications,
            rules=self.rules,
            imported=tuple(self.imported),
            earlier=self.earlier,
        )
        with writing_to("folder", folder) as target:
            target.mkdir(parents=True, exist_ok=True)
            self.profiles.save(target / PROFILES_FILE)
            (target / RANKING_FILE).write_text(record.model_dump_json(indent=2), encoding="utf-8")
        return target

    @classmethod
    def load(cls, folder: str | Path) -> Ranking:
        """Read what :meth:`save` wrote.

        Raises:
            RightfitError: If the folder holds something else.
        """
        source = read_path("folder", folder)
        profiles = Profiles.load(source / PROFILES_FILE)
        path = source / RANKING_FILE
        try:
            require_regular(path)
            record = _StoredRanking.model_validate(parse_json(path.read_text(encoding="utf-8")))
            ranking = cls(profiles, **dict(record))
            ranking.check()
        except (OSError, ValueError) as err:
            faults = list_faults(err) if isinstance(err, ValidationError) else [str(err)]
            raise RightfitError(f"{folder} holds no ranking: {join_sentences(faults)}") from err
        return ranking

    def __repr__(self) -> str:
        lines = [
            f"  {name}, {dataset}: {decision.sentence}"
            + (f" {sentence_case(str(winner.quality))}." if winner and winner.quality else "")
            for name, dataset, decision in list_decisions(self.recommendations)
            for winner in (decision.winner,)
        ]
        return "\n".join(["Ranking", *lines])

    def _repr_html_(self) -> str:
        rows = [
            {
                "application": name,
                "dataset": dataset,
                "decision": decision.sentence,
                "quality": str((decision.winner and decision.winner.quality) or ""),
            }
            for name, dataset, decision in list_decisions(self.recommendations)
        ]
        return to_html(pl.DataFrame(rows))


def require_application(applications: Applications, application: str | None) -> str:
    """Return the application that is meant; ``None`` means the only one.

    Raises:
        RightfitError: If there is no such application, or several and none is named.
    """
    require_type("application", application, str | None)
    if application is None and len(applications) == 1:
        return next(iter(applications))
    if application is None or application not in applications:
        near = suggest(str(application), applications)
        raise RightfitError(
            f"There is no application {application!r}{near}; "
            f"applications: {', '.join(applications)}."
        )
    return application


class _StoredRanking(StrictModel):
    """The stored form of a ranking, beside its profiles."""

    applications: Applications
    rules: RankingRules
    imported: tuple[str, ...] = ()
    earlier: Winners = Field(default_factory=dict)


def _read_file(path: Path) -> dict[str, object]:
    content = read_yaml(path)
    if isinstance(content, Mapping) and set(content) == {"applications"}:
        content = content["applications"]
    if not isinstance(content, Mapping):
        raise RightfitError(f"{path} must hold applications by name, but holds {content!r:.80}.")
    return dict(content)
