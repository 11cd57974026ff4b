"""Hostile bundles whose weights are damaged, unpack to too much, or ask for files or code."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator

from factories.hostile_bundles import (
    SKOPS,
    Case,
    Payload,
    Place,
    edit_skops,
    make_external,
    make_header,
    make_zip,
)
from rightfit.models.bundle import ONNX_FILE

REFUSED = "is not opened: this data root has no record of writing it"
NETWORK = "weights.safetensors"


def contents() -> Iterator[Case]:
    """Native weights cut short, exchanged, or made to exhaust memory: no parser reads them."""

    def rewrite(name: str, make: Callable[[bytes], bytes]) -> Callable[[Place], None]:
        def change(place: Place) -> None:
            path = place.folder / name
            path.write_bytes(make(path.read_bytes()))
            place.hash_again()

        return change

    def member(edit: Callable[[bytes], bytes]) -> Callable[[Place], None]:
        def change(files: dict[str, bytes]) -> None:
            name = next(name for name in files if name.endswith(".npy"))
            files[name] = edit(files[name])

        return lambda place: edit_skops(place, change)

    makers: dict[str, Callable[[bytes], bytes]] = {
        "cut": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "zeros": lambda data: bytes(len(data)),
        "pickle": lambda data: pickle.dumps(Payload("executed")),
    }
    for label, make in makers.items():
        yield Case(f"skops-{label}", "linear", rewrite(SKOPS, make), REFUSED)
        yield Case(f"safetensors-{label}", "net", rewrite(NETWORK, make), REFUSED)
    huge = struct.pack("<Q", 2**60) + b"{}"
    yield Case("safetensors-header", "net", rewrite(NETWORK, lambda data: huge), REFUSED)
    for label, edit in {
        "claims": lambda data: make_header((2**40,), "<f8"),
        "objects": lambda data: make_header((1,), "|O") + pickle.dumps([Payload("executed")]),
        "nested": lambda data: make_zip({"a.npy": data}),
        "bomb": lambda data: bytes(300 * 2**20),
    }.items():
        for family in ("linear", "forest", "boosting"):
            yield Case(f"array-{label}-{family}", family, member(edit), REFUSED)


def onnx_files() -> Iterator[Case]:
    """ONNX models that read other files, or are none."""

    def external(location: str, *, where: str = "initializer") -> Callable[[Place], None]:
        def change(place: Place) -> None:
            place.folder.joinpath("side.bin").write_bytes(bytes(64))
            name = location.format(outside=place.outside)
            (place.folder / ONNX_FILE).write_bytes(make_external(name, where=where))
            place.hash_again()

        return change

    for label, location in {
        "beside": "side.bin",
        "dotted": "./side.bin",
        "parent": "../outside/secret",
        "absolute": "{outside}/secret",
        "memory": "*/_ORT_MEM_ADDR_/*",
    }.items():
        yield Case(f"onnx-{label}", "linear", external(location), "does not list")
    for where in ("attribute", "branch", "function"):
        change = external("side.bin", where=where)
        yield Case(f"onnx-in-{where}", "linear", change, "does not list")

    def garbage(data: bytes) -> Callable[[Place], None]:
        def change(place: Place) -> None:
            (place.folder / ONNX_FILE).write_bytes(data)
            place.hash_again()

        return change

    yield Case("onnx-empty", "linear", garbage(b""), "no ONNX model")
    yield Case("onnx-text", "linear", garbage(b"location of nothing"), "no ONNX model")
