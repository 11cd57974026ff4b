"""Bundles made to do harm: how good ones are changed, and the process that opens them.

Each change leaves the hashes right unless they are what it attacks: whoever writes a bundle also
writes its ``bundle.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.bundle import read_bundle
from rightfit.models.runtimes import available_runtimes, open_predictor

MANIFEST = "bundle.json"
SKOPS = "weights.skops"

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a case happens.

    Args:
        folder: The bundle, a copy of a good one.
        outside: A folder that nothing may touch.
    """

    folder: Path
    outside: Path

    @property
    def manifest(self) -> Json:
        content: Json = json.loads((self.folder / MANIFEST).read_text())
        return content

    def write_manifest(self, manifest: Any) -> None:
        (self.folder / MANIFEST).write_text(json.dumps(manifest))

    def hash_again(self) -> None:
        """Make the hashes of the files that are there right."""
        manifest = self.manifest
        for name in manifest["files"]:
            if (self.folder / name).is_file():
                manifest["files"][name] = sha256(self.folder / name)
        self.write_manifest(manifest)


@dataclass(frozen=True)
class Case:
    """One hostile bundle.

    Args:
        name: What is wrong.
        family: Which good bundle it is made from.
        change: Makes it hostile.
        match: What the error must say.
    """

    name: str
    family: str
    change: Callable[[Place], None]
    match: str


class Payload:
    """Leaves a file behind if a pickle of it is ever loaded."""

    def __init__(self, marker: str) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self._marker, "w"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_and_answer(folder: Path, n_features: int) -> None:
    """Do with a bundle all that the project does with one from elsewhere.

    The family cannot be imported: native weights are to be refused before anybody asks for it.
    """
    bundle = read_bundle(folder, family="no.such.family")
    rows = np.zeros((8, n_features), dtype=np.float32)
    for runtime in available_runtimes(bundle):
        answers = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")(rows)
        assert np.isfinite(answers).all()
    bundle.load_native()


def describe_outcome(folder: str, n_features: int, answer: Any) -> None:
    """Open a bundle in this process; send what came of it: ``clear``, ``accepted`` or a class."""
    os.chdir(folder)
    with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing):  # noqa: PTH123
        try:
            open_and_answer(Path(folder), n_features)
            answer.send(("accepted", ""))
        except (ValueError, FileNotFoundError) as err:
            answer.send(("clear", str(err)))
        except BaseException as err:
            answer.send((type(err).__name__, str(err)))


def edit_skops(place: Place, edit: Callable[[dict[str, bytes]], None]) -> None:
    """Unpack a bundle's weights, change them, pack them and make the hash right again."""
    path = place.folder / SKOPS
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    path.write_bytes(make_zip(files))
    place.hash_again()


def make_zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def make_header(shape: tuple[int, ...], descr: str) -> bytes:
    written = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(written, header)
    return written.getvalue()


def make_external(location: str, *, where: str) -> bytes:
    """Write an ONNX model whose weights lie in another file."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=1, dims=[4, 3], data_location=1)
    for key, value in {"location": location, "length": "48"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    rows = helper.make_tensor_value_info("rows", 1, [None, 4])
    answers = helper.make_tensor_value_info("probabilities", 1, [None, 3])
    product = helper.make_node("MatMul", ["rows", "w"], ["probabilities"])
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    graph = helper.make_graph([product], "g", [rows], [answers], [tensor])
    functions = []
    if where == "attribute":
        graph = helper.make_graph([constant, product], "g", [rows], [answers])
    if where == "branch":
        weights = helper.make_tensor_value_info("w", 1, [4, 3])
        branch = helper.make_graph([constant], "b", [], [weights])
        yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("y", 9, [], [1]))
        choose = helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)
        graph = helper.make_graph([yes, choose, product], "g", [rows], [answers])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    if where == "function":
        functions = [helper.make_function("own", "Weights", [], ["w"], [constant], opsets[:1])]
        call = helper.make_node("Weights", [], ["w"], domain="own")
        graph = helper.make_graph([call, product], "g", [rows], [answers])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)
    written: bytes = model.SerializeToString()
    return written


def copy_bundle(good: Path, place: Place) -> None:
    """Lay a copy of a good bundle, and the folder that nothing may touch, beside each other."""
    shutil.copytree(good, place.folder)
    place.outside.mkdir()
    (place.outside / "secret").write_bytes(b"a key of somebody else's")
    (place.outside / "secret").chmod(0o600)


def void(_: object) -> None:
    """Drop a value where a change must return none."""
