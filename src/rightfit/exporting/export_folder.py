"""Export a winner: encoder and model in one graph, its server, what was measured, all hashes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rightfit._core.plugins import load_plugin
from rightfit.data.request_path import feeding, usage
from rightfit.exporting.model_call import (
    BUNDLE,
    GRAPH_FILE,
    Model,
    ModelCall,
    describe_call,
    take_graph,
)
from rightfit.exporting.readme import write_readme
from rightfit.models import export_check, lookups, onnx_session
from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_files import (
    MANIFEST,
    copy_replacing,
    hash_regular_file,
    is_plain_name,
    write_replacing,
)
from rightfit.models.export_check import HASHES
from rightfit.ranking.explanation.answer import Answer, answer_to_json, profile_to_json
from rightfit.ranking.explanation.decisions import RankedCandidate

PROGRAM_FILES = {
    Path(str(module.__file__)).name: Path(str(module.__file__))
    for module in (usage, feeding, lookups, export_check, onnx_session)
}


def require_winner(answer: Answer) -> RankedCandidate:
    """Return an answer's winner.

    Raises:
        ValueError: If none qualifies; names the nearest miss and the limits to relax.
    """
    decision = answer.decision
    if decision.winner is None:
        relax = decision.relax
        way = f" Would qualify: {relax}." if relax else ""
        raise ValueError(f"Nothing to export for {answer.application}: {decision.sentence}{way}")
    return decision.winner


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that already holds something, unless forced.

    Raises:
        FileExistsError: If it is a file, a symbolic link, or not empty.
    """
    for path in (folder, folder / BUNDLE):
        if path.is_symlink():
            raise FileExistsError(
                f"{path} is a symbolic link; nothing is written through one. Name the folder that "
                "it points to, or remove it."
            )
    if folder.is_dir() and (force or not any(folder.iterdir())):
        return
    if folder.exists():
        raise FileExistsError(
            f"{folder} is not an empty folder. Name another one. (Only an export may be written "
            "over another: --force, or force=True in Python.)"
        )


def export_model(
    answer: Answer, model: Model, folder: Path, *, with_server: bool = False
) -> list[Path]:
    """Write a winner into a folder that works without this project.

    Files of an earlier export are replaced, and so are links.

    Returns:
        The files written, relative to the folder, ``SHA256SUMS`` last.

    Raises:
        FileExistsError: If the folder is a symbolic link.
        ValueError: If none qualifies, the winner is imported, or the bundle is not what was
            measured.
    """
    winner = require_winner(answer)
    check_folder(folder, force=True)
    _check_belongs(answer, model)
    call = write_call(winner, model, folder, sha256=answer.graph_sha256)
    bundle, copied = model.bundle, folder / BUNDLE
    if (copied / MANIFEST).is_file():  # of an earlier export; anything else is left alone
        shutil.rmtree(copied)
    copied.mkdir(exist_ok=True)
    if foreign := [name for name in bundle.files if not is_plain_name(name)]:
        raise ValueError(f"{bundle.path} lists {foreign}: no plain file name, so not exported.")
    for name in (MANIFEST, *bundle.files):
        copy_replacing(bundle.path / name, copied / name)
    read_bundle(copied, checked_sha256=bundle.sha256)  # what arrived is what was stored
    write_json(folder / "encoder.json", model.encoder)
    decided = answer.profile
    other_profiles = [
        profile_to_json(profile) for profile in answer.profiles if profile is not decided
    ]
    measurement = {
        **answer_to_json(answer),
        "profile": decided and profile_to_json(decided),
        "other_serving_configurations": other_profiles,
    }
    write_json(folder / usage.PROFILE, measurement)
    write_replacing(folder / "README.md", write_readme(answer, model, call).encode())
    served = add_server(folder, call) if with_server else ()
    return write_hashes(
        folder,
        [
            "README.md",
            "encoder.json",
            usage.CALL,
            usage.PROFILE,
            GRAPH_FILE,
            *PROGRAM_FILES,
            *served,
            *(f"{BUNDLE}/{name}" for name in sorted((MANIFEST, *bundle.files))),
        ],
    )


def write_call(
    winner: RankedCandidate, model: Model, folder: Path, *, sha256: str | None = None
) -> ModelCall:
    """Write what answers for a winner: the graph, its description, and how it is called.

    Args:
        winner: The candidate in its serving configuration.
        model: Its bundle, encoder and data card.
        folder: Where to.
        sha256: Hash of the graph that was measured, which no other may stand for.

    Raises:
        ValueError: If the candidate has no ONNX file, or the graph is another one.
    """
    graph = take_graph(winner, model, sha256)
    call = describe_call(winner, model, graph)
    write_program(folder, graph, call)
    return call


def write_program(folder: Path, graph: bytes, call: ModelCall) -> None:
    """Write a graph, how it is called, and the program that answers with it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_replacing(folder / GRAPH_FILE, graph)
    for name, source in PROGRAM_FILES.items():
        copy_replacing(source, folder / name)
    write_json(folder / usage.CALL, asdict(call))


def add_server(folder: Path, call: ModelCall) -> tuple[str, ...]:
    """Write a server into an exported folder, which then serves itself; return its files' names."""
    write_server = load_plugin("rightfit.operations", "write_server", purpose="A server's export")
    names: tuple[str, ...] = write_server(folder, call)
    return names


def write_hashes(folder: Path, names: Sequence[str]) -> list[Path]:
    """Write the hashes of a folder's files; whatever opens the folder compares them first.

    Returns:
        The files, relative to the folder, and that of the hashes.
    """
    lines = [f"{hash_regular_file(folder / name)}  {name}\n" for name in names]
    write_replacing(folder / HASHES, "".join(lines).encode())
    return [*map(Path, names), Path(HASHES)]


def _check_belongs(answer: Answer, model: Model) -> None:
    """Refuse a bundle or an encoder that is not the one behind the figures."""
    bundle, profile = model.bundle, answer.profile
    if not bundle.data_version:
        raise ValueError(
            f"{bundle.model} is imported: serve {bundle.configuration.get('file')} itself. What is "
            "exported are models that a search has trained, with their encoder."
        )
    faults = []
    if bundle.data_version != model.data_card.data_version:
        faults.append(
            f"it was trained on data version {bundle.data_version}, the stored encoder belongs to "
            f"{model.data_card.data_version}"
        )
    if profile is None:
        faults.append("the profile that decided is no longer stored")
    elif answer.learnt_since is None and bundle.weights_sha256 != profile.model_sha256:
        faults.append("its weights are not those that were measured")
    if faults:
        raise ValueError(
            f"{bundle.path} is not the model that was ranked: {'; '.join(faults)}. Run: kedro run "
            "--pipelines perf"
        )


def write_json(path: Path, content: object) -> None:
    """Write JSON types into a file."""
    write_replacing(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
