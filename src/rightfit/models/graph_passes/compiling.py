"""Compile a served graph: run the passes, and compare predictions before and after."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightfit._core.spelling import name_some
from rightfit.models.graph_passes import Pass
from rightfit.models.graph_passes.tidying import keep_answers, remove_copies

if TYPE_CHECKING:
    from onnx import ModelProto

logger = logging.getLogger(__name__)

EXACT = {keep_answers.__name__, remove_copies.__name__}  # they compute nothing otherwise
PREFIX = "rightfit."  # of keys in a graph's metadata, whose values are JSON
APPLIED, DROPPED = f"{PREFIX}passes", f"{PREFIX}dropped_passes"  # lists of names
CLASSES, COLUMNS = f"{PREFIX}classes", f"{PREFIX}columns"  # so that the file alone tells them


@dataclass(frozen=True)
class CompiledGraph:
    """A compiled graph.

    Args:
        content: The ONNX model.
        applied: Names of the passes that have rewritten it, in order.
        dropped: Names of those that would have changed its predictions.
    """

    content: bytes
    applied: tuple[str, ...]
    dropped: tuple[str, ...]


def compile_graph(
    model: ModelProto,
    passes: Sequence[Pass],
    predicts_alike: Callable[[bytes], bool],
    *,
    name: str,
) -> CompiledGraph:
    """Run passes over a graph; leave out those that change its predictions.

    Args:
        model: The graph; it stays as it is.
        passes: In order.
        predicts_alike: Tells whether a rewritten graph predicts as the model does, but for
            rounding.
        name: The model's name, for the log.
    """
    compiled, applied = _run(model, passes)
    dropped: list[str] = []
    if set(applied) - EXACT and not _predicts_alike(compiled.SerializeToString(), predicts_alike):
        compiled, applied, dropped = _run_one_by_one(model, passes, predicts_alike)
        if dropped:
            logger.debug(
                "%s is served without %s, which would have changed its predictions",
                name,
                " and ".join(dropped),
            )
    return CompiledGraph(_note(compiled, applied, dropped), tuple(applied), tuple(dropped))


def _run_one_by_one(
    model: ModelProto, passes: Sequence[Pass], predicts_alike: Callable[[bytes], bool]
) -> tuple[ModelProto, list[str], list[str]]:
    """Return a model after the passes that keep its predictions, their names and the others'."""
    applied: list[str] = []
    dropped: list[str] = []
    for rewrite in passes:
        compiled, names = _run(model, [rewrite])
        if set(names) <= EXACT or _predicts_alike(compiled.SerializeToString(), predicts_alike):
            model = compiled
            applied += names
        else:
            dropped += names
    return model, list(dict.fromkeys(applied)), list(dict.fromkeys(dropped))


def log_dropped(graphs: Mapping[str, Path], *, of: str) -> None:
    """Log how many graphs are served without a pass, a line for each pass.

    Args:
        graphs: Files of compiled graphs by the name of the model.
        of: What they belong to, for the log.
    """
    import onnx

    models: dict[str, list[str]] = {}
    for name, file in graphs.items():
        for dropped in read_notes(onnx.load(file, load_external_data=False)).get(DROPPED, ()):
            models.setdefault(dropped, []).append(name)
    for dropped, names in models.items():
        logger.info(
            "%s: %d of %d graphs are served without %s, which would have changed predictions: %s",
            of,
            len(names),
            len(graphs),
            dropped,
            name_some(names),
        )


def read_notes(model: ModelProto) -> dict[str, Any]:
    """Return what compiling has noted in a model's metadata, by key."""
    return {
        entry.key: json.loads(entry.value)
        for entry in model.metadata_props
        if entry.key.startswith(PREFIX)
    }


def note(model: ModelProto, key: str, value: Any) -> None:
    """Note something in a model's metadata, in place of what stands there."""
    from onnx import helper

    noted = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, noted | {key: json.dumps(value)})


def _note(model: ModelProto, applied: Sequence[str], dropped: Sequence[str]) -> bytes:
    """Note the passes in a model's metadata, after those of an earlier compilation."""
    marked = deepcopy(model)
    noted = read_notes(model)
    for key, names in ((APPLIED, applied), (DROPPED, dropped)):
        if merged := list(dict.fromkeys([*noted.get(key, ()), *names])):
            note(marked, key, merged)
    content: bytes = marked.SerializeToString()
    return content


def _run(model: ModelProto, passes: Sequence[Pass]) -> tuple[ModelProto, list[str]]:
    """Return a model after passes, each repeated while it finds something."""
    applied = []
    for rewrite in passes:
        while (rewritten := rewrite(model)) is not model:
            model = rewritten
            applied.append(rewrite.__name__)
    return model, list(dict.fromkeys(applied))


def _predicts_alike(content: bytes, predicts_alike: Callable[[bytes], bool]) -> bool:
    try:
        return predicts_alike(content)
    except ValueError as err:  # ONNX Runtime cannot open it
        logger.debug("A rewritten graph does not run: %s", err)
        return False
