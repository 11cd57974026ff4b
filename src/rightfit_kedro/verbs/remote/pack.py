"""Pack the candidates into a folder, to be measured on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from rightfit._core.errors import NothingStoredError
from rightfit._core.formatting import count
from rightfit._core.plugins import load_plugin
from rightfit.api.candidate_measuring import list_paths
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import NEW_FOLDER, echo_lines, faults_as_message
from rightfit.exporting.export_folder import check_folder
from rightfit.models.bundle import ONNX_FILE
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit_kedro.grid import read_grid
from rightfit_kedro.stored_results import ProjectLocation, StoredResults, where

SECTION = "Measure elsewhere"


@click.command()
@click.option("--dataset", "-d", help="One dataset; all if not given.")
@click.argument("folder", type=NEW_FOLDER)
@where
def pack(location: ProjectLocation, folder: Path, dataset: str | None) -> None:
    """Pack the candidates into a folder, to be measured on another machine."""
    with faults_as_message(), showing_progress():
        parameters = location.read_parameters()
        packed, left_out = pack_candidates(location.open_results(), parameters, folder, dataset)
    echo_lines(
        [
            f"Packed {count(sum(packed.values()), 'candidate')} of "
            f"{count(len(packed), 'dataset')} into {folder}",
            *([f"Left out, measured only where they run: {', '.join(left_out)}"] * bool(left_out)),
            "On the other machine, in that folder:",
            "  pip install -r requirements.txt",
            "  python measure.py ../measured",
            "Then here: rightfit remote import measured --name NAME",
        ]
    )


def pack_candidates(
    results: StoredResults, parameters: Mapping[str, object], folder: Path, dataset: str | None
) -> tuple[dict[str, int], list[str]]:
    """Write the candidates of the last evaluation into a folder for another machine.

    Returns:
        How many candidates of each dataset were written, and those that were left out.

    Raises:
        ValueError: If nothing was measured yet, there is no such dataset, or nothing to pack.
        FileExistsError: If the folder holds something.
    """
    check_folder(folder, force=False)
    params = EvaluationParams.model_validate(parameters["evaluation"])
    applications = ApplicationsParams.model_validate(parameters["applications"])
    grid = read_grid(parameters)
    names = [name for name in grid.datasets if dataset in (None, name)]
    if not names:
        raise ValueError(f"There is no dataset {dataset!r}; the grid has {list(grid.datasets)}.")
    measured_in = results.find_version("resource_profiles")
    paths = list_paths(applications, params)
    packer = load_plugin("rightfit.operations", "pack", purpose="rightfit remote pack")(
        folder, params, paths, results.load_current("measurements").folder
    )
    packed: dict[str, int] = {}
    left_out: list[str] = []
    for name in names:
        candidates = {}
        for model in grid.list_models(name):
            entry = f"{name}.{model}.candidates"
            try:
                version = results.find_version(entry, at_most=measured_in)
            except NothingStoredError:
                continue
            with results.reading(entry, version):
                stored = dict(results.load(entry, version))
            for candidate, bundle in stored.items():
                if ONNX_FILE in bundle.files and model not in grid.imported:
                    candidates[candidate] = bundle
                else:
                    left_out.append(f"{name} {candidate}")
        if not candidates:
            continue
        test, rows, encoder, data_card = (
            results.load_newest(f"{name}.{kind}", at_most=measured_in)
            for kind in ("test", "rows", "encoder", "data_card")
        )
        packer.add(
            candidates,
            test=test,
            raw=rows.filter(part="test"),
            encoder=encoder.to_json(),
            data_card=data_card,
        )
        packed[name] = len(candidates)
    if not packed:
        raise ValueError(
            "There is nothing to pack: no candidate of a search has an ONNX export. Measured only "
            f"where they run: {', '.join(left_out) or 'none'}."
        )
    packer.finish()
    return packed, left_out
