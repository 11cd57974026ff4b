"""Hostile bundles whose manifest, file names or kinds of file do harm."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from factories.hostile_bundles import MANIFEST, SKOPS, Case, Json, Place, sha256, void
from rightfit.models.bundle import ONNX_FILE


def names() -> Iterator[Case]:
    """File names that leave the folder, or are no names."""
    hostile = {
        "parent": "../outside/secret",
        "absolute": "{outside}/secret",
        "sub-folder": "sub/weights.skops",
        "backslash": "..\\secret",
        "empty": "",
        "dot": ".",
        "dots": "..",
        "home": "~root",
        "newline": "a\nb",
        "null": "a\x00b",
        "escape": "\x1b[2Ja",
        "hidden": ".hidden",
        "manifest": MANIFEST,
        "manifest-partial": MANIFEST + ".partial",
        "long": "n" * 300,
        "unicode": "weights\u202e.skops",
        "drive": "C:secret",
    }
    for label, name in hostile.items():

        def change(place: Place, name: str = name) -> None:
            manifest = place.manifest
            name = name.format(outside=place.outside)
            manifest["files"][name] = sha256(place.outside / "secret")
            place.write_manifest(manifest)

        yield Case(f"name-{label}", "linear", change, "plain file names only")


def manifests() -> Iterator[Case]:
    """Manifests that are none, or describe nothing that can be loaded."""

    def content(data: bytes) -> Callable[[Place], None]:
        return lambda place: void((place.folder / MANIFEST).write_bytes(data))

    def field(name: str, value: Any) -> Callable[[Place], None]:
        return lambda place: place.write_manifest(place.manifest | {name: value})

    def without(name: str) -> Callable[[Place], None]:
        return lambda place: place.write_manifest(
            {key: value for key, value in place.manifest.items() if key != name}
        )

    for label, data in {
        "empty": b"",
        "text": b"not json",
        "binary": bytes(range(256)),
        "nan": b'{"format_version": NaN}',
        "deep": b"[" * 200_000,
    }.items():
        yield Case(f"manifest-{label}", "linear", content(data), "not valid JSON")
    yield Case("manifest-list", "linear", content(b"[]"), "JSON object")
    yield Case("manifest-huge", "linear", content(b" " * (17 * 2**20)), "larger than")
    for name in ("format_version", "model", "configuration", "input_schema", "files", "onnx"):
        yield Case(f"without-{name}", "linear", without(name), f"{name} must be")
    for name, value in {
        "format_version": "1", "model": ["linear"], "configuration": [], "input_schema": "x",
        "data_version": 3, "files": [], "onnx": "yes",
    }.items():  # fmt: skip
        yield Case(f"type-of-{name}", "linear", field(name, value), f"{name} must be")
    for name, value in {"features": 3, "classes": [None], "image_shape": [1e308]}.items():

        def change(place: Place, name: str = name, value: Any = value) -> None:
            manifest = place.manifest
            manifest["input_schema"][name] = value
            place.write_manifest(manifest)

        yield Case(f"schema-{name}", "linear", change, "The input schema is wrong")
    yield Case("temperature-huge", "linear", field("temperature", 10**400), "temperature must be")
    yield Case("version-true", "linear", field("format_version", True), "format_version must be")
    yield Case("version-99", "linear", field("format_version", 99), "format_version 99")
    yield Case("parity-text", "linear", field("onnx", {"n_rows": "<b>"}), "numbers only")
    yield Case("no-files", "linear", field("files", {}), "lists no file")
    for label, value in {"short": "abc", "number": 7, "upper": "A" * 64}.items():
        change = field("files", {SKOPS: value})
        yield Case(f"hash-{label}", "linear", change, "SHA-256 of 64 hex digits")
    yield Case("hash-wrong", "linear", field("files", {SKOPS: "0" * 64}), "damaged")


def descriptions() -> Iterator[Case]:
    """Input schemas and configurations that no model has."""
    for label, change_schema in {
        "no-classes": {"classes": []},
        "twice": {"features": ["x0", "x0", "x1", "x2"]},
        "numbers": {"features": [1, 2, 3, 4]},
        "image": {"image_shape": [9, 9, 9]},
        "image-text": {"image_shape": "2,2,1"},
    }.items():

        def change(place: Place, new: Json = change_schema) -> None:
            schema = place.manifest["input_schema"] | new
            place.write_manifest(place.manifest | {"input_schema": schema})

        yield Case(f"schema-{label}", "linear", change, "schema is wrong|is not opened")
    for label, new in {
        "layers": {"n_layers": 10**9}, "units": {"n_units": 10**12}, "text": {"n_units": "many"},
        "none": {"n_layers": None},
    }.items():  # fmt: skip

        def change(place: Place, new: Json = new) -> None:
            configuration = place.manifest["configuration"] | new
            place.write_manifest(place.manifest | {"configuration": configuration})

        yield Case(f"configuration-{label}", "net", change, "is not opened")


def links() -> Iterator[Case]:
    """Links, pipes and folders where files should be."""

    def replace(name: str, make: Callable[[Place, Path], None]) -> Callable[[Place], None]:
        def change(place: Place) -> None:
            path = place.folder / name
            moved = place.folder / "moved"
            path.rename(moved)
            make(place, path)

        return change

    def link_to_moved(place: Place, path: Path) -> None:
        path.symlink_to(place.folder / "moved")

    for name in (SKOPS, ONNX_FILE):
        yield Case(f"link-{name}", "linear", replace(name, link_to_moved), "links")
    yield Case("link-manifest", "linear", replace(MANIFEST, link_to_moved), "symbolic link")
    for label, make in {
        "dangling": lambda place, path: path.symlink_to("/nowhere"),
        "loop": lambda place, path: path.symlink_to(path),
        "outside": lambda place, path: path.symlink_to(place.outside / "secret"),
        "device": lambda place, path: path.symlink_to("/dev/zero"),
        "pipe": lambda place, path: os.mkfifo(path),
        "folder": lambda place, path: path.mkdir(),
        "missing": lambda place, path: None,
    }.items():
        yield Case(f"{label}-weights", "linear", replace(SKOPS, make), "damaged")
    pipe = replace(MANIFEST, lambda place, path: os.mkfifo(path))
    yield Case("pipe-manifest", "linear", pipe, "no regular file")
    yield Case("missing-manifest", "linear", replace(MANIFEST, lambda *_: None), MANIFEST)
