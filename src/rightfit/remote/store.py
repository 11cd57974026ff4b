"""Measurements of other machines, kept by the name that applications give the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rightfit.processes.codec import to_plain
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.measuring.presets import MeasuringSettings
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.remote.documents import (
    MEASURED_FILE,
    RemoteMeasurements,
    make_key,
    parse_document,
    portable_settings,
    read_document,
)

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PREFIX = "elsewhere-"


def import_measured(folder: Path, name: str, store: JsonStore) -> RemoteMeasurements:
    """Keep what another machine has found; an earlier find of the same name is replaced.

    Raises:
        ValueError: If the name is no plain one, or the document cannot be read or holds nothing.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"A machine's name must match {NAME.pattern}, but got {name!r}.")
    measured = read_document(RemoteMeasurements, folder / MEASURED_FILE)
    if not measured.n_measured:
        raise ValueError(f"{folder / MEASURED_FILE} holds no measurement that has not failed.")
    store.put(_PREFIX + name, to_plain(measured))
    return measured


def load_measured(name: str, store: JsonStore) -> RemoteMeasurements:
    """Return what a machine has found.

    Raises:
        ValueError: If nothing was imported under that name, or it is damaged.
    """
    plain = store.get(_PREFIX + name)
    if plain is None:
        known = ", ".join(list_imported(store)) or "none"
        raise ValueError(
            f"No measurements of the environment {name!r} were imported (known: {known}). Measure "
            "it there with rightfit pack and rightfit import-profiles, or correct the name in "
            "conf/base/parameters_applications.yml."
        )
    try:
        return parse_document(RemoteMeasurements, plain, f"{_PREFIX}{name}.json")
    except ValueError as err:
        raise ValueError(
            f"{err}. Import it again: rightfit import-profiles FOLDER --name {name}"
        ) from err


def list_imported(store: JsonStore) -> dict[str, Mapping[str, object]]:
    """Return what was imported, as it is stored, by the machine's name."""
    documents = {key: store.get(key) for key in store.keys() if key.startswith(_PREFIX)}  # noqa: SIM118 - no dict
    return {key.removeprefix(_PREFIX): found for key, found in documents.items() if found}


def select_measured(
    measured: RemoteMeasurements,
    jobs: Sequence[Job],
    settings: MeasuringSettings,
    data_version: str,
) -> tuple[list[Job], list[MeasurementState]]:
    """Return the jobs that a machine has measured under these settings, and their states."""
    portable = portable_settings(settings)
    found = [
        (job, measured.states[key])
        for job in jobs
        if (key := make_key(job, portable, data_version)) in measured.states
    ]
    return [job for job, _ in found], [state for _, state in found]
