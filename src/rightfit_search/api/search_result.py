"""What a search has found: ``rightfit.SearchResult``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from rightfit._core.formatting import count
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.lost_threads import require_threads
from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking, require_application
from rightfit.models.bundle import Bundle
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit_search.api.fitted import (
    FittedModel,
    Preprocessor,
    make_lasting_folder,
    read_files,
    read_graphs,
    write_files,
    write_graphs,
)
from rightfit_search.searching.parallel.all_rows import RowForecast
from rightfit_search.searching.studies.study_store import PrivateStudyStore, StudyStore
from rightfit_search.tables.data_card import DataCard
from rightfit_search.tables.teaching import TEACHER

logger = logging.getLogger(__name__)

LEARNT_ALL = "all rows since it was ranked, those that judged it too"


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
        """Remarks on columns and failures, and on winners that are hardly better than guessing."""
        return (*self.data_card.remarks, *self.search_remarks())

    def search_remarks(self) -> Iterator[str]:
        """Yield the remarks that the search adds to those of the table."""
        yield from self._faults
        for name in self.applications:
            if finding := self.ranking.decision(name).finding("RF013"):
                yield (
                    f"{name}: {finding.sentence} See which columns were left out, or add some that "
                    "tell of the target."
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
            measurements=self._workspace.measurements.folder,
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
                label = f"{key.candidate} ({key.serving.label})"
                lines.append(f"  {name}: {label}, {winner.quality_raw}")
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
        measurements = self._workspace.measurements.folder
        graphs = read_graphs(measurements, self._candidates.values(), self._feeding)
        without = {"_workspace": None, "_teacher": None}
        return {**self.__dict__, **without, "files": files, "graphs": graphs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files: Mapping[Path, Mapping[str, bytes]] = state.pop("files")
        graphs: Mapping[str, bytes] = state.pop("graphs")
        self.__dict__.update(state)
        self._workspace = Workspace(None, in_memory=True)
        write_graphs(graphs, self._workspace.measurements.folder)
        for attribute in ("_candidates", "_refitted"):
            folder = self._workspace.folder / attribute
            copied = {
                name: write_files(files[bundle.path], bundle, folder / name)
                for name, bundle in state[attribute].items()
            }
            setattr(self, attribute, copied)
