"""Search spaces: what a study varies, written in YAML, suggested by Optuna."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from rightfit._core.strict_model import NamedModels, Number, StrictModel, WholeNumber
from rightfit.models.schema import Task
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import Family, split_training
from rightfit_search.families.registry import MADE, refer_to_family

if TYPE_CHECKING:
    from optuna import Trial

EDGE_SHARE = 0.01  # of a range, in its logarithm if it is logarithmic
MAX_LENGTH = 1_000_000  # epochs or trees of one training


class _Range(StrictModel):
    type: str
    low: Number  # smallest value
    high: Number  # largest value
    log: bool  # whether equal ratios are equally likely

    @model_validator(mode="after")
    def _check_low_and_high(self) -> Self:
        low, high = self.low, self.high
        if not low < high:
            raise ValueError(f"low must be below high, but got {low=}, {high=}.")
        if self.log and not low > 0:
            raise ValueError(f"a logarithmic range must start above 0, but got {low=}.")
        return self

    def contains(self, value: Any) -> bool:
        """Tell whether a value lies between the ends."""
        return isinstance(value, int | float) and bool(self.low <= value <= self.high)

    def is_edge(self, value: Any) -> bool:
        """Tell whether a value lies within a hundredth of the range from one of its ends.

        Nothing lies beyond no or one layer or row, or beyond none or all of a share: such ends do
        not count.
        """
        if not self.contains(value):
            return False
        low, high, at = (
            np.log((self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        natural = () if self.log and self.type == "float" else (0, 1)
        ends = [at - low] * (self.low not in natural) + [high - at] * (self.high not in natural)
        return bool(min(ends, default=math.inf) <= EDGE_SHARE * (high - low))

    def _space(self, n_points: int) -> npt.NDArray[np.float64]:
        spaced = np.geomspace if self.log else np.linspace
        return spaced(self.low, self.high, n_points)


class FloatRange(_Range):
    """A range of numbers."""

    type: Literal["float"]

    def suggest(self, trial: Trial, name: str) -> float:
        """Ask the trial for a value."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def grid(self, n_points: int) -> list[Any]:
        """Return ``n_points`` evenly spaced values, in the logarithm if ``log``."""
        return [float(value) for value in self._space(n_points)]


class IntRange(_Range):
    """A range of whole numbers."""

    type: Literal["int"]
    low: WholeNumber  # smallest value
    high: WholeNumber  # largest value

    def suggest(self, trial: Trial, name: str) -> int:
        """Ask the trial for a value."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def grid(self, n_points: int) -> list[Any]:
        """Return at most ``n_points`` evenly spaced values, in the logarithm if ``log``."""
        return sorted({round(value) for value in self._space(n_points)})


class Choice(StrictModel):
    """A list of values without order."""

    type: Literal["categorical"]
    # values to choose from
    choices: tuple[str | int | float | bool | None, ...] = Field(min_length=1)

    def contains(self, value: Any) -> bool:
        """Tell whether a value is one of the choices."""
        return value in self.choices

    def is_edge(self, value: Any) -> bool:  # noqa: ARG002 -- choices have no order
        """Return False: a list has no ends."""
        return False

    def suggest(self, trial: Trial, name: str) -> Any:
        """Ask the trial for a value."""
        return trial.suggest_categorical(name, self.choices)

    def grid(self, n_points: int) -> list[Any]:  # noqa: ARG002 -- every choice is a point
        """Return all choices."""
        return list(self.choices)


Value = str | int | float | bool | None


class Space(NamedModels[Annotated[FloatRange | IntRange | Choice, Field(discriminator="type")]]):
    """Hyper-parameter name → what it may be.

    ``{low: 1, high: 9}`` is a range of whole numbers, ``{low: 0.1, high: 9}`` one of numbers and
    ``{choices: [a, b]}`` a list; ``type`` may say so.
    """

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: object) -> object:
        if not isinstance(raw, Mapping):
            return raw
        completed = {}
        for name, item in raw.items():
            if not isinstance(item, Mapping) or "type" in item:
                completed[name] = item
            elif "choices" in item:
                completed[name] = {"type": "categorical", **item}
            else:
                is_whole = all(isinstance(item.get(end), int) for end in ("low", "high"))
                completed[name] = {"type": "int" if is_whole else "float", "log": False, **item}
        return completed


class ModelParams(StrictModel):
    """A family's settings (``params:models.<family>``): the fixed ones and those searched."""

    # settings that are not searched
    fixed: dict[str, Value | list[Value]] = Field(default_factory=dict)
    space: Space = Space({})  # empty: one trial
    default: dict[str, Value] | None = None  # absent: the library's own where it is known
    default_in_regression: dict[str, Value] = Field(default_factory=dict)  # what differs there
    portfolio: tuple[dict[str, Value], ...] = ()  # tried after it, in this order

    @model_validator(mode="after")
    def _check_first_trials(self) -> ModelParams:
        firsts = {f"portfolio.{index}": entry for index, entry in enumerate(self.portfolio)}
        first_trials = {
            "default": self.default or {},
            "default_in_regression": self.default_in_regression,
            **firsts,
        }
        wrong = []
        for where, values in first_trials.items():
            for name, value in values.items():
                searched = self.space.get(name)
                if isinstance(searched, IntRange) and type(value) is not int:
                    wrong.append(f"{where}.{name} must be a whole number, but is {value!r}")
                elif isinstance(searched, FloatRange) and type(value) not in (int, float):
                    wrong.append(f"{where}.{name} must be a number, but is {value!r}")
        settings = {*self.fixed, *self.space}
        for where, entry in firsts.items():
            if unknown := sorted(set(entry) - settings):
                wrong.append(
                    f"{where} names {unknown}, but the model's settings are {sorted(settings)}"
                )
            if missing := sorted(set(self.space) - set(entry)):
                wrong.append(f"{where} lacks {missing}; it must give each searched setting a value")
            elif not entry:
                wrong.append(f"{where} is empty; leave it out")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _check_overlap(self) -> ModelParams:
        twice = sorted(set(self.fixed) & set(self.space))
        if twice:
            raise ValueError(f"{twice} stand both under fixed and under space; keep one of them.")
        if self.default is not None and set(self.default) != set(self.space):
            raise ValueError(
                f"default names {sorted(self.default)}, but the space has "
                f"{sorted(self.space)}. Give the default of every searched setting."
            )
        if unknown := sorted(set(self.default_in_regression) - set(self.default or {})):
            raise ValueError(
                f"default_in_regression names {unknown}, but default has "
                f"{sorted(self.default or {})}."
            )
        return self

    def check_family(self, family: Family, *, n_checkpoints: int) -> None:
        """Check that the settings are the family's, and its shortest training long enough.

        Args:
            family: Whose settings they should be.
            n_checkpoints: Parts of a training.

        Raises:
            ValueError: If a setting is missing or unknown, or a training may have fewer epochs or
                trees than checkpoints.
        """
        self.check_names(family)
        self.check_length(family, n_checkpoints)

    def check_names(self, family: Family) -> None:
        """Check that the settings are the family's.

        Raises:
            ValueError: If one is missing or unknown.
        """
        family.check_configuration({**dict.fromkeys(self.space), **self.fixed})

    def check_length(self, family: Family, n_checkpoints: int) -> None:
        """Check that the shortest training has as many epochs or trees as checkpoints.

        Raises:
            ValueError: If it has fewer, or more than any machine would finish, or a fraction.
        """
        name = family.length_setting or ""
        searched = self.space.get(name)
        ends: list[Any] = searched.grid(2) if searched else [self.fixed.get(name)]
        lengths = [length for length in ends if isinstance(length, int | float)]
        if not lengths:
            return  # not set, or left to the family's own check
        counts = [length for length in lengths if type(length) is int and 0 < length <= MAX_LENGTH]
        if len(counts) < len(lengths):
            raise ValueError(
                f"{name} must be a whole number from 1 to {MAX_LENGTH:,}, but got {lengths}."
            )
        split_training(min(counts), n_checkpoints)

    def list_extremes(self) -> Iterator[Configuration]:
        """Yield configurations that together hold both ends of each range and all choices."""
        values = {name: item.grid(2) for name, item in self.space.items()}
        first = self.fixed | {name: ends[0] for name, ends in values.items()}
        yield first
        for name, ends in values.items():
            for end in ends[1:]:
                yield {**first, name: end}

    def first(self, library: Configuration, task: Task) -> Configuration | None:
        """Return the searched settings of the first trial; ``None`` where the space excludes them.

        Args:
            library: The library's own values, for a model that names no default.
            task: What is learnt.
        """
        default = self.default
        if default is None and set(self.space) <= set(library):
            default = {name: library[name] for name in self.space}
        if default is None:
            return None
        adapted = dict(default) | (self.default_in_regression if task == "regression" else {})
        return next(
            (
                configuration
                for configuration in (adapted, dict(default))
                if self._holds(configuration)
            ),
            None,
        )

    def begin(self, library: Configuration, task: Task) -> list[Configuration]:
        """Return the searched settings of the first trials: the default, then the portfolio.

        Entries that the space excludes are left out: the space may be narrower than the one that
        the portfolio was learnt for.

        Args:
            library: See :meth:`first`.
            task: See :meth:`first`.
        """
        default = self.first(library, task)
        configurations = [] if default is None else [default]
        for entry in self.portfolio:
            searched = {name: entry[name] for name in self.space}
            if self._holds(entry) and searched not in configurations:
                configurations.append(searched)
        return configurations

    def _holds(self, values: Mapping[str, Value]) -> bool:
        """Tell whether values lie in the space, and are those of the fixed settings."""
        return all(
            self.space[name].contains(value) if name in self.space else self.fixed[name] == value
            for name, value in values.items()
        )

    def suggest(self, trial: Trial) -> Configuration:
        """Return a whole configuration for a trial."""
        suggested = {name: item.suggest(trial, name) for name, item in self.space.items()}
        return {**self.fixed, **suggested}


class ModelBlock(ModelParams):
    """One model of the configuration (``params:models.<name>``): its settings and its family.

    Without ``datasets`` it is for every dataset of the grid.
    """

    family: str  # a reference, see models/references.py
    datasets: tuple[str, ...] | None = None  # for which datasets; absent: all of the grid

    @model_validator(mode="before")
    @classmethod
    def _refer(cls, raw: object) -> object:
        """Put ``family`` and what it is made of into one reference."""
        made_of = MADE.get(str(raw.get("family"))) if isinstance(raw, Mapping) else None
        if not isinstance(raw, Mapping) or made_of is None:
            return raw
        rest = {key: value for key, value in raw.items() if key != made_of}
        return {**rest, "family": refer_to_family(raw)}

    @property
    def params(self) -> ModelParams:
        """The settings alone."""
        names = ModelParams.model_fields
        return ModelParams(**{name: getattr(self, name) for name in names})
