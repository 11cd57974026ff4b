"""Delete old versions of results; searches and measurements stay."""

from __future__ import annotations

import glob
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import click

from rightfit._core.formatting import count
from rightfit.cli.options import WholeRange, echo_lines, faults_as_message
from rightfit.measuring.profile import complete_columns
from rightfit.measuring.worker.units import BYTES_PER_MIB
from rightfit.models.bundle_files import hash_regular_file
from rightfit_kedro.catalog import read_patterns
from rightfit_kedro.stored_results import ProjectLocation, StoredResults, where

SECTION = "Maintain"
PROFILES = "resource_profiles"
READ_LATER = ("rankings", "recommendations", "report")  # what they were made from stays with them

_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z.*")
_FIELD = re.compile(r"\{\w+\}")


@click.command()
@click.option(
    "--keep",
    type=WholeRange(min=1),
    default=3,
    show_default=True,
    help="Newest versions of each result that stay.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, delete nothing.")
@where
def clean(location: ProjectLocation, keep: int, *, dry_run: bool) -> None:
    """Delete old versions of results; searches and measurements stay."""
    with faults_as_message():
        results = location.open_results()
        folders = find_old_versions(results, keep=keep)
        graphs = find_unused_graphs(results, folders)
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        files += graphs
        size_mib = sum(file.stat().st_size for file in files) / BYTES_PER_MIB
        if dry_run:
            echo_lines(map(str, [*folders, *graphs]))
        else:
            for folder in folders:
                shutil.rmtree(folder)
            for graph in graphs:
                graph.unlink()
    verb = "Would delete" if dry_run else "Deleted"
    counts = f"{count(len(folders), 'version')} and {count(len(graphs), 'graph')}"
    click.echo(f"{verb} {counts}, {size_mib:.1f} MiB.")


def find_old_versions(results: StoredResults, *, keep: int) -> list[Path]:
    """Return the folders of versions of Rightfit's results that may go.

    Kept are the newest versions of each result, and those from which kept rankings and reports were
    made. Only local results are looked at.
    """
    folders = {
        folder: sorted(path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name))
        for name in read_patterns("")
        for folder in _find_folders(results, name)
    }
    later = {
        version
        for name in READ_LATER
        for folder in _find_folders(results, name)
        for version in folders[folder][-keep:]
    }
    paths = []
    for folder, versions in folders.items():
        needed = {max((v for v in versions if v <= limit), default="") for limit in later}
        needed_versions = {*versions[-keep:], *needed}
        paths += [folder / version for version in versions if version not in needed_versions]
    return sorted(paths)


def find_unused_graphs(results: StoredResults, old_versions: Collection[Path]) -> list[Path]:
    """Return the graphs beside the measurements that no profile was measured as which stays."""
    graphs = sorted((results.load_current("measurements").folder / "graphs").glob("*.onnx"))
    used: set[str] = set()
    for version in results.list_versions(PROFILES) if graphs else ():
        if results.locate(PROFILES, version).parent not in old_versions:
            used.update(complete_columns(results.load(PROFILES, version))["graph_sha256"])
    return [graph for graph in graphs if hash_regular_file(graph) not in used]


def _find_folders(results: StoredResults, name: str) -> Iterator[Path]:
    """Yield the folders whose sub-folders are the versions of an entry, for all it stands for."""
    pattern_path = results.find_place(name)
    if pattern_path is not None:
        root = Path(pattern_path).anchor
        pattern = "*".join(
            glob.escape(part) for part in _FIELD.split(pattern_path.removeprefix(root))
        )
        yield from sorted(path for path in Path(root).glob(pattern) if path.is_dir())
