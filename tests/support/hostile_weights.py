"""Hostile bundles whose weights are damaged, unpack to too much, or ask for files or code."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from hostile_bundles import (
    SKOPS,
    WEIGHTS,
    Case,
    Json,
    Payload,
    Place,
    edit_skops,
    make_external,
    make_header,
    make_zip,
    void,
)

from rightfit.families.bundle import ONNX_FILE


def contents() -> Iterator[Case]:
    """Files cut short, exchanged or emptied, with right hashes."""

    def rewrite(name: str, make: Callable[[bytes], bytes]) -> Callable[[Place], None]:
        def change(place: Place) -> None:
            path = place.folder / name
            path.write_bytes(make(path.read_bytes()))
            place.hash_again()

        return change

    def only(name: str) -> Callable[[Place], None]:
        def change(place: Place) -> None:
            files = {name: place.manifest["files"][name]}
            place.write_manifest(place.manifest | {"files": files})

        return change

    makers: dict[str, Callable[[bytes], bytes]] = {
        "cut": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "zeros": lambda data: bytes(len(data)),
        "pickle": lambda data: pickle.dumps(Payload("executed")),
    }
    for label, make in makers.items():
        yield Case(f"skops-{label}", "linear", rewrite(SKOPS, make), "refused")
        net = rewrite(WEIGHTS["net"], make)
        yield Case(f"safetensors-{label}", "net", net, "weights of this network")
    huge = struct.pack("<Q", 2**60) + b"{}"
    change = rewrite(WEIGHTS["net"], lambda data: huge)
    yield Case("safetensors-header", "net", change, "weights of this network")

    def change_width(place: Place) -> None:
        schema = place.manifest["input_schema"]
        schema["features"] = [*schema["features"], "one more"]
        place.write_manifest(place.manifest | {"input_schema": schema})

    for family in ("linear", "forest", "boosting"):
        yield Case(f"width-{family}", family, change_width, "features")
    yield Case("width-net", "net", change_width, "weights of this network")


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


def skops_files() -> Iterator[Case]:
    """Archives that unpack to too much, or ask for more than data."""

    def schema(edit: Callable[[Json], None]) -> Callable[[Place], None]:
        return lambda place: edit_skops(place, edit_schema=edit)

    def members(
        edit: Callable[[dict[str, bytes]], None], **options: Any
    ) -> Callable[[Place], None]:
        return lambda place: edit_skops(place, edit_members=edit, **options)

    def hide(loader: Json) -> Callable[[Json], None]:
        return lambda root: root["content"]["content"].update({"loss": loader})

    loaders = {
        "function": {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
                     "content": "os.system"},
        "operator": {"__class__": "attrgetter", "__module__": "operator",
                     "__loader__": "OperatorFuncNode", "attrs": {}},
        "cached": {"__class__": None, "__module__": None, "__loader__": "CachedNode", "__id__": 1},
        "reduced": {"__class__": "Popen", "__module__": "subprocess",
                    "__loader__": "ConstructorFromReduceNode", "content": {}},
        "unknown": {"__class__": "x", "__module__": "y", "__loader__": "EvilNode"},
    }  # fmt: skip
    for label, loader in loaders.items():
        yield Case(f"loader-{label}", "linear", schema(hide(loader)), "not needed for data")
    popen = {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"}
    evaluate = {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"}
    for label, loader in {"popen": popen, "eval": evaluate}.items():
        yield Case(f"type-{label}", "linear", schema(hide(loader)), "can't be loaded")
    logistic = {"__class__": "LogisticRegression", "__module__": "sklearn.linear_model._logistic"}
    other = schema(lambda root: root.update(logistic))
    yield Case("other-estimator", "linear", other, "must hold a SGDClassifier")
    for label, protocol in {"old": 0, "new": 9, "text": "2"}.items():
        change = schema(lambda root, value=protocol: root.update(protocol=value))  # type: ignore[misc]
        yield Case(f"protocol-{label}", "linear", change, "protocol")
    no_schema = members(lambda files: void(files.pop("schema.json")))
    yield Case("no-schema", "linear", no_schema, "refused")
    bomb = members(lambda files: files.update({"x.npy": bytes(300 * 2**20)}))
    yield Case("bomb", "linear", bomb, "unpacks to")
    wide = members(lambda files: files.update({"schema.json": b" " * (129 * 2**20)}))
    yield Case("schema-bomb", "linear", wide, "larger than")
    bz2 = members(lambda files: None, compression=zipfile.ZIP_BZIP2)
    yield Case("bz2", "linear", bz2, "another method")
    for label, make in {
        "claims": lambda data: make_header((2**40,), "<f8"),
        "objects": lambda data: make_header((1,), "|O") + pickle.dumps([Payload("executed")]),
        "nested": lambda data: make_zip({"a.npy": data}),
        "text": lambda data: b"not an array",
    }.items():

        def change(files: dict[str, bytes], make: Callable[[bytes], bytes] = make) -> None:
            name = next(name for name in files if name.endswith(".npy"))
            files[name] = make(files[name])

        yield Case(f"array-{label}", "linear", members(change), "refused")
