"""How raw rows become model input: steps that were fitted on train rows, written down as JSON.

An encoder is a JSON object ``{"version": 2, "steps": [...]}``; a step reads one column and gives
one or more feature columns. Whoever serves a model needs the encoder and the raw row, nothing else.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from rightfit._core.errors import RightfitError
from rightfit.data.request_path.dates import DATE_PARTS
from rightfit.data.request_path.feeding import NOTATION
from rightfit.data.request_path.raw_inputs import ENCODER_VERSION, EncoderJson

Notation = Annotated[str, Field(pattern=f"^{NOTATION}$")]
"""The decimal mark of numbers in texts, and behind a blank their unit."""

OTHER = "<other>"  # bucket of rare, unknown and missing categories
MEAN = "<target mean>"  # what a category's mean is called beside its 0/1 columns


def _refuse_zero(scale: float) -> float:
    if not scale:
        raise ValueError("scale must not be 0")
    return scale


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    kind: str
    column: str

    def names(self) -> tuple[str, ...]:
        """Name the features."""
        raise NotImplementedError


class Standardise(_Step):
    """A number: gaps filled with the training median, then centred and scaled."""

    kind: Literal["standardise"] = "standardise"
    fill: float
    mean: float
    scale: Annotated[float, AfterValidator(_refuse_zero)]

    def names(self) -> tuple[str, ...]:
        """Name the feature as the column."""
        return (self.column,)


class Indicate(_Step):
    """Whether a value is missing, as 0 or 1."""

    kind: Literal["indicate"] = "indicate"

    def names(self) -> tuple[str, ...]:
        """Name the feature."""
        return (f"{self.column}_missing",)


class OneHot(_Step):
    """A category: one 0/1 column per known value, and one for all others."""

    kind: Literal["one_hot"] = "one_hot"
    categories: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Name the features: column and category."""
        return tuple(f"{self.column}={name}" for name in (*self.categories, OTHER))


class TargetMean(_Step):
    """A category as one number: how far the target's mean in its train rows is from that of all.

    Target encoding, standardised, and drawn to 0 where the category is rare. Trees part categories
    by it in one cut, where 0/1 columns take one cut for each. ``target`` is the position of the
    class whose share is averaged; ``None``: a value, or the second of two classes.
    """

    kind: Literal["target_mean"] = "target_mean"
    target: int | None = None
    categories: tuple[str, ...]
    means: tuple[float, ...]  # of each category, then of all others

    @model_validator(mode="after")
    def _check_means(self) -> TargetMean:
        if len(self.means) != len(self.categories) + 1:
            raise ValueError("there must be a mean for each category, and one for all others")
        return self

    def names(self) -> tuple[str, ...]:
        """Name the feature."""
        of_class = "" if self.target is None else f" {self.target}"
        return (f"{self.column}={MEAN}{of_class}",)


class Words(_Step):
    """A free text: a column per known word, its TF-IDF; see ``raw_inputs.split_words``."""

    kind: Literal["words"] = "words"
    words: tuple[str, ...]
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _check_weights(self) -> Words:
        if len(self.words) != len(self.weights):
            raise ValueError("there must be a weight for each word")
        return self

    def names(self) -> tuple[str, ...]:
        """Name the features: column and word."""
        return tuple(f"{self.column}:{word}" for word in self.words)


class Date(_Step):
    """A date: year, month, hour, days since 1970, and a 0/1 column per weekday (1 = Monday).

    Each part is filled where there is no date, then centred and scaled; parts that were constant in
    training are left out. See ``dates.py``.
    """

    kind: Literal["date"] = "date"
    parts: tuple[str, ...]
    fills: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[Annotated[float, AfterValidator(_refuse_zero)], ...]
    month_first: bool = False
    month_names: bool = False  # whether names of months are read

    @model_validator(mode="after")
    def _check_parts(self) -> Date:
        if unknown := set(self.parts) - set(DATE_PARTS):
            raise ValueError(f"parts of a date are {DATE_PARTS}, not {sorted(unknown)}")
        if {len(self.fills), len(self.means), len(self.scales)} != {len(self.parts)}:
            raise ValueError("there must be a fill, a mean and a scale for each part")
        return self

    def names(self) -> tuple[str, ...]:
        """Name the features: column and part."""
        return tuple(f"{self.column}_{part}" for part in self.parts)


class Pixels(_Step):
    """An image of bytes, as pixels between 0 and 1."""

    kind: Literal["pixels"] = "pixels"
    shape: tuple[PositiveInt, PositiveInt, PositiveInt]

    def names(self) -> tuple[str, ...]:
        """Name the features: a pixel and channel each, row by row."""
        n_pixels = math.prod(self.shape)
        n_digits = len(str(n_pixels - 1))
        return tuple(f"pixel_{i:0{n_digits}d}" for i in range(n_pixels))


class Picture(Pixels):
    """An image file of any size, decoded and resized; its pixels between 0 and 1."""

    kind: Literal["picture"] = "picture"  # type: ignore[assignment]


Step = Annotated[
    Standardise | Indicate | OneHot | TargetMean | Words | Date | Pixels | Picture,
    Field(discriminator="kind"),
]


class Encoder(BaseModel):
    """How raw rows become model input: its JSON form is ``encoder.json``."""

    model_config = ConfigDict(frozen=True)

    version: int = ENCODER_VERSION
    steps: tuple[Step, ...] = Field(min_length=1)
    # of columns whose numbers training read from texts, the decimal mark and the unit
    decimals: dict[str, Notation] = Field(default_factory=dict)

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: int) -> int:
        if version != ENCODER_VERSION:
            raise RightfitError(
                f"The encoder must be of version {ENCODER_VERSION}, but got {version}. "
                "Run the data_engineering pipeline again."
            )
        return version

    def to_json(self) -> EncoderJson:
        """Return it as a measured process and an export read it."""
        return cast("EncoderJson", self.model_dump(mode="json"))


def name_features(encoder: Encoder) -> tuple[str, ...]:
    """Name the columns that an encoder gives, in order.

    >>> name_features(Encoder(steps=(Indicate(column="age"),)))
    ('age_missing',)
    """
    return tuple(name for step in encoder.steps for name in step.names())
