"""Calls from Python with a wrong value of each argument, made from the signatures.

A value that the argument's annotation rules out must be refused by a ``RightfitError`` before
anything slow; one that it allows may be taken as well. A new argument is attacked without a line
here, and a new function with a line in :func:`list_calls`.
"""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import patch

import numpy as np
import polars as pl
from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

import rightfit as rf

PROJECT = Path(__file__).parents[2]
HUGE = "x" * 5_000
VALUES: Mapping[str, Any] = {
    "NaN": math.nan, "infinity": math.inf, "a negative number": -1, "zero": 0, "a half": 0.5,
    "a huge number": 10**400, "true": True, "bytes": b"\xff", "an object": object(),
    "a class": dict, "an empty text": "", "a text": "nonsense", "a path out": "../../nowhere",
    "a text with NUL": "a\0b", "a huge text": HUGE, "half a letter": "\ud800", "an empty list": [],
    "a list of lists": [[1], [2, 3]], "a list of nothing": [None], "an empty mapping": {},
    "a mapping of nothing": {"name": None}, "numbers as keys": {1: 2}, "a set": {1, 2},
    "an array": np.array([[math.nan, 1.0]]), "no rows": pl.DataFrame({"a": []}),
    "nothing": None, "a function that raises": lambda *_: 1 / 0, "a folder": Path(),
    "a date": np.datetime64("NaT"), "a complex number": 1j,
}  # fmt: skip


GOAL = {"weight": 1.0, "worst": 0.5, "best": 1.0}


class Began(BaseException):
    """Slow work began."""


@dataclass(frozen=True)
class CallCase:
    """A call with one argument replaced.

    Args:
        call: Name in :func:`list_calls`.
        argument: The argument.
        value: Name in :data:`VALUES`.
    """

    call: str
    argument: str
    value: str

    def __str__(self) -> str:
        return f"{self.call}, {self.argument}: {self.value}"


@cache
def list_calls(folder: Path) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Return functions and methods by name, each with good arguments.

    Args:
        folder: An empty folder.
    """
    from factories.stored_predictions import predict, store_profiles
    from sklearn.linear_model import LinearRegression

    from rightfit_kedro.opened_project import Project
    from rightfit_kedro.stored_results import ProjectLocation

    rows = np.arange(40.0).reshape(20, 2)
    model = LinearRegression().fit(rows, rows[:, 0])
    table = [{"a": float(i % 7), "b": float(i), "y": i % 2} for i in range(60)]
    predictions = {"linear-1": predict({"big": 0.9}, seed=1), "forest-1": predict({}, seed=2)}
    profiles = store_profiles(folder / "stored", predictions, peak_memory_mib=100.0)
    ranking = rf.rank(profiles, {"web": {"objectives": {"quality": GOAL}}})
    ranking.save(folder / "saved")
    search = {"families": ["linear"], "n_trials": 1, "budget_cpu_s": None, "n_jobs": 1}
    result = rf.search(table, "y", **search)
    tuned = rf.TunedServing("linear-1", profiles.table, ranking, {})
    stored = ProjectLocation(str(folder / "nothing"), "test", folder=PROJECT).open_results()
    measured = {"model": model, "rows": rows, "targets": rows[:, 0]}

    @wraps(rf.RightfitRegressor.__init__)
    def fit(**settings: Any) -> object:
        return rf.RightfitRegressor(**settings).fit(rows, rows[:, 0])

    methods: dict[str, tuple[object, dict[str, dict[str, Any]]]] = {
        "Ranking": (ranking, {
            "decision": {}, "winner": {}, "explain": {"candidate": "linear-1"}, "leaderboard": {},
            "with_quality": {"quality": "accuracy"}, "plot": {}, "save": {"folder": "out"},
            "with_weights": {"application": "web", "quality": 2.0}, "report": {"path": "page.html"},
        }),
        "Profiles": (profiles, {
            "select": {}, "find": {"candidate": "linear-1"}, "plot": {},
            "save": {"path": "kept.parquet"},
        }),
        "SearchResult": (result, {"best": {}}),
        "Project": (Project(PROJECT, stored, {}), {
            "load": {"name": "resource_profiles"}, "trials": {"dataset": "landsat"},
        }),
        "FittedModel": (result.best(), {
            "predict": {"rows": table}, "predict_proba": {"rows": table},
            "export": {"folder": "out", "force": True},
        }),
        "TunedServing": (tuned, {
            "best": {"application": "web"}, "export": {"application": "web", "folder": "out"},
        }),
    }  # fmt: skip
    return {
        "measure": (rf.measure, measured),
        "compare": (rf.compare, {"models": {"a": model}, "rows": rows, "targets": rows[:, 0]}),
        "tune_serving": (rf.tune_serving, {**measured, "applications": "interactive"}),
        "search": (rf.search, {"table": table, "target": "y", **search}),
        "RightfitRegressor": (fit, {name: search[name] for name in ("families", "n_trials")}),
        "rank": (rf.rank, {"profiles": profiles, "applications": "interactive"}),
        "open_project": (rf.open_project, {"folder": folder}),
        "Application": (rf.Application, {"objectives": {"quality": GOAL}}),
        "Objective": (rf.Objective, GOAL),
        "Constraint": (rf.Constraint, {"min": 0.5}),
        "Ranking.load": (rf.Ranking.load, {"folder": folder / "saved"}),
        "Profiles.load": (rf.Profiles.load, {"path": folder / "saved" / "profiles.parquet"}),
        **{
            f"{kind}.{name}": (getattr(owner, name), arguments)
            for kind, (owner, by_name) in methods.items()
            for name, arguments in by_name.items()
        },
    }


def list_cases(folder: Path) -> Iterator[CallCase]:
    """List each argument of each call with each value.

    Args:
        folder: An empty folder.
    """
    for name, (function, arguments) in list_calls(folder).items():
        parameters = inspect.signature(function).parameters.values()
        names = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
        for argument in dict.fromkeys([*names, *arguments]):
            if argument == "self":
                continue
            for value in VALUES:
                yield CallCase(name, argument, value)


def try_call(case: CallCase, folder: Path) -> tuple[str, str]:
    """Call, where nothing of the project lies; return the kind of outcome and what it said."""
    function, arguments = list_calls(folder)[case.call]
    value = VALUES[case.value]
    (inner := folder / "in" / "a" / "folder").mkdir(parents=True, exist_ok=True)
    try:
        with stopping_slow_work(), chdir(inner):
            function(**arguments | {case.argument: value})
    except rf.RightfitError as err:
        return "clear", str(err)
    except Began:
        pass
    except Exception:
        return "tracebacks", traceback.format_exc()
    is_allowed = allows(function, case.argument, value)
    return ("clear" if is_allowed else "accepted_wrongly"), f"taken: {value!r:.60}"


def stopping_slow_work() -> ExitStack:
    """Let what trains or measures raise :class:`Began`."""
    stack = ExitStack()
    for path in (
        "rightfit_search.api.search.search_dataset",
        "rightfit_search.api.estimators.search_dataset",
        "rightfit.api.own_models.PreparedModels.profile",
    ):
        stack.enter_context(patch(path, side_effect=Began))
    return stack


def allows(function: Callable[..., Any], argument: str, value: Any) -> bool:
    """Tell whether an argument's annotation allows a value; true is a number, as in Python."""
    if argument == "scenario" and value is None:
        return True  # of the model's field; the class infers it
    if argument in ("folder", "path") and value == "":
        return False  # pathlib takes it for the working directory
    try:
        adapter = TypeAdapter(
            get_type_hints(function)[argument], config=ConfigDict(arbitrary_types_allowed=True)
        )
        adapter.validate_python(value, strict=not isinstance(value, bool))
    except (KeyError, NameError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return True  # it cannot be checked
    except ValueError:
        return False
    return True
