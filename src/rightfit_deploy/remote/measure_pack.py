"""Measure a pack, on that machine: of the libraries, five are needed there."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.strict_model import list_faults
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.measuring.hardware.environment import Environment, describe_environment
from rightfit.measuring.rounds.block_timing import measure_jobs, reference_key
from rightfit.measuring.rounds.jobs import Job, RawRequests, plan_jobs, plan_servings, with_paths
from rightfit.measuring.rounds.measurement import MeasurementContext
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.models.bundle import ONNX_ONLY, read_bundle
from rightfit_deploy.remote.documents import (
    FORMAT_VERSION,
    MEASURED_FILE,
    PACK_FILE,
    RUNTIME,
    Pack,
    PackedDataset,
    RemoteMeasurements,
    find_files,
    make_key,
    read_document,
    require_plain,
    write_document,
)

logger = logging.getLogger(__name__)

RECORDS = "records"  # of an interrupted measurement, which is continued


def measure_pack(source: Path, out: Path) -> RemoteMeasurements:
    """Measure the candidates of a folder and write what was found.

    What an interrupted call has left in ``out`` is not measured again.

    Raises:
        ValueError: If the folder is damaged.
    """
    pack = read_document(Pack, source / PACK_FILE)
    settings = pack.settings
    environment = describe_environment()
    store = JsonStore(out / RECORDS / environment.environment_id)
    listed = [
        (dataset, plan_dataset(source, dataset, pack, environment)) for dataset in pack.datasets
    ]
    states_by_key: dict[str, MeasurementState] = {}
    pool = WorkerPool(max_open=2)
    try:
        for dataset, jobs in listed:
            keys = [make_key(job, settings, dataset.data_version) for job in jobs]
            rows = find_files(source, dataset.name).rows
            with temporary_folder("pack") as folder:
                bench = MeasurementContext(pool, rows, folder, settings, pack.preset)
                states = measure_jobs(
                    jobs,
                    keys,
                    bench,
                    store,
                    choose=lambda states: [True] * len(states),
                    environment_id=environment.environment_id,
                )
            states_by_key |= dict(zip(keys, states, strict=True))
    finally:
        pool.close()
    reference = store.get_record(key := reference_key(environment.environment_id), MeasurementState)
    if reference is not None:
        states_by_key[key] = reference
    measured = RemoteMeasurements(FORMAT_VERSION, environment, states_by_key)
    write_document(measured, out / MEASURED_FILE)
    return measured


def plan_dataset(
    source: Path, dataset: PackedDataset, pack: Pack, environment: Environment
) -> list[Job]:
    """Return what is measured of a dataset, its bundles checked.

    Raises:
        ValueError: If a bundle, the encoder or the rows are damaged.
    """
    files = find_files(source, dataset.name)
    if not dataset.candidates:  # none of its candidates has an ONNX export
        return []
    for name in dataset.candidates:
        require_plain(name)
    bundles = {
        name: read_bundle(files.bundles / name, family=ONNX_ONLY) for name in dataset.candidates
    }
    servings = plan_servings(
        [RUNTIME],
        pack.n_threads,
        pack.devices,
        n_cores=environment.n_cores,
        present=environment.devices,
    )
    encoder = _read_encoder(files.requests / "encoder.json")
    widths = {len(bundle.schema.features) for bundle in bundles.values()}
    rows = _load_rows(files.rows)
    if rows.ndim != 2 or rows.dtype != np.float32 or widths - {rows.shape[1]}:
        raise ValueError(
            f"{files.rows} must hold rows of {sorted(widths)} float32 columns, but holds "
            f"{rows.dtype} of shape {rows.shape}. Pack it again."
        )
    raw_rows = _load_rows(files.raw_rows)
    needed = {column for tensor in list_inputs(encoder) for column in tensor.columns}
    missing = sorted(needed - set(raw_rows.dtype.names or ()))
    if raw_rows.ndim != 1 or missing:
        raise ValueError(
            f"{files.raw_rows} must hold rows of the columns that the encoder reads, but lacks "
            f"{missing}. Pack it again."
        )
    requests = RawRequests(files.raw_rows, encoder, files.requests, files.requests)
    return plan_jobs(dataset.name, bundles, with_paths(servings, pack.request_paths), requests)


def _read_encoder(path: Path) -> EncoderJson:
    require_regular(path)
    try:
        content: EncoderJson = json.loads(path.read_text(encoding="utf-8"))
        Encoder.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as err:
        raise ValueError(f"{path} is damaged: {list_faults(err)[0]}. Pack it again.") from err
    except (ValueError, RecursionError) as err:
        raise ValueError(f"{path} is damaged: {err}. Pack it again.") from err
    return content


def _load_rows(path: Path) -> npt.NDArray[Any]:
    require_regular(path)
    try:
        rows = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as err:
        raise ValueError(f"{path} is damaged: {err}. Pack it again.") from err
    if not isinstance(rows, np.ndarray) or rows.size == 0:
        raise ValueError(f"{path} holds no row. Pack it again.")
    return rows


def describe_measured(measured: RemoteMeasurements, out: Path) -> list[str]:
    """Write what was measured as lines for the terminal."""
    errors = dict.fromkeys(state.error for state in measured.states.values())
    failed = [f"failed: {error}" for error in errors if error is not None]
    if not measured.n_measured:
        return ["Error: nothing was measured.", *failed]
    environment = measured.environment
    return [
        f"{measured.n_measured} of {len(measured.states)} measured on "
        f"{environment.machine} (environment {environment.environment_id})",
        *failed,
        f"Take {out / MEASURED_FILE} back: rightfit remote import {out} --name NAME",
    ]


def main() -> None:
    """Measure the folder that this program lies in: ``python measure.py OUT``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) != 2:
        sys.exit("usage: python measure.py OUT")
    source, out = Path(sys.argv[0]).resolve().parent, Path(sys.argv[1])
    os.environ["PYTHONPATH"] = str(source)  # where the measured processes find this library
    try:
        measured = measure_pack(source, out)
    except (OSError, ValueError) as err:
        sys.exit(f"Error: {err}")
    print("\n".join(describe_measured(measured, out)))  # noqa: T201 - a program's answer
    if not measured.n_measured:
        sys.exit(1)
