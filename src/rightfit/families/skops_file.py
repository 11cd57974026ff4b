"""Check a skops file before skops builds anything from it.

skops builds only types that are trusted, and runs no code of the file. It bounds neither what the
file unpacks to nor what the arrays of a tree point at; both are checked here, on the file itself,
because building a damaged tree may already end the process.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from rightfit.families.bundle_files import open_regular
from rightfit.families.schema import InputSchema
from rightfit.families.tree_arrays import check_histogram_tree, check_sklearn_tree

MAX_SCHEMA_BYTES = 128 * 2**20  # several thousand trees
MAX_EXPANSION = 50  # times the file's size; forests unpack to four to ten times theirs
ALWAYS_ALLOWED_BYTES = 256 * 2**20

_SCHEMA = "schema.json"
_PROTOCOL = 2
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # these unpack in bounded steps
# Loaders of skops that build data. Functions, methods and references are left out.
_LOADERS = frozenset(
    f"{kind}Node"
    for kind in (
        "Bytes", "Dict", "Json", "List", "Loss", "NdArray", "Object", "RandomGenerator",
        "RandomState", "Set", "Slice", "Tree", "Tuple", "Type",
    )
)  # fmt: skip
# Where trees are, nothing else may be that predicts by positions in arrays of its own.
_PACKAGES_WITH_TREES = tuple(
    f"sklearn.{name}"
    for name in ("_loss", "dummy", "ensemble", "linear_model", "preprocessing", "tree", "utils")
)

State = Mapping[str, Any]


def check_skops_file(path: Path, *, schema: InputSchema) -> None:
    """Refuse a file that unpacks to too much, or whose trees point outside of their arrays.

    Args:
        path: The file.
        schema: Columns and classes of the model it holds.

    Raises:
        ValueError: Naming the first fault.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            allowed = max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size)
            _check_sizes(archive, allowed)
            root = json.loads(archive.read(_SCHEMA))
            _Checker(archive, schema, allowed).check(root)
    except OSError:
        raise
    except Exception as err:  # whatever a crafted file makes zipfile, json or numpy raise
        raise ValueError(
            f"{path} is refused: {type(err).__name__}: {err}. Its hash may be right and its "
            "content still be wrong; train again, or get the model again from where it came from."
        ) from err


def _check_sizes(archive: zipfile.ZipFile, allowed_bytes: int) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) != len(set(names)):
        raise ValueError("two of its members have one name")
    if any(member.compress_type not in _COMPRESSIONS for member in members):
        raise ValueError("a member is compressed by another method than deflate")
    unpacked_bytes = sum(member.file_size for member in members)
    if unpacked_bytes > allowed_bytes:
        raise ValueError(f"it unpacks to {unpacked_bytes} bytes, allowed are {allowed_bytes}")
    if archive.getinfo(_SCHEMA).file_size > MAX_SCHEMA_BYTES:
        raise ValueError(f"its {_SCHEMA} is larger than {MAX_SCHEMA_BYTES} bytes")


class _Checker:
    """Walks the states of one file; remembers what was read, as skops does.

    Args:
        archive: The opened file.
        schema: Columns and classes of the model.
        allowed_bytes: What all arrays together may take.
    """

    def __init__(self, archive: zipfile.ZipFile, schema: InputSchema, allowed_bytes: int) -> None:
        self._archive = archive
        self._schema = schema
        self._allowed_bytes = allowed_bytes
        self._array_bytes = 0
        self._by_id: dict[int, State] = {}
        self._modules: set[str] = set()
        self._n_trees = 0
        self._n_owned = 0

    def check(self, root: Any) -> None:
        """Check the whole file, given its parsed schema."""
        if not isinstance(root, dict) or root.get("protocol") != _PROTOCOL:
            raise ValueError(f"its skops protocol is not {_PROTOCOL}")
        for state in _walk(root):
            self._check_state(state)
        if self._n_trees != self._n_owned:
            raise ValueError("it holds a tree that belongs to no estimator")
        foreign = sorted(m for m in self._modules if not m.startswith(_PACKAGES_WITH_TREES))
        if self._n_trees and foreign:
            raise ValueError(f"beside trees it holds objects of {foreign}")
        self._check_root(root)

    def _check_state(self, state: State) -> None:
        loader = state["__loader__"]
        if loader not in _LOADERS:
            raise ValueError(f"it asks for {str(loader)[:80]!r}, which is not needed for data")
        known = self._by_id.setdefault(state["__id__"], state) if "__id__" in state else state
        if known is not state and not _are_alike(known, state):  # skops builds the first alone
            raise ValueError("two of its objects have one identity")
        if loader == "NdArrayNode" and state["type"] == "numpy" and known is state:
            self._check_array_header(state["file"])
        if loader == "TreeNode":
            self._n_trees += known is state
        elif loader in ("ObjectNode", "LossNode"):
            self._modules.add(str(state["__module__"]))
            if known is state:
                self._check_object(state)

    def _check_object(self, state: State) -> None:
        attributes = _attributes(state)
        if state["__class__"] == "TreePredictor":
            self._n_trees += 1
            self._n_owned += 1
            nodes = self._read_array(attributes["nodes"])
            check_histogram_tree(nodes, n_features=self._schema.n_features)
        if "tree_" in attributes:
            self._n_owned += 1
            self._check_tree(
                attributes["tree_"], n_features=_read_int(attributes["n_features_in_"])
            )

    def _check_tree(self, state: State, *, n_features: int) -> None:
        if state["__loader__"] != "TreeNode":
            raise ValueError("its tree_ is no tree")
        stored, n_outputs, n_targets = state["__reduce__"]["args"]["content"]
        outputs = self._read_array(n_outputs)
        content = _items(state["content"])
        nodes, values = (self._read_array(content[name]) for name in ("nodes", "values"))
        if _read_int(stored) != n_features or not 0 < n_features <= self._schema.n_features:
            raise ValueError(f"a tree reads {_read_int(stored)} features, its model {n_features}")
        if _read_int(n_targets) != 1 or outputs.shape != (1,) or outputs.dtype.kind != "i":
            raise ValueError("a tree must have one target")
        if not 1 <= outputs[0] <= self._schema.n_classes:
            raise ValueError(f"a tree has {outputs[0]} classes, not {self._schema.n_classes}")
        if _read_int(content["node_count"]) != len(nodes):
            raise ValueError(f"node_count is not {len(nodes)}, the number of nodes")
        if not 0 <= _read_int(content["max_depth"]) <= len(nodes):
            raise ValueError("max_depth is negative or larger than the tree")
        check_sklearn_tree(nodes, values, n_features=n_features, n_outputs=int(outputs[0]))

    def _check_root(self, root: State) -> None:
        attributes = _attributes(root)
        schema = self._schema
        if "n_features_in_" in attributes:
            found = _read_int(attributes["n_features_in_"])
            if found != schema.n_features:
                raise ValueError(f"the model reads {found} features, not {schema.n_features}")
        if "classes_" in attributes and self._n_trees:
            shape = self._read_array(attributes["classes_"]).shape
            if shape != (schema.n_classes,):
                raise ValueError(f"the model has classes of shape {shape}, not {schema.n_classes}")
        self._check_members(attributes)
        if "_predictors" in attributes:
            _check_histogram_model(attributes, n_stages=self._n_stages)
            mapper = _attributes(attributes["_bin_mapper"])
            if self._read_array(mapper["is_categorical_"]).any():
                raise ValueError("native categories are not supported")
        elif "n_trees_per_iteration_" in attributes:
            self._check_stages(attributes)

    @property
    def _n_stages(self) -> int:
        """Trees in a round of boosting."""
        return 1 if self._schema.n_classes == 2 else self._schema.n_classes

    def _check_stages(self, attributes: State) -> None:
        """Gradient boosting writes a column per tree into what its first guess has prepared."""
        first = _attributes(attributes["init_"])
        loss = "HalfMultinomialLoss" if self._n_stages > 1 else "HalfBinomialLoss"
        widths = [
            _read_int(attributes["estimators_"]["shape"]["content"][1]),
            _read_int(attributes["n_trees_per_iteration_"]),
        ]
        if widths != [self._n_stages] * 2 or attributes["_loss"]["__class__"] != loss:
            raise ValueError(f"a round of boosting must have {self._n_stages} trees, not {widths}")
        if attributes["init_"]["__class__"] != "DummyClassifier" or self._read_array(
            first["classes_"]
        ).shape != (self._schema.n_classes,):
            raise ValueError("boosting starts from another guess than the classes' shares")

    def _check_members(self, attributes: State) -> None:
        """Members that see all columns must read as many: a forest does not look again."""
        if "estimators_" not in attributes or "estimators_features_" in attributes:
            return
        for state in _walk(attributes["estimators_"]):
            member = _attributes(state) if state["__loader__"] == "ObjectNode" else {}
            width = _read_int(member["n_features_in_"]) if "tree_" in member else None
            if width not in (None, self._schema.n_features):
                raise ValueError(f"a tree reads {width} features, not {self._schema.n_features}")

    def _check_array_header(self, name: str) -> None:
        """An array must be as long as its header says, or numpy would reserve what it claims."""
        with self._archive.open(name) as member:
            shape, dtype = _read_header(member)
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes + member.tell() != self._archive.getinfo(name).file_size or dtype.hasobject:
                raise ValueError(f"the array {name[:80]} is not as long as it says")
        self._array_bytes += n_bytes  # one member may be read for many arrays
        if self._array_bytes > self._allowed_bytes:
            raise ValueError(f"its arrays take more than the {self._allowed_bytes} bytes allowed")

    def _read_array(self, state: State) -> Any:
        if state["__loader__"] != "NdArrayNode" or state["type"] != "numpy":
            raise ValueError("an array is not stored as one")
        return np.load(io.BytesIO(self._archive.read(state["file"])), allow_pickle=False)


def _check_histogram_model(attributes: State, *, n_stages: int) -> None:
    if _read_int(attributes["n_trees_per_iteration_"]) != n_stages:
        raise ValueError(f"a round of boosting must have {n_stages} trees")
    for name in ("_preprocessor", "is_categorical_"):
        if name in attributes and _read_json(attributes[name]) is not None:
            raise ValueError(f"boosted trees must have no {name}")
    for one_round in attributes["_predictors"]["content"]:
        kinds = {state["__class__"] for state in one_round["content"]}
        if kinds != {"TreePredictor"} or len(one_round["content"]) != n_stages:
            raise ValueError(f"each round must have {n_stages} trees of the kind TreePredictor")


def _read_header(member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"an array has the version {version}")
    shape, _, dtype = read[version](member)
    return shape, dtype


def _walk(value: Any) -> Iterator[State]:
    """Yield all states of a schema, owners before what they own; without recursion."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _are_alike(one: Any, other: Any) -> bool:
    """Compare two states but for the identities inside, which are compared in their own turn."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            name == "__id__" or _are_alike(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_alike, one, other))
    return type(one) is type(other) and bool(one == other)


def _items(state: State) -> State:
    content = cast(State, state["content"])
    if state["__loader__"] != "DictNode" or len(state["key_types"]["content"]) != len(content):
        raise ValueError("attributes are not stored as a whole dictionary")
    if any(kind["__class__"] != "str" for kind in state["key_types"]["content"]):
        raise ValueError("names of attributes are not stored as text")
    return content


def _attributes(state: State) -> State:
    content = state.get("content")
    if not isinstance(content, dict) or content.get("__loader__") != "DictNode":
        return {}
    return _items(content)


def _read_json(state: State) -> Any:
    if state["__loader__"] != "JsonNode":
        return state
    return json.loads(state["content"])


def _read_int(state: State) -> int:
    value = _read_json(state)
    if type(value) is not int:
        raise ValueError("a number is not stored as one")
    return value
