"""A pack for another machine and what comes back: two JSON documents, and files beside them.

Figures from elsewhere are checked as strictly as parameters: a ranking will believe them. They are
kept by the name that applications give the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from rightfit._core.json_documents import parse_json
from rightfit._core.processes.codec import to_plain
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.strict_model import MAX_BATCH_SIZE, MAX_MS, list_faults
from rightfit.data.request_path import RequestPath
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.metrics import LATENCY_COLUMNS
from rightfit.measuring.rounds.jobs import Job
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.serving import MACHINE_NAME, THIS_MACHINE
from rightfit.measuring.worker.units import NS_PER_MS
from rightfit.models.runtimes import ONNX

FORMAT_VERSION = 1
PACK_FILE = "pack.json"
MEASURED_FILE = "measured.json"
RUNTIME = ONNX  # it needs no library of the models' families
_PREFIX = "elsewhere-"  # of the keys under which machines are kept

MAX_BYTES = 2**28  # of a document; a configuration measured takes some 12 KiB
STATE_KEY = r"[0-9a-f]+|reference-[0-9]+-[0-9a-f]+"

MAX_MIB = 1e9
MAX_CORES = 100_000
MAX_COUNT = 10**12

Document = TypeVar("Document", "Pack", "RemoteMeasurements")


@dataclass(frozen=True)
class PackedDataset:
    """Candidates of a dataset, each with a bundle of its name, beside the rows they answer."""

    name: str
    data_version: str
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Pack:
    """Measurements that the other machine is asked for."""

    format_version: int
    preset: str
    settings: MeasuringSettings
    n_threads: tuple[Annotated[int, Field(ge=1)] | Literal["all"], ...]
    devices: tuple[str, ...]
    request_paths: tuple[RequestPath, ...]
    datasets: tuple[PackedDataset, ...]


@dataclass(frozen=True)
class RemoteMeasurements:
    """Measurements of another machine."""

    format_version: int
    environment: Environment
    states: dict[str, MeasurementState]

    @property
    def n_measured(self) -> int:
        """How many measurements have not failed."""
        return sum(state.error is None for state in self.states.values())


def portable_settings(settings: MeasuringSettings) -> MeasuringSettings:
    """Return the settings for another machine: hardware tiers are computed, never tried, there."""
    return settings.model_copy(update={"tries_tiers": False})


def make_key(job: Job, settings: MeasuringSettings, data_version: str) -> str:
    """Return the key of a measurement, the same on the machine that asks and that measures."""
    return job.portable_key(settings=settings.key, data_version=data_version)


def write_document(document: Pack | RemoteMeasurements, path: Path) -> None:
    """Write a document."""
    plain = to_plain(document)
    if isinstance(document, Pack):
        plain["settings"] = document.settings.model_dump(mode="json")
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read_document(kind: type[Document], path: Path) -> Document:
    """Read a document that another machine may have written.

    Raises:
        ValueError: If there is none, or it has another form.
    """
    require_regular(path)
    try:
        if (n_bytes := path.stat().st_size) > MAX_BYTES:
            raise ValueError(f"it has {n_bytes:,} bytes, {MAX_BYTES:,} are allowed")
        plain = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ValueError(f"There is no {path}.") from err
    except (OSError, ValueError) as err:
        raise ValueError(f"{path} cannot be read: {err}") from err
    return parse_document(kind, plain, str(path))


def parse_document(kind: type[Document], plain: Mapping[str, object], source: str) -> Document:
    """Read a document from plain JSON types.

    Raises:
        ValueError: If it has another form, or figures that no machine can have found.
    """
    if not isinstance(plain, dict):
        raise ValueError(f"{source} does not hold what it should: it must be a JSON object.")
    if (version := plain.get("format_version")) != FORMAT_VERSION:
        raise ValueError(
            f"{source} has format_version {str(version)[:20]}; this version of rightfit "
            f"reads {FORMAT_VERSION}. Use the same version on both machines."
        )
    try:
        if kind is Pack:  # its settings are strict in themselves
            document = TypeAdapter(kind).validate_python(plain)
        else:  # strict, and as JSON, where a list may become a tuple
            document = TypeAdapter(kind).validate_json(json.dumps(plain), strict=True)
    except ValidationError as err:
        faults = list_faults(err)
    else:
        faults = []
        if isinstance(document, RemoteMeasurements):
            faults = list(_check_figures(document.environment, "environment"))
            faults += [
                f"states: {key[:80]!r} is no key of a measurement"
                for key in document.states
                if not re.fullmatch(STATE_KEY, key)
            ]
            for key, state in document.states.items():
                faults += _check_figures(state, f"states.{key}")
                faults += _check_rounds(state, f"states.{key}")
        if not faults:
            return document
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    raise ValueError(f"{source} does not hold what it should: {faults[0]}{more}")


def import_measured(folder: Path, name: str, store: JsonStore) -> RemoteMeasurements:
    """Keep what another machine has found; an earlier find of the same name is replaced.

    Raises:
        ValueError: If the name is no plain one, or the document cannot be read or holds nothing.
    """
    if not re.fullmatch(MACHINE_NAME, name):
        raise ValueError(f"A machine's name must match {MACHINE_NAME}, but got {name!r}.")
    if name == THIS_MACHINE:
        raise ValueError(
            f"{THIS_MACHINE} is the one that runs the pipeline. Choose another --name."
        )
    path = folder / MEASURED_FILE
    measured = read_document(RemoteMeasurements, path)
    plain = json.loads(path.read_text(encoding="utf-8"))
    if unknown := next(_find_unknown(plain, json.loads(json.dumps(to_plain(measured))), ""), None):
        raise ValueError(f"{path} does not hold what it should: {unknown} is an unknown key")
    if not measured.n_measured:
        errors = {str(state.error) for state in measured.states.values()}
        raise ValueError(
            f"{path} holds no successful measurement; errors: "
            f"{sorted(errors)[:3]}. Correct them there, then run: rightfit remote measure"
        )
    store.put(_PREFIX + name, to_plain(measured))
    return measured


def _find_unknown(given: object, known: object, where: str) -> Iterator[str]:
    """Name the keys of JSON that nothing has read."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, content in given.items():
            if key in known:
                yield from _find_unknown(content, known[key], f"{where}{key}.")
            else:
                yield f"{where}{key}"
    elif isinstance(given, list) and isinstance(known, list):
        for number, (content, read) in enumerate(zip(given, known, strict=True)):
            yield from _find_unknown(content, read, f"{where}{number}.")


def load_measured(name: str, store: JsonStore) -> RemoteMeasurements:
    """Return what a machine has found.

    Raises:
        ValueError: If nothing was imported under that name, or it is damaged.
    """
    plain = store.get(_PREFIX + name)
    if plain is None:
        raise ValueError(f"No measurements of the environment {name!r} were imported.")
    try:
        return parse_document(RemoteMeasurements, plain, f"{_PREFIX}{name}.json")
    except ValueError as err:
        raise ValueError(
            f"{err}. Import it again: rightfit remote import FOLDER --name {name}"
        ) from err


def list_imported(store: JsonStore) -> dict[str, Mapping[str, object]]:
    """Return what was imported, as it is stored, by the machine's name."""
    documents = {key: store.get(key) for key in store.keys() if key.startswith(_PREFIX)}  # noqa: SIM118 - no dict
    return {key.removeprefix(_PREFIX): document for key, document in documents.items() if document}


def select_measured(
    measured: RemoteMeasurements,
    jobs: Sequence[Job],
    settings: MeasuringSettings,
    data_version: str,
) -> tuple[list[Job], list[MeasurementState]]:
    """Return the jobs that a machine has measured under these settings, and their states."""
    portable = portable_settings(settings)
    pairs = [
        (job, measured.states[key])
        for job in jobs
        if (key := make_key(job, portable, data_version)) in measured.states
    ]
    return [job for job, _ in pairs], [state for _, state in pairs]


@dataclass(frozen=True)
class PackFiles:
    """Files of a dataset.

    Args:
        rows: A .npy of the encoded test rows.
        raw_rows: A .npy of the raw ones.
        requests: Folder of ``encoder.json`` and of the graphs of encoder and model.
        bundles: Folder of the bundles.
    """

    rows: Path
    raw_rows: Path
    requests: Path
    bundles: Path


def require_plain(name: str) -> None:
    """Refuse the name of a dataset or bundle that leads out of its folder.

    Raises:
        ValueError: If it does.
    """
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"The name of a dataset or bundle must be a plain one, but got {name!r}.")


def find_files(folder: Path, dataset: str) -> PackFiles:
    """Return the places of a dataset's files.

    Raises:
        ValueError: If the name is no plain one.
    """
    require_plain(dataset)
    dataset_folder = folder / "datasets" / dataset
    return PackFiles(
        dataset_folder / "rows.npy",
        dataset_folder / "raw_rows.npy",
        dataset_folder / "requests",
        dataset_folder / "bundles",
    )


_LEAST = 1e-9  # of what cannot be 0
_LEAST_GROWTH_MIB = -64  # of resident memory: freeing may outweigh what loading takes
# By how a record's and its field's name end, the first that fits: what a machine can have found.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "BatchPhase.n_calls": (1, MAX_COUNT),
    "batch_size": (1, MAX_BATCH_SIZE),
    "n_cores": (1, MAX_CORES),
    "_cores": (0, MAX_CORES),
    "LoadPhase.memory_mib": (_LEAST_GROWTH_MIB, MAX_MIB),
    "peak_memory_mib": (_LEAST_GROWTH_MIB, MAX_MIB),
    "files_mib": (_LEAST_GROWTH_MIB, MAX_MIB),
    "_mib": (_LEAST, MAX_MIB),
    "cpu_ms": (0, MAX_MS),  # the clock of a process may not have ticked
    "_ms": (_LEAST, MAX_MS),
    "_ns": (_LEAST, MAX_MS * NS_PER_MS),
    "_per_s": (_LEAST, 1e15),
    "_pct": (0, 100),
    "": (0, MAX_COUNT),
}


def _check_figures(record: object, source: str) -> Iterator[str]:
    """Describe the numbers of a dataclass, and of all that it holds, that no machine can find."""
    for field in fields(record):  # type: ignore[arg-type]
        content, where = getattr(record, field.name), f"{source}.{field.name}"
        items = {where: content}
        if isinstance(content, tuple):
            items = {f"{where}.{i}": item for i, item in enumerate(content)}
        elif isinstance(content, dict):
            items = {f"{where}.{key}": item for key, item in content.items()}
        name = f"{type(record).__name__}.{field.name}"
        low, high = next(bounds for end, bounds in _BOUNDS.items() if name.endswith(end))
        for where, value in items.items():
            if is_dataclass(value):
                yield from _check_figures(value, where)
            elif isinstance(value, bool) or not isinstance(value, int | float):
                continue
            elif not low <= value <= high:  # NaN is not
                yield f"{where} must be from {low:g} to {high:g}, but got {value!r}"


def _check_rounds(state: MeasurementState, source: str) -> Iterator[str]:
    if state.error is None and not state.rounds:
        yield f"{source}.rounds must hold a round where there is no error"
    if state.limits:
        yield f"{source}.limits must be empty: no tier of the ladder is tried on another machine"
    for number, round_ in enumerate(state.rounds):
        where = f"{source}.rounds.{number}"
        sizes = [batch.batch_size for batch in round_.batches]
        if not sizes or sizes != sorted(set(sizes)):
            yield f"{where}.batches must hold rising batch sizes, but got {sizes}"
        if set(round_.percentiles_ns) != set(LATENCY_COLUMNS):
            yield f"{where}.percentiles_ns must be those of {list(LATENCY_COLUMNS)}"
        percentiles_ns = [round_.percentiles_ns.get(share) for share in LATENCY_COLUMNS]
        values = [value for value in percentiles_ns if value is not None]
        if values != sorted(values):
            yield f"{where}.percentiles_ns must not fall, but got {values}"
