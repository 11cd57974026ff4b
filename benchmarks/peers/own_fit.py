"""Search as the documentation shows it, and ship what each application chooses: a child process.

``python own_fit.py search SETTINGS.json``, then ``python own_fit.py ship SETTINGS.json``.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
from quality_fit import say_call

import rightfit as rf
from rightfit._core.errors import RightfitError
from rightfit_search.api import search as searching
from rightfit_search.api.fitted import FittedModel
from rightfit_search.api.search_result import SearchResult


class Searched(Exception):  # noqa: N818 - no error
    """The search is over, and nothing is measured yet."""


def search(asked: dict[str, Any], folder: Path) -> None:
    """Search up to where measuring would begin: other work may share the machine."""

    def stop(*_: object) -> NoReturn:
        raise Searched

    searching._Search._measure = stop  # type: ignore[assignment]
    with contextlib.suppress(Searched):
        call(asked, folder)


def call(asked: dict[str, Any], folder: Path) -> SearchResult:
    """Search with the applications; what is in ``folder`` is not done again."""
    return rf.search(**say_call(asked, folder), applications=asked["applications"])


def ship(asked: dict[str, Any], folder: Path) -> None:
    """Measure the candidates, export the applications' winners, answer the test rows with each."""
    shutil.rmtree(folder / "search" / "measurements", ignore_errors=True)  # of an earlier time
    found = call(asked, folder)
    test = pl.read_parquet(Path(asked["rows"]) / "test.parquet").drop(asked["target"])
    predicted, models = {}, []
    for name in found.applications:
        chosen, note = choose(found, name)
        predicted[name] = pl.Series(chosen.predict(test), strict=False)
        try:
            chosen.export(folder / name, force=True)
        except RightfitError as err:  # only the native runtime serves it
            note = f"{note} {err}".strip()
            (folder / f"{name}.pickle").write_bytes(pickle.dumps(chosen))
        models.append({"model": name, "what": str(chosen), "note": note})
    pl.DataFrame(predicted).write_parquet(folder / "predictions.parquet")
    (folder / "models.json").write_text(json.dumps(models), encoding="utf-8")


def choose(found: SearchResult, application: str) -> tuple[FittedModel, str]:
    """Return what an application chooses; if nothing keeps its limits, what it would without."""
    if model := found.best(application):
        return model, ""
    free = found.applications[application].model_copy(update={"constraints": {}, "workload": None})
    freed = SearchResult(
        rf.rank(found.profiles, {application: free}),
        found.trials,
        found.learning_curves,
        row_forecasts={},
        candidates=found._candidates,
        refitted={},
        feeding=found._feeding,
        refitted_feeding=found._feeding,
        workspace=found._workspace,
    )
    model = freed.best(application)
    if model is None:
        raise RuntimeError(f"{application}: none qualifies without limits either")
    return model, found.ranking.decision(application).sentence


if __name__ == "__main__":
    works = {"search": search, "ship": ship}
    work, settings = works[sys.argv[1]], Path(sys.argv[2])
    work(json.loads(settings.read_text(encoding="utf-8")), settings.parent)
