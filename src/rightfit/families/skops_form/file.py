"""Check a skops file before skops builds anything from it.

skops builds only types that are trusted, and runs no code of the file. It bounds neither what the
file unpacks to nor what the arrays of a tree point at; both are checked here, on the file itself,
because building a damaged tree may already end the process.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from rightfit.families.bundle_files import open_regular
from rightfit.families.schema import InputSchema
from rightfit.families.skops_form.estimators import (
    check_estimator,
    check_histogram_model,
    check_model,
    check_owner,
    check_tree,
)
from rightfit.families.skops_form.states import Arrays, State, are_alike, attributes, walk

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
        "Bytes", "DType", "Dict", "Json", "List", "Loss", "NdArray", "Object", "RandomGenerator",
        "RandomState", "Set", "Slice", "Tree", "Tuple", "Type",
    )
)  # fmt: skip
# Where trees are, nothing else may be that predicts by positions in arrays of its own unchecked.
_PACKAGES_WITH_TREES = tuple(
    f"sklearn.{name}"
    for name in (
        "_loss", "calibration", "compose", "decomposition", "discriminant_analysis", "dummy",
        "ensemble", "feature_selection", "impute", "linear_model", "multiclass", "naive_bayes",
        "neural_network", "pipeline", "preprocessing", "tree", "utils",
    )
)  # fmt: skip

_LOSS_BEFORE_1_7 = "_loss"  # of scikit-learn, as its compiled module called itself


def check_skops_file(path: Path, *, schema: InputSchema | None) -> None:
    """Refuse a file that unpacks to too much, or whose trees point outside of their arrays.

    Args:
        path: The file.
        schema: What the model must read and predict; ``None``: it is not known yet.

    Raises:
        ValueError: Naming the first fault.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            allowed = max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * path.stat().st_size)
            _check_sizes(archive, allowed)
            root = json.loads(archive.read(_SCHEMA))
            _Checker(Arrays(archive, allowed), schema).check(root)
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
    """Walks the states of one file."""

    def __init__(self, arrays: Arrays, schema: InputSchema | None) -> None:
        self._arrays = arrays
        self._schema = schema
        self._by_id: dict[int, State] = {}
        self._modules: set[str] = set()
        self._trees: list[State] = []
        self._owned: list[State] = []

    def check(self, root: Any) -> None:
        """Check the whole file, given its parsed schema."""
        if not isinstance(root, dict) or root.get("protocol") != _PROTOCOL:
            raise ValueError(f"its skops protocol is not {_PROTOCOL}")
        for state in walk(root):
            self._check_state(state)
        owned = {id(self._find_first(tree)) for tree in self._owned}
        if any(id(tree) not in owned for tree in self._trees):
            raise ValueError("it holds a tree that belongs to no estimator")
        others = self._modules - {_LOSS_BEFORE_1_7}
        foreign = sorted(m for m in others if not m.startswith(_PACKAGES_WITH_TREES))
        if self._trees and foreign:
            raise ValueError(f"beside trees it holds objects of {foreign}")
        if self._schema is not None:
            check_model(root, self._arrays, self._schema, has_trees=bool(self._trees))

    def _check_state(self, state: State) -> None:
        loader = state["__loader__"]
        if loader not in _LOADERS:
            raise ValueError(f"it asks for {str(loader)[:80]!r}, which is not needed for data")
        first = self._find_first(state)
        if first is not state:
            if not are_alike(first, state, self._arrays):  # skops builds only one of the two
                raise ValueError("two of its objects have one identity")
            return
        if loader == "NdArrayNode" and state["type"] == "numpy":
            self._arrays.check_header(state["file"])
        elif loader == "TreeNode":
            self._trees.append(state)
            check_tree(state, self._arrays, self._schema)
        elif loader in ("ObjectNode", "LossNode"):
            self._modules.add(str(state["__module__"]))
            self._check_object(state)

    def _check_object(self, state: State) -> None:
        known = attributes(state)
        if state["__class__"] == "TreePredictor":
            self._trees.append(state)
        if "_predictors" in known:
            self._owned += check_histogram_model(known, self._arrays)
        if "tree_" in known:
            self._owned.append(known["tree_"])
            check_owner(known)
        check_estimator(state, self._arrays)

    def _find_first(self, state: State) -> State:
        """Return the state that stands for all of one identity."""
        return self._by_id.setdefault(state["__id__"], state) if "__id__" in state else state
