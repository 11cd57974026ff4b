"""Search spaces: what a study varies, written in YAML, suggested by Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from rightfit.families.family import Configuration, Family, split_training
from rightfit.families.registry import MADE, refer_to_family

if TYPE_CHECKING:
    from optuna import Trial


class FloatRange(BaseModel):
    """A range of numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["float"]
    low: float
    high: float
    log: bool

    @model_validator(mode="after")
    def _check_bounds(self) -> FloatRange:
        _check_range(self.low, self.high, log=self.log)
        return self

    def contains(self, value: Any) -> bool:
        """Tell whether a value lies between the ends."""
        return isinstance(value, int | float) and bool(self.low <= value <= self.high)

    def suggest(self, trial: Trial, name: str) -> float:
        """Ask the trial for a value."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def grid(self, n_points: int) -> list[Any]:
        """Return ``n_points`` evenly spaced values, in the logarithm if ``log``."""
        spaced = np.geomspace if self.log else np.linspace
        return [float(value) for value in spaced(self.low, self.high, n_points)]


class IntRange(BaseModel):
    """A range of whole numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["int"]
    low: int
    high: int
    log: bool

    @model_validator(mode="after")
    def _check_bounds(self) -> IntRange:
        _check_range(self.low, self.high, log=self.log)
        return self

    def contains(self, value: Any) -> bool:
        """Tell whether a value lies between the ends."""
        return isinstance(value, int | float) and bool(self.low <= value <= self.high)

    def suggest(self, trial: Trial, name: str) -> int:
        """Ask the trial for a value."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def grid(self, n_points: int) -> list[Any]:
        """Return at most ``n_points`` evenly spaced values, in the logarithm if ``log``."""
        spaced = np.geomspace if self.log else np.linspace
        return sorted({round(value) for value in spaced(self.low, self.high, n_points)})


class Choice(BaseModel):
    """A list of values without order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["categorical"]
    choices: tuple[str | int | float | bool | None, ...] = Field(min_length=1)

    def contains(self, value: Any) -> bool:
        """Tell whether a value is one of the choices."""
        return value in self.choices

    def suggest(self, trial: Trial, name: str) -> Any:
        """Ask the trial for a value."""
        return trial.suggest_categorical(name, self.choices)

    def grid(self, n_points: int) -> list[Any]:  # noqa: ARG002 -- every choice is a point
        """Return all choices."""
        return list(self.choices)


Value = str | int | float | bool | None


class Space(
    RootModel[dict[str, Annotated[FloatRange | IntRange | Choice, Field(discriminator="type")]]]
):
    """Hyper-parameter name → what it may be.

    ``{low: 1, high: 9}`` is a range of whole numbers, ``{low: 0.1, high: 9}`` one of numbers and
    ``{choices: [a, b]}`` a list; ``type`` may say so.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: object) -> object:
        if not isinstance(raw, Mapping):
            return raw
        return {name: _complete_item(item) for name, item in raw.items()}


class ModelParams(BaseModel):
    """A family's settings (``params:models.<family>``): the fixed ones and those searched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fixed: dict[str, Value | list[Value]] = Field(default_factory=dict)
    space: Space = Space({})  # empty: one trial
    default: dict[str, Value] | None = None  # absent: the library's own where it is known

    @model_validator(mode="after")
    def _check_overlap(self) -> ModelParams:
        twice = sorted(set(self.fixed) & set(self.space.root))
        if twice:
            raise ValueError(f"{twice} stand both under fixed and under space; keep one of them.")
        if self.default is not None and set(self.default) != set(self.space.root):
            raise ValueError(
                f"default names {sorted(self.default)}, but the space has "
                f"{sorted(self.space.root)}. Give the default of every searched setting."
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
        family.check_configuration({**dict.fromkeys(self.space.root), **self.fixed})
        name = family.length_setting or ""
        if name in self.space.root:
            split_training(min(self.space.root[name].grid(2)), n_checkpoints)
        elif name in self.fixed:
            split_training(int(str(self.fixed[name])), n_checkpoints)

    def first(self, library: Configuration) -> Configuration | None:
        """Return the searched settings of the first trial; ``None`` where the space excludes them.

        Args:
            library: The library's own values, for a model that names no default.
        """
        default = self.default
        if default is None and set(self.space.root) <= set(library):
            default = {name: library[name] for name in self.space.root}
        is_inside = default is not None and all(
            self.space.root[name].contains(value) for name, value in default.items()
        )
        return dict(default) if default is not None and is_inside else None

    def suggest(self, trial: Trial) -> Configuration:
        """Return a whole configuration for a trial."""
        suggested = {name: item.suggest(trial, name) for name, item in self.space.root.items()}
        return {**self.fixed, **suggested}


class ModelBlock(ModelParams):
    """One model of the configuration (``params:models.<name>``): its settings and its family."""

    family: str  # a reference, see families/registry.py

    @model_validator(mode="before")
    @classmethod
    def _refer(cls, raw: object) -> object:
        """Put ``family`` and what it is made of into one reference."""
        made_of = MADE.get(str(raw.get("family"))) if isinstance(raw, Mapping) else None
        if not isinstance(raw, Mapping) or made_of is None:
            return raw
        rest = {key: value for key, value in raw.items() if key != made_of[1]}
        return {**rest, "family": refer_to_family(raw)}

    @property
    def params(self) -> ModelParams:
        """The settings alone."""
        return ModelParams(fixed=self.fixed, space=self.space, default=self.default)


def _complete_item(item: object) -> object:
    if not isinstance(item, Mapping) or "type" in item:
        return item
    if "choices" in item:
        return {"type": "categorical", **item}
    ends = [item.get("low"), item.get("high")]
    is_whole = all(isinstance(end, int) for end in ends)
    return {"type": "int" if is_whole else "float", "log": False, **item}


def _check_range(low: float, high: float, *, log: bool) -> None:
    if not low < high:
        raise ValueError(f"low must be below high, but got {low=}, {high=}.")
    if log and not low > 0:
        raise ValueError(f"a logarithmic range must start above 0, but got {low=}.")
