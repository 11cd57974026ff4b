"""The base of all parameter models: no unknown keys, no infinite numbers, no disguised ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    RootModel,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import core_schema

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import join_sentences
from rightfit._core.spelling import find_nearest

MAX_SEED = 2**32 - 1  # the largest that numpy and scikit-learn take
MAX_COUNT = 10**9  # of what is counted and takes no memory
MAX_SIZE = 1e15  # of a number without a natural limit: its squares and sums stay finite
LEAST_SIZE = 1e-100  # of such a number that is not 0: so do its quotients
MAX_VALUE = 1e300  # in a raw table
MAX_ROWS = 10**12
MAX_S = 366 * 24 * 3_600  # a year
MAX_MS = 24 * 3_600 * 1_000  # a day
MAX_PROCESSES = 1_024
MAX_THREADS = 1_024
MAX_CHECKPOINTS = 64  # each at twice the length of the one before
MAX_BATCH_SIZE = 2**18  # rows that are held in memory at once
MAX_INPUT = 60  # characters of what a message repeats
OFFERED = ("Application", "Constraint", "Objective")  # blocks that a caller in Python may make
WORDS = {  # of pydantic, and of this library
    "valid tuple": "list",
    "Tuple": "List",
    "Input should be": "must be",
    "a valid number": "a number",
    "a valid integer": "a whole number",
    "a valid string": "a text",
    "a valid boolean": "true or false",
    "a valid dictionary": "a mapping",
}
PREFIX = "Value error, "  # with which pydantic begins the message of a validator

Item = TypeVar("Item")


def split_names(names: Any) -> Any:
    """Return names given on a command line as a list; anything else stays as it is.

    ``--params`` splits at commas and passes texts, so names are separated by spaces there:
    ``--params "grid.datasets=landsat shuttle"``. Brackets are allowed: ``grid.datasets=[landsat]``.

    >>> split_names("[landsat]"), split_names("landsat shuttle"), split_names(["landsat"])
    (['landsat'], ['landsat', 'shuttle'], ['landsat'])
    """
    if not isinstance(names, str):
        return names
    return names.strip("[] ").replace(",", " ").split()


def _read_thread_count(value: Any) -> Any:
    is_count = type(value) is int and 1 <= value <= MAX_THREADS
    if not is_count and not (isinstance(value, str) and value == "all"):
        raise ValueError(
            f"must be 'all' or a whole number from 1 to {MAX_THREADS:,}, but got {value!r}"
        )
    return value


def _refuse_tiny(value: float) -> float:
    if 0 < abs(value) < LEAST_SIZE:
        raise ValueError(f"must be 0, or {LEAST_SIZE} or more in size, but got {value}")
    return value


# Not together with bounds of a Field: pydantic keeps those of the alias alone.
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Number = Annotated[float, Field(ge=-MAX_SIZE, le=MAX_SIZE), AfterValidator(_refuse_tiny)]
WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
ThreadCount = Annotated[int | Literal["all"], BeforeValidator(_read_thread_count)]


_NO_SCHEMAS = ("default", "metadata", "serialization")
# YAML 1.1 reads 1.0e-4 as a number, but 1.0e4 as a text
_NUMBER_IN_YAML_1_2 = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE]\+?\d+")


def _read_exponent(value: Any) -> Any:
    is_number = isinstance(value, str) and _NUMBER_IN_YAML_1_2.fullmatch(value)
    return float(value) if is_number else value


def _read_whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_strictly(schema: Any, *, within: str = "") -> Any:
    """Return pydantic's schema of a model with strict numbers and truth values.

    Args:
        schema: The schema, or a part of it.
        within: ``model`` in a model's fields, ``union`` in a choice of kinds, which takes each kind
            as it is; models there have read theirs strictly already.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(_read_strictly(part, within=within) for part in schema)
    if not isinstance(schema, dict) or (within and schema.get("type") == "model"):
        return schema
    kind = schema.get("type")
    within = kind if kind in ("model", "union") else within
    strict = {
        key: part if key in _NO_SCHEMAS else _read_strictly(part, within=within)
        for key, part in schema.items()
    }
    if kind not in ("int", "float", "bool"):
        return strict
    strict["strict"] = True
    if kind == "bool" or within == "union":
        return strict
    return core_schema.no_info_before_validator_function(
        _read_whole if kind == "int" else _read_exponent, strict
    )


class StrictModel(BaseModel):
    """A model that takes no unknown key, no NaN, no infinity, and no text for a number.

    Pydantic alone reads ``true`` as 1, ``"48"`` as 48 and ``"no"`` as false; in a configuration
    these are slips.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def find_contradictions(self) -> list[str]:
        """Describe what its validators leave to the reader of the whole configuration."""
        return []

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> core_schema.CoreSchema:
        """Have numbers and truth values of its own fields read strictly."""
        schema: core_schema.CoreSchema = _read_strictly(handler(source))
        return schema

    @field_validator("*", mode="after")
    @classmethod
    def _refuse_repeats(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        if field is None or not isinstance(value, tuple):
            return value
        kinds = [field.annotation, *get_args(field.annotation)]
        # a list of any length, and not one of fixed places
        if any(get_origin(kind) is tuple and ... in get_args(kind) for kind in kinds):
            repeated = [
                f"entry {index + 1}" if isinstance(item, BaseModel) else repr(item)
                for index, item in enumerate(value)
                if item in value[:index]
            ]
            if repeated:
                raise ValueError(f"must not repeat an entry, but repeats {repeated[0]}")
        return value


def read_key(block: object, key: str) -> Any:
    """Return the value of a block's key, of a raw one or a model; ``None`` where there is none."""
    return block.get(key) if isinstance(block, Mapping) else getattr(block, key, None)


class NamedModels(RootModel[dict[str, Item]], Mapping[str, Item]):
    """Models by their names, a mapping in the order in which they were written."""

    model_config = ConfigDict(frozen=True)

    def __getitem__(self, name: str) -> Item:
        """Return the model of a name."""
        return self.root[name]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # pydantic yields its fields
        """Yield the names."""
        return iter(self.root)

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self.root)


class OneSentence(type(BaseModel)):  # type: ignore[misc]  # pydantic names its metaclass nowhere
    """Has a model that people make in Python say what is wrong with it in one sentence.

    A model inside another one, or in a file, is no call of its class: it is reported in its place.
    """

    POSITIONAL: ClassVar[tuple[str, ...]] = ()
    """Fields that a call may give without their names, in this order."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        """Make the model.

        Raises:
            RightfitError: If its values do not fit.
        """
        called = cls.model_config.get("title", cls.__name__)
        named = dict(zip(cls.POSITIONAL, args, strict=False))
        if len(args) > len(named) or set(named) & set(values):
            raise RightfitError(
                f"{called}: give each value once and by its name: {', '.join(cls.model_fields)}"
                + (f"; only {', '.join(cls.POSITIONAL)} may go without" if cls.POSITIONAL else "")
                + "."
            )
        try:
            model = super().__call__(**named, **values)
        except ValidationError as err:
            faults = join_sentences(list_faults(err, cls.model_fields))
            raise RightfitError(f"{called}: {faults}.") from None
        if faults := "; ".join(model.find_contradictions()):
            raise RightfitError(f"{called}: {faults}.")
        return model


def list_faults(error: ValidationError, known: Iterable[str] = ()) -> list[str]:
    """Return one line per fault: the key, if it is of one, and what is wrong.

    Args:
        error: The faults.
        known: The model's fields, to suggest one for an unknown key.
    """
    fields = list(known)
    faults = error.errors()
    # a list is not too short in itself if it lacks its wrong entries
    wrong = {fault["loc"][:n] for fault in faults for n in range(len(fault["loc"]))}
    return [
        f"{'.'.join(map(str, fault['loc']))}: {word_fault(fault, fields)}".removeprefix(": ")
        for fault in faults
        if fault["type"] != "too_short" or fault["loc"] not in wrong
    ]


def word_fault(fault: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """Say what is wrong in a fault as pydantic lists it, and what arrived where that is short.

    Args:
        fault: The fault.
        known: The outermost model's fields, to suggest one for an unknown key.
    """
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "extra_forbidden":
        near = find_nearest(str(fault["loc"][-1]), known) if len(fault["loc"]) == 1 else None
        return "is unknown" + (f"; did you mean {near!r}?" if near else "")
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):  # a key that tells the form
        key, tags = fault["ctx"]["discriminator"], fault["ctx"].get("expected_tags")
        return f"{key} must be {tags}, but got {fault['ctx']['tag']!r}" if tags else f"has no {key}"
    message: str = fault["msg"].removeprefix(PREFIX)
    if fault["type"] == "model_type":
        name = fault["ctx"]["class_name"]
        message = "must be a mapping of keys" + (f", or rf.{name}(...)" if name in OFFERED else "")
    for pydantics, ours in WORDS.items():
        message = message.replace(pydantics, ours)
    value = repr(fault["input"])
    is_whole = isinstance(fault["input"], Mapping)  # of a block, whose parts do not fit
    says_input = is_whole or "got" in message or value in message
    if says_input or len(value) > MAX_INPUT:
        return message
    return f"{message}, but got {value}"
