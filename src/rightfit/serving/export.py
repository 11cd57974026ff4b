"""Export a winner: its bundle, how to feed it, what was measured, and the hashes of it all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightfit.families.bundle import ONNX_FILE, Bundle, read_bundle
from rightfit.families.bundle_files import (
    MANIFEST,
    copy_replacing,
    hash_file,
    is_plain_name,
    write_replacing,
)
from rightfit.families.runtimes import runtime_files
from rightfit.serving import usage
from rightfit.serving.answer import describe_choice, describe_profile, say_relaxation
from rightfit.serving.choice import Choice, Json
from rightfit.serving.readme import write_readme

BUNDLE = "bundle"
HASHES = "SHA256SUMS"
BYTES_PER_MIB = 2**20


@dataclass(frozen=True)
class Model:
    """A candidate with what is needed to feed it.

    Args:
        bundle: Its checked bundle.
        encoder: How raw rows become its input.
        data_card: What it was trained on.
    """

    bundle: Bundle
    encoder: Json
    data_card: Json


def require_winner(choice: Choice) -> Json:
    """Return a choice's winner.

    Raises:
        ValueError: If none qualifies; names the nearest miss and what would let it qualify.
    """
    winner: Json | None = choice.decision["winner"]
    if winner is None:
        relax = choice.decision["relax"]
        way = f" Would qualify: {say_relaxation(relax)}." if relax else ""
        raise ValueError(
            f"Nothing to export for {choice.application}: {choice.decision['sentence']}{way}"
        )
    return winner


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
            f"{folder} is not an empty folder. Name another one, or write into it with --force."
        )


def export_model(choice: Choice, model: Model, folder: Path) -> list[Path]:
    """Write a winner into a folder that needs this project no more.

    Args:
        choice: Whom to export, and why.
        model: The winner's bundle, encoder and data card.
        folder: Folder to write; files of an earlier export are replaced, and so are links.

    Returns:
        The files written, relative to the folder, ``SHA256SUMS`` last.

    Raises:
        FileExistsError: If the folder is a symbolic link.
        ValueError: If none qualifies, or the bundle is not what was measured.
    """
    winner = require_winner(choice)
    check_folder(folder, force=True)
    _check_belongs(choice, model)
    folder.mkdir(parents=True, exist_ok=True)
    _replace_bundle(model.bundle, folder / BUNDLE)
    copy_replacing(Path(usage.__file__), folder / "usage.py")
    call = describe_call(winner, model)
    _write_json(folder / "model.json", call)
    _write_json(folder / "encoder.json", model.encoder)
    _write_json(folder / "profile.json", _describe_measurement(choice))
    readme = write_readme(choice, model.bundle, call, model.encoder, model.data_card)
    write_replacing(folder / "README.md", readme.encode())
    return _write_hashes(folder, model.bundle)


def describe_call(winner: Mapping[str, Any], model: Model) -> Json:
    """Return how the model is called: its file, its input, its classes and its threads."""
    bundle = model.bundle
    file = ONNX_FILE
    if winner["runtime"] != "native":
        file = runtime_files(bundle, winner["runtime"])[0].name
    if file not in bundle.files:
        raise ValueError(f"{bundle.path} holds no {file}. Run: kedro run --pipelines perf")
    return {
        "candidate": winner["candidate"],
        "family": bundle.family,
        "onnx_file": f"{BUNDLE}/{file}",
        "measured_runtime": winner["runtime"],
        "n_threads": winner["n_threads"],
        "device": winner["device"],
        "input": {"dtype": "float32", "columns": list(bundle.schema.features)},
        "image_shape": bundle.schema.image_shape,
        "raw_columns": list(dict.fromkeys(step["column"] for step in model.encoder["steps"])),
        "classes": list(bundle.schema.classes),
        "data_version": bundle.data_version,
    }


def _check_belongs(choice: Choice, model: Model) -> None:
    """Refuse a bundle or an encoder that is not the one behind the figures."""
    bundle, profile = model.bundle, choice.profile
    faults = []
    if model.data_card["data_version"] != bundle.data_version:
        faults.append(
            f"it was trained on data version {bundle.data_version}, the stored encoder belongs to "
            f"{model.data_card['data_version']}"
        )
    if profile is None:
        faults.append("the profile that decided is no longer stored")
    elif profile["model_size_mib"] is not None:
        files = runtime_files(bundle, profile["runtime"])
        size_mib = sum(file.stat().st_size for file in files) / BYTES_PER_MIB
        if size_mib != profile["model_size_mib"]:
            faults.append(
                f"it has {size_mib} MiB, the measured one had {profile['model_size_mib']} MiB"
            )
    if faults:
        raise ValueError(
            f"{bundle.path} is not the model that was ranked: {'; '.join(faults)}. Run: kedro run "
            "--pipelines perf"
        )


def _describe_measurement(choice: Choice) -> Json:
    decided = choice.profile
    others = [row for row in choice.profiles if row is not decided]
    return {
        **describe_choice(choice),
        "profile": decided and describe_profile(decided),
        "other_serving_configurations": [describe_profile(row) for row in others],
    }


def _replace_bundle(bundle: Bundle, target: Path) -> None:
    if (target / MANIFEST).is_file():  # of an earlier export; anything else is left alone
        shutil.rmtree(target)
    target.mkdir(exist_ok=True)
    if foreign := [name for name in bundle.files if not is_plain_name(name)]:
        raise ValueError(f"{bundle.path} lists {foreign}: no plain file name, so not exported.")
    for name in (MANIFEST, *bundle.files):
        copy_replacing(bundle.path / name, target / name)
    read_bundle(target, checked_sha256=bundle.sha256)  # what arrived is what was stored


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_replacing(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def _write_hashes(folder: Path, bundle: Bundle) -> list[Path]:
    written = [
        *(Path(name) for name in ("README.md", "encoder.json", "model.json", "profile.json")),
        Path("usage.py"),
        *(Path(BUNDLE) / name for name in sorted((MANIFEST, *bundle.files))),
    ]
    lines = [f"{hash_file(folder / path)}  {path.as_posix()}\n" for path in written]
    write_replacing(folder / HASHES, "".join(lines).encode())
    return [*written, Path(HASHES)]
