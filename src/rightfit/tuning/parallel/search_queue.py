"""Which searches come next: first every family's default, then the searches with most left."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from optuna.trial import TrialState

from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.priors import read_shipped_prior
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.search_scheduler import read_trials
from rightfit.tuning.search.setting_up import WantedServings, make_settings, make_targets
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.search.stopping import StoppingRule
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.budget import spent_cpu_s
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import CURVE, configuration_index


@dataclass(frozen=True)
class PlannedSearch:
    """A search that is due.

    Args:
        cell: What to search.
        settings: Budget and rules; what other families reach is not known yet.
        studies: Where all searches are kept.
        siblings: The dataset's other models, by name.
        n_workers: Processes that work on it.
        n_at_once: Processes that may train at the same time, on all searches.
        n_candidates: Complete trials that are kept for evaluation, at most.
        exports: Whether these are exported to ONNX.
        rule: Stops trials in place of the one that the settings name.
    """

    cell: Cell
    settings: SearchSettings
    studies: StudyStore
    siblings: Mapping[str, ModelBlock]
    n_workers: int
    n_at_once: int
    n_candidates: int
    exports: bool = True
    rule: StoppingRule | None = None

    @property
    def store(self) -> StudyStore:
        """Where this search is kept."""
        return self.studies.cell(self.cell.name)

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.cell.name.rpartition(".")[0]

    @property
    def has_default_first(self) -> bool:
        """Whether the family's default comes before all else, so that others may know of it."""
        is_steered = self.settings.targets is not None and self.settings.sampler != "grid"
        return is_steered and self.cell.default() is not None

    def with_rows_of(self, other: PlannedSearch) -> PlannedSearch:
        """Return this search with the rows of another one of its dataset, kept once in memory."""
        cell = replace(self.cell, train=other.cell.train, validation=other.cell.validation)
        return replace(self, cell=cell)

    def tell_known_quality(self) -> PlannedSearch:
        """Return the search as it is once it knows what the other families' defaults reach."""
        targets = self.settings.targets
        if targets is None:
            return self
        known = find_known_quality(self.cell, self.siblings, self.settings, self.studies)
        told = {"targets": replace(targets, known_quality=known)}
        return replace(self, settings=self.settings.model_copy(update=told))

    def rest_s(self) -> float:
        """Return the CPU seconds that the limits leave, going by the trials so far.

        Infinite where no trial or no limit tells.
        """
        limits = self.settings
        trials = read_trials(self.cell, self.settings, self.store)
        spent_s, rests_s = spent_cpu_s(trials), [math.inf]
        if spent_s and limits.budget_cpu_s is not None:
            rests_s.append(limits.budget_cpu_s - spent_s)
        if spent_s and limits.n_trials is not None:
            rests_s.append(spent_s / len(trials) * (limits.n_trials - len(trials)))
        return min(rests_s)


def plan_search(
    cell: Cell,
    training: TrainingParams,
    applications: Applications,
    evaluation: WantedServings,
    *,
    studies: StudyStore,
    siblings: Mapping[str, ModelBlock],
    n_searches: int,
) -> PlannedSearch:
    """Plan the search of a cell.

    Args:
        cell: What to search.
        training: Budget and rules.
        applications: Who will choose.
        evaluation: Serving configurations that they may choose from.
        studies: Where all searches are kept.
        siblings: The dataset's other models, by name.
        n_searches: Searches that run side by side.
    """
    settings = make_settings(training, cell.family, n_searches=n_searches)
    if training.early_stopping == "pausing":
        targets = make_targets(training, applications, evaluation)
        prior = read_shipped_prior(cell.family)
        settings = settings.model_copy(update={"targets": replace(targets, prior=prior)})
    n_at_once, _ = training.share_cores(n_searches)
    return PlannedSearch(
        cell,
        settings,
        studies,
        siblings,
        n_workers=training.n_workers,
        n_at_once=n_at_once,
        n_candidates=training.n_candidates,
    )


@dataclass(frozen=True)
class SearchPart:
    """A search, or the part of it that comes first.

    Args:
        search: The search.
        only_default: Whether it ends once the family's default is trained.
    """

    search: PlannedSearch
    only_default: bool


class SearchQueue:
    """Hands out the searches.

    A dataset's searches begin once the defaults of all its families are trained: limits that are
    relative to the best quality count from them. Those with most left to do begin first, so that no
    long one is left for the end, when cores have nothing else.

    Args:
        searches: What is due.
    """

    def __init__(self, searches: Sequence[PlannedSearch]) -> None:
        self._waiting = [one for one in searches if not one.has_default_first]
        first = [one for one in searches if one.has_default_first]
        self._defaults = [SearchPart(one, only_default=True) for one in first]
        self._n_open = Counter(one.dataset for one in first)
        self._ready: list[PlannedSearch] = []
        self._move_ready()

    @property
    def has_next(self) -> bool:
        """Whether anything may begin now."""
        return bool(self._defaults or self._ready)

    def next(self) -> SearchPart:
        """Hand out what begins next."""
        if self._defaults:
            return self._defaults.pop(0)
        return SearchPart(self._ready.pop(0), only_default=False)

    def end(self, part: SearchPart) -> None:
        """Note that a search, or its first part, is over, however it ended."""
        if part.only_default:
            self._n_open[part.search.dataset] -= 1
            self._waiting.append(part.search)
            self._move_ready()

    def _move_ready(self) -> None:
        free = [one for one in self._waiting if not self._n_open[one.dataset]]
        self._waiting = [one for one in self._waiting if self._n_open[one.dataset]]
        if free:
            self._ready += [one.tell_known_quality() for one in free]
            self._ready.sort(key=PlannedSearch.rest_s, reverse=True)


def find_known_quality(
    cell: Cell, siblings: Mapping[str, ModelBlock], settings: SearchSettings, studies: StudyStore
) -> float | None:
    """Return the best validation quality that the defaults of a dataset's other families reach.

    Args:
        cell: Whose dataset.
        siblings: The other models' settings and families by name.
        settings: Settings of the searches.
        studies: Where all searches are kept.

    Returns:
        Scaled quality; ``None`` if no other family's default was trained to its end yet.
    """
    dataset = cell.name.rsplit(".", 1)[0]
    best = []
    for model, block in siblings.items():
        name = f"{dataset}.{model}"
        other = replace(cell, name=name, family=block.family, params=block.params)
        if studies.cell(name).is_empty or other.default() is None:
            continue
        for trial in read_trials(other, settings, studies.cell(name)):
            curve = trial.user_attrs.get(CURVE, [])
            is_whole = len(curve) == settings.n_checkpoints and trial.state != TrialState.FAIL
            if is_whole and configuration_index(trial) == 0:
                best.append(cell.quality.scale(curve[-1]["quality_raw"]))
    return max(best, default=None)
