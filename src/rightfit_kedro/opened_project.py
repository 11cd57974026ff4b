"""A Kedro project's stored results from Python, as the objects that the library works with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import polars as pl
from pydantic import ValidationError

from rightfit._core.arguments import read_path
from rightfit._core.errors import NothingStoredError, RightfitError
from rightfit._core.extras import require
from rightfit._core.kedro_logs import hiding_chatter
from rightfit.api.profile_check import check_table
from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.profile import complete_columns
from rightfit.measuring.profiles.stored_predictions import load_predictions
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.explanation.recommendation import read_winners
from rightfit_kedro.grid import is_imported
from rightfit_search.tables.data_card import DataCard

if TYPE_CHECKING:  # it imports Kedro, which only who opens a project needs
    from rightfit_kedro.stored_results import StoredResults

Stored = TypeVar("Stored")


def open_project(
    folder: str | Path = ".", *, env: str | None = None, data_root: str | Path | None = None
) -> Project:
    """Open the results of a Kedro project.

    Args:
        folder: The project, or any folder in it.
        env: Environment of its configuration; ``None``: the default one.
        data_root: Root of its data instead of the configured one.

    Raises:
        RightfitError: If there is no configuration, or no run has stored profiles yet.
    """
    require("kedro", purpose="Opening a Kedro project")
    from click import ClickException

    with hiding_chatter():
        from rightfit_kedro.stored_results import ProjectLocation, find_project

        project = find_project(read_path("folder", folder).resolve())
        root = None if data_root is None else str(data_root)
        location = ProjectLocation(root, env, folder=project)
        runtime_params = {} if root is None else {"data_root": root}
        try:
            opened = Project(
                project, location.open_results(), location.read_parameters(runtime_params)
            )
        except ClickException as err:
            raise RightfitError(err.message) from err
    opened.version  # noqa: B018 - fails here where nothing is stored
    return opened


class Project:
    """Results of a project's last run.

    Args:
        folder: Where the project lies.
        results: Its stored results.
        parameters: Its parameters, the library's values included.
    """

    def __init__(
        self, folder: Path, results: StoredResults, parameters: Mapping[str, object]
    ) -> None:
        self.folder = folder
        self._results = results
        self._parameters = parameters

    @cached_property
    def version(self) -> str:
        """Version of the profiles: when the run began that stored them."""
        return self._results.find_version("resource_profiles")

    @cached_property
    def profiles(self) -> Profiles:
        """All profiles of the last evaluation."""
        table = check_table(self._load("resource_profiles", pl.DataFrame), "resource_profiles")
        names = table["dataset"].unique(maintain_order=True)
        cards = {name: self._find(f"{name}.data_card", DataCard) for name in names}
        return Profiles(
            table,
            self._find("environment", Environment),
            {name: card.quality for name, card in cards.items() if card is not None},
            predictions=load_predictions(
                self._results.load_current("measurements"), complete_columns(table)
            ),
        )

    @cached_property
    def ranking(self) -> Ranking:
        """The stored profiles, ranked for the applications as they are configured now."""
        models = cast("Mapping[str, object]", self._parameters["models"])
        try:
            earlier = read_winners(self._find("recommendations", dict) or {})
        except ValidationError:  # the last ranking is of another form
            earlier = {}
        return Ranking(
            self.profiles,
            ApplicationsParams.model_validate(self._parameters["applications"]),
            RankingRules.model_validate(self._parameters["ranking"]),
            imported=[name for name, block in models.items() if is_imported(block)],
            earlier=earlier,
        )

    def trials(self, dataset: str) -> pl.DataFrame:
        """Return the trials of all searches of a dataset, stopped ones included.

        Raises:
            RightfitError: If no run has stored any.
        """
        return self._load(f"{dataset}.trials", pl.DataFrame)

    def load(self, name: str) -> object:
        """Return the newest version of any result in the catalog, such as ``landsat_front_chart``.

        Raises:
            RightfitError: If no run has stored it.
        """
        if not isinstance(name, str) or not name:
            raise RightfitError(f"name must be that of a result, but got {name!r:.80}.")
        return self._load(name, object)

    @property
    def report_path(self) -> Path:
        """Path of the latest report.

        Raises:
            RightfitError: If no run has written one.
        """
        return self._results.locate_report()

    def _load(self, name: str, kind: type[Stored]) -> Stored:
        read_path("name", name)  # no file can be called thousands of letters
        content = self._results.load_newest(name)
        if not isinstance(content, kind):
            raise RightfitError(f"{name} holds a {type(content).__name__}, no {kind.__name__}.")
        return content

    def _find(self, name: str, kind: type[Stored]) -> Stored | None:
        try:
            return self._load(name, kind)
        except NothingStoredError:
            return None

    def __repr__(self) -> str:
        return f"Project {self.folder.name}, results of {self.version}"
