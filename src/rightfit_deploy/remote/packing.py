"""Pack candidates for another machine: bundles, rows, and the sources that measure them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from rightfit.data.dataset_card import DatasetCard
from rightfit.data.request_path import REQUEST, RequestPath
from rightfit.data.request_path.encoder_graph import locate_graph
from rightfit.data.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.data.request_path.row_reading import write_raw_rows
from rightfit.measuring.rounds.jobs import RawRequests
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.worker.phases import count_rows
from rightfit.models.bundle import ONNX_ONLY, Bundle
from rightfit.models.bundle_files import MANIFEST
from rightfit.models.sources import read_sources
from rightfit.params.evaluation import EvaluationParams
from rightfit_deploy.remote.documents import (
    FORMAT_VERSION,
    PACK_FILE,
    RUNTIME,
    Pack,
    PackedDataset,
    find_files,
    portable_settings,
    write_document,
)

ENTRY_POINTS = (  # what the other machine imports, some of it by name
    "rightfit_deploy.remote.measure_pack",
    "rightfit.measuring.worker.process",
    "rightfit.data.request_path.opening",
    ONNX_ONLY,
)
REQUIREMENTS = ("numpy", "onnxruntime", "psutil", "pydantic")
PROGRAM = """\
\"\"\"Measure this folder: python measure.py OUT\"\"\"

import sys

try:
    from rightfit_deploy.remote.measure_pack import main
except ModuleNotFoundError as err:
    sys.exit(f"Error: {err.name} is missing here: pip install -r requirements.txt")

if __name__ == "__main__":
    main()
"""
_PLACE = Path(__file__).parents[2]


def pack_dataset(
    folder: Path,
    candidates: Mapping[str, Bundle],
    *,
    test: pl.DataFrame,
    raw: pl.DataFrame,
    encoder: EncoderJson,
    data_card: DatasetCard,
    request_paths: Sequence[RequestPath],
    settings: MeasuringSettings,
    measurements: Path,
) -> PackedDataset:
    """Write a dataset's candidates and the rows that they answer, no more than are measured with.

    Answers are judged where the study is, on all test rows; the other machine only times them.

    There must be a candidate, and each must have an ONNX export.
    """
    n_rows = count_rows(settings.batch_sizes)
    files = find_files(folder, data_card.dataset)
    files.bundles.mkdir(parents=True)
    files.requests.mkdir()
    for name, bundle in candidates.items():
        target = files.bundles / name
        target.mkdir()
        for file in (MANIFEST, *bundle.files):
            shutil.copyfile(bundle.path / file, target / file)
    features = list(next(iter(candidates.values())).schema.features)
    np.save(
        files.rows,
        np.ascontiguousarray(test.head(n_rows).select(features).to_numpy(), dtype=np.float32),
    )
    write_raw_rows(files.raw_rows, raw.head(n_rows), list_inputs(encoder))
    requests = RawRequests(files.raw_rows, encoder, files.requests, measurements)
    requests.encoder_file.write_text(json.dumps(encoder), encoding="utf-8")
    for bundle in candidates.values() if REQUEST in request_paths else ():
        requests.prepare(bundle, RUNTIME)  # kept here: what is measured there ships from here
        packed = locate_graph(files.requests, bundle, RUNTIME, encoder)
        packed.parent.mkdir(exist_ok=True)
        shutil.copyfile(locate_graph(measurements, bundle, RUNTIME, encoder), packed)
    return PackedDataset(data_card.dataset, data_card.data_version, tuple(candidates))


@dataclass
class Packer:
    """Writes a pack dataset by dataset.

    Args:
        folder: Where it is written.
        params: How the candidates are measured.
        paths: Request paths that are measured.
        measurements: Folder of the project's measurements, which keeps compiled graphs.
    """

    folder: Path
    params: EvaluationParams
    paths: Sequence[RequestPath]
    measurements: Path
    datasets: list[PackedDataset] = field(default_factory=list)

    def add(
        self,
        candidates: Mapping[str, Bundle],
        *,
        test: pl.DataFrame,
        raw: pl.DataFrame,
        encoder: EncoderJson,
        data_card: DatasetCard,
    ) -> None:
        """Add a dataset; see :func:`pack_dataset`."""
        self.datasets.append(
            pack_dataset(
                self.folder,
                candidates,
                test=test,
                raw=raw,
                encoder=encoder,
                data_card=data_card,
                request_paths=self.paths,
                settings=self.params.settings,
                measurements=self.measurements,
            )
        )

    def finish(self) -> None:
        """Write what to measure, and the program that does it."""
        pack = Pack(
            FORMAT_VERSION,
            self.params.preset,
            portable_settings(self.params.settings),
            tuple(self.params.n_threads),
            tuple(self.params.devices),
            tuple(self.paths),
            tuple(self.datasets),
        )
        write_pack(pack, self.folder)


def write_pack(pack: Pack, folder: Path) -> None:
    """Write what to measure, the program that does it, and what that needs."""
    write_document(pack, folder / PACK_FILE)
    # the modules that measuring imports, and nothing else of this library
    modules = {name for entry in ENTRY_POINTS for name in read_sources(entry)}
    packages = {
        package  # a and a.b of a.b.c
        for name in modules
        for package in itertools.accumulate(name.split(".")[:-1], "{}.{}".format)
    }
    for name in sorted(modules | packages):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        target = folder / origin.relative_to(_PLACE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, target)
    (folder / "measure.py").write_text(PROGRAM, encoding="utf-8")
    declared = importlib.metadata.requires("rightfit") or []
    bounds = {
        re.split(r"[^A-Za-z0-9_-]", line)[0].lower(): line for line in declared if ";" not in line
    }
    requirements = "".join(f"{bounds.get(name, name)}\n" for name in REQUIREMENTS)
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
