"""Bundles made to do harm: a table of changes to good ones, and the process that opens them.

Each change leaves the hashes right unless they are what it attacks: whoever writes a bundle also
writes its ``bundle.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.families.bundle import ONNX_FILE, read_bundle
from rightfit.families.runtimes import available_runtimes, open_model

MANIFEST = "bundle.json"
WEIGHTS = {"net": "weights.safetensors"}
SKOPS = "weights.skops"
FAMILIES = ("linear", "forest", "boosting", "net")

Json = dict[str, Any]
EditMembers = Callable[[dict[str, bytes]], None]


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
    """Do with a bundle all that the project does with one."""
    bundle = read_bundle(folder)
    rows = np.zeros((8, n_features), dtype=np.float32)
    for runtime in available_runtimes(bundle):
        answers = open_model(bundle, runtime=runtime, n_threads=1, device="cpu")(rows)
        assert np.isfinite(answers).all()


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


def list_cases() -> list[Case]:
    """Return the whole table."""
    parts = (
        names, manifests, links, contents, onnx_files, skops_files, trees, tree_states, boosted,
    )  # fmt: skip
    return [case for part in parts for case in part()]


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
    for name in ("format_version", "family", "configuration", "input_schema", "files", "onnx"):
        yield Case(f"without-{name}", "linear", without(name), f"{name} must be")
    for name, value in {
        "format_version": "1", "family": ["linear"], "configuration": [], "input_schema": "x",
        "data_version": 3, "files": [], "onnx": "yes",
    }.items():  # fmt: skip
        yield Case(f"type-of-{name}", "linear", field(name, value), f"{name} must be")
    yield Case("version-true", "linear", field("format_version", True), "format_version must be")
    yield Case("version-99", "linear", field("format_version", 99), "format_version 99")
    yield Case("no-files", "linear", field("files", {}), "lists no file")
    for label, value in {"short": "abc", "number": 7, "upper": "A" * 64}.items():
        change = field("files", {SKOPS: value})
        yield Case(f"hash-{label}", "linear", change, "SHA-256 of 64 hex digits")
    yield Case("hash-wrong", "linear", field("files", {SKOPS: "0" * 64}), "damaged")
    yield Case("family-unknown", "linear", field("family", "os.system"), "no model family")
    yield Case("family-path", "linear", field("family", "../linear"), "no model family")
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

        yield Case(f"schema-{label}", "linear", change, "input schema is wrong")
    for label, new in {
        "layers": {"n_layers": 10**9}, "units": {"n_units": 10**12}, "text": {"n_units": "many"},
        "none": {"n_layers": None},
    }.items():  # fmt: skip

        def change(place: Place, new: Json = new) -> None:
            configuration = place.manifest["configuration"] | new
            place.write_manifest(place.manifest | {"configuration": configuration})

        yield Case(f"configuration-{label}", "net", change, "weights of this network")


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


def trees() -> Iterator[Case]:
    """Forests whose trees point elsewhere."""

    def nodes(edit: Callable[[Any], Any]) -> Callable[[Place], None]:
        return lambda place: edit_tree(place, "Tree", "nodes", edit)

    def setting(field: str, index: int, value: Any) -> Callable[[Any], Any]:
        def edit(array: Any) -> Any:
            array[field][index] = value
            return array

        return edit

    yield Case("child-itself", "forest", nodes(setting("left_child", 0, 0)), "follow its parent")
    yield Case("child-back", "forest", nodes(setting("left_child", 1, 0)), "refused")
    yield Case("child-beyond", "forest", nodes(setting("right_child", 0, 10**6)), "follow its")
    yield Case("child-negative", "forest", nodes(setting("right_child", 0, -7)), "follow its")
    yield Case("child-shared", "forest", nodes(setting("right_child", 0, 1)), "one parent")
    yield Case("child-alone", "forest", nodes(setting("right_child", 0, -1)), "one child")
    yield Case("feature-beyond", "forest", nodes(setting("feature", 0, 10**6)), "features")
    yield Case("feature-negative", "forest", nodes(setting("feature", 0, -2)), "features")
    yield Case("threshold-nan", "forest", nodes(setting("threshold", 0, np.nan)), "threshold")
    yield Case("no-nodes", "forest", nodes(lambda array: array[:0]), "refused")
    yield Case("nodes-plain", "forest", nodes(lambda array: np.zeros(len(array))), "fields")
    yield Case("nodes-cut", "forest", nodes(lambda array: array[:-2]), "refused")
    for label, edit in {
        "infinite": lambda values: np.full_like(values, np.inf),
        "wide": lambda values: np.repeat(values, 2, axis=2),
        "short": lambda values: values[:-1],
        "float32": lambda values: values.astype(np.float32),
    }.items():
        change = lambda place, edit=edit: edit_tree(place, "Tree", "values", edit)  # noqa: E731
        yield Case(f"values-{label}", "forest", change, "values must")


def tree_states() -> Iterator[Case]:
    """Forests whose trees are not what their estimators take them for."""

    def state(edit: Callable[[Json], None]) -> Callable[[Place], None]:
        return lambda place: edit_skops(
            place, edit_schema=lambda root: edit(next(find_states(root, "Tree")))
        )

    def number(path: tuple[Any, ...], value: str) -> Callable[[Place], None]:
        def edit(tree: Any) -> None:
            for key in path:
                tree = tree[key]
            tree.update({"content": value, "__id__": 1})

        return state(edit)

    arguments = ("__reduce__", "args", "content")
    yield Case("node-count", "forest", number(("content", "content", "node_count"), "9999"),
               "node_count")  # fmt: skip
    yield Case("depth", "forest", number(("content", "content", "max_depth"), "-1"), "max_depth")
    yield Case("many-features", "forest", number((*arguments, 0), "1000000"), "features")
    yield Case("many-targets", "forest", number((*arguments, 2), "1000000"), "one target")
    yield Case("dropped-key", "forest",
               state(lambda tree: void(tree["content"]["key_types"]["content"].pop())),
               "whole dictionary")  # fmt: skip

    def forge(root: Json) -> None:
        """Give an array the identity of another that is built first."""
        first, second = (next(find_states(tree, "ndarray")) for tree in find_states(root, "Tree"))
        second["__id__"] = first["__id__"]

    yield Case("forged-identity", "forest", lambda place: edit_skops(place, edit_schema=forge),
               "one identity")  # fmt: skip

    def widen(root: Json) -> None:
        member = next(find_states(root, "DecisionTreeClassifier", having="tree_"))
        member["content"]["content"]["n_features_in_"].update({"content": "400", "__id__": 1})

    yield Case("wide-member", "forest", lambda place: edit_skops(place, edit_schema=widen),
               "features")  # fmt: skip

    def orphan(root: Json) -> None:
        tree = next(find_states(root, "Tree"))
        copied = json.loads(json.dumps(tree))
        forget_identities(copied)
        root["content"]["content"]["verbose"] = copied

    yield Case("orphan", "forest", lambda place: edit_skops(place, edit_schema=orphan),
               "no estimator")  # fmt: skip

    def smuggle(root: Json) -> None:
        root["content"]["content"]["verbose"] = {
            "__class__": "SVC", "__module__": "sklearn.svm._classes", "__loader__": "ObjectNode",
        }  # fmt: skip

    yield Case("smuggled", "forest", lambda place: edit_skops(place, edit_schema=smuggle),
               "beside trees")  # fmt: skip


def boosted() -> Iterator[Case]:
    """Boosted trees that point elsewhere."""

    def nodes(field: str, value: Any) -> Callable[[Place], None]:
        def edit(array: Any) -> Any:
            array[field][0] = value
            return array

        return lambda place: edit_tree(place, "TreePredictor", "nodes", edit)

    yield Case("boosted-itself", "boosting", nodes("left", 0), "follow its parent")
    yield Case("boosted-beyond", "boosting", nodes("right", 10**6), "follow its parent")
    yield Case("boosted-feature", "boosting", nodes("feature_idx", 10**6), "features")
    yield Case("boosted-category", "boosting", nodes("is_categorical", 1), "categories")
    yield Case("boosted-value", "boosting", nodes("value", np.nan), "finite")
    yield Case("boosted-threshold", "boosting", nodes("num_threshold", np.nan), "threshold")

    def mark(root: Json, edit: Callable[[Json], None]) -> None:
        edit(root["content"]["content"])

    def attribute(edit: Callable[[Json], None]) -> Callable[[Place], None]:
        return lambda place: edit_skops(place, edit_schema=lambda root: mark(root, edit))

    more = attribute(
        lambda known: known["n_trees_per_iteration_"].update({"content": "1", "__id__": 1})
    )
    yield Case("boosted-rounds", "boosting", more, "round of boosting")
    longer = attribute(
        lambda known: known["_predictors"]["content"][0]["content"].append(
            known["_predictors"]["content"][0]["content"][0]
        )
    )
    yield Case("boosted-extra", "boosting", longer, "each round")
    prepared = attribute(lambda known: known["_preprocessor"].update({"content": "1", "__id__": 1}))
    yield Case("boosted-preprocessor", "boosting", prepared, "_preprocessor")

    def mark_category(place: Place) -> None:
        edit_tree(place, "_BinMapper", "is_categorical_", lambda array: np.ones_like(array))

    yield Case("boosted-mapper", "boosting", mark_category, "categories")


def edit_skops(
    place: Place,
    *,
    edit_schema: Callable[[Json], None] | None = None,
    edit_members: Callable[[dict[str, bytes]], None] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> None:
    """Unpack a bundle's weights, change them, pack them and make the hash right again."""
    path = place.folder / SKOPS
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if edit_schema:
        schema = json.loads(files["schema.json"])
        edit_schema(schema)
        files["schema.json"] = json.dumps(schema).encode()
    if edit_members:
        edit_members(files)
    path.write_bytes(make_zip(files, compression))
    place.hash_again()


def edit_tree(place: Place, kind: str, name: str, edit: Callable[[Any], Any]) -> None:
    """Change one array of the first tree."""

    def edit_schema(root: Json) -> None:
        state = next(find_states(root, kind))
        names.append(state["content"]["content"][name]["file"])

    def edit_members(files: dict[str, bytes]) -> None:
        array = edit(np.load(io.BytesIO(files[names[0]])))
        written = io.BytesIO()
        np.save(written, array)
        files[names[0]] = written.getvalue()

    names: list[str] = []
    edit_skops(place, edit_schema=edit_schema, edit_members=edit_members)


def find_states(value: Any, kind: str, *, having: str | None = None) -> Iterator[Any]:
    """Find the states of one class in a schema."""
    if isinstance(value, dict):
        if value.get("__class__") == kind and (
            having is None or having in value["content"]["content"]
        ):
            yield value
        for part in value.values():
            yield from find_states(part, kind, having=having)
    elif isinstance(value, list):
        for part in value:
            yield from find_states(part, kind, having=having)


def forget_identities(value: Any) -> None:
    if isinstance(value, dict):
        value.pop("__id__", None)
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            forget_identities(part)


def make_zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=compression) as archive:
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
