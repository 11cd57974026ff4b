"""What is handed to another machine, and what comes back: two JSON documents beside files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from rightfit.handover.checking import find_faults
from rightfit.processes.codec import to_plain
from rightfit.processes.regular_files import require_regular
from rightfit.profiling.hardware.environment import Environment
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.request_path.paths import RequestPath

FORMAT_VERSION = 1
HANDOVER_FILE = "handover.json"
MEASURED_FILE = "measured.json"
RUNTIME = "onnx"  # it needs no library of the models' families

Document = TypeVar("Document", "Handover", "MeasuredElsewhere")


@dataclass(frozen=True)
class HandedCandidate:
    """A candidate whose bundle lies in the folder."""

    name: str
    folder: str


@dataclass(frozen=True)
class HandedDataset:
    """Candidates of a dataset, beside the rows they answer."""

    name: str
    data_version: str
    candidates: tuple[HandedCandidate, ...]


@dataclass(frozen=True)
class Handover:
    """What the other machine is asked to measure."""

    format_version: int
    preset: str
    settings: MeasuringSettings
    n_threads: tuple[Annotated[int, Field(ge=1)] | Literal["all"], ...]
    devices: tuple[str, ...]
    request_paths: tuple[RequestPath, ...]
    datasets: tuple[HandedDataset, ...]


@dataclass(frozen=True)
class MeasuredElsewhere:
    """What another machine has found."""

    format_version: int
    environment: Environment
    states: dict[str, MeasurementState]


def portable_settings(settings: MeasuringSettings) -> MeasuringSettings:
    """Return the settings for another machine: hardware tiers are computed, never tried, there."""
    return settings.model_copy(update={"tries_tiers": False})


def make_key(job: Job, settings: MeasuringSettings, data_version: str) -> str:
    """Return the key of a measurement, the same on the machine that asks and that measures."""
    return job.portable_key(settings=settings.key, data_version=data_version)


def write_document(document: Handover | MeasuredElsewhere, path: Path) -> None:
    """Write a document."""
    plain = to_plain(document)
    if isinstance(document, Handover):
        plain["settings"] = document.settings.model_dump(mode="json")
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read_document(kind: type[Document], path: Path) -> Document:
    """Read a document that another machine may have written.

    Raises:
        ValueError: If there is none, or it has another form.
    """
    require_regular(path)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ValueError(f"There is no {path}.") from err
    except (OSError, ValueError, RecursionError) as err:
        raise ValueError(f"{path} cannot be read: {err}") from err
    return parse_document(kind, plain, str(path))


def parse_document(kind: type[Document], plain: Mapping[str, object], place: str) -> Document:
    """Read a document from plain JSON types.

    Raises:
        ValueError: If it has another form, or figures that no machine can have found.
    """
    if not isinstance(plain, dict):
        raise ValueError(f"{place} does not hold what it should: it must be a JSON object.")
    if (found := plain.get("format_version")) != FORMAT_VERSION:
        raise ValueError(
            f"{place} has format_version {str(found)[:20]}; this version of rightfit "
            f"reads {FORMAT_VERSION}. Use the same version on both machines."
        )
    try:
        if kind is Handover:  # its settings are strict in themselves
            document = TypeAdapter(kind).validate_python(plain)
        else:  # strict, and as JSON, where a list may become a tuple
            document = TypeAdapter(kind).validate_json(json.dumps(plain), strict=True)
    except ValidationError as err:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in err.errors()]
    else:
        faults = []
        if isinstance(document, MeasuredElsewhere):
            faults = list(find_faults(document.environment, document.states))
        if not faults:
            return document
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    raise ValueError(f"{place} does not hold what it should: {faults[0]}{more}")
