"""Compile a served graph: run the passes, and compare predictions before and after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rightfit.families.graph_passes import Pass

if TYPE_CHECKING:
    from onnx import ModelProto

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CompiledGraph:
    """A compiled graph.

    Args:
        content: The ONNX model.
        applied: Names of the passes that have rewritten it, in order.
        dropped: Names of those that would have changed its predictions, or failed.
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
    content = compiled.SerializeToString()
    if applied and not _predicts_alike(content, predicts_alike):
        return _compile_step_by_step(model, passes, predicts_alike, name=name)
    return CompiledGraph(content, tuple(applied), ())


def _compile_step_by_step(
    model: ModelProto,
    passes: Sequence[Pass],
    predicts_alike: Callable[[bytes], bool],
    *,
    name: str,
) -> CompiledGraph:
    applied: list[str] = []
    dropped: list[str] = []
    for one in passes:
        compiled, names = _run(model, [one])
        if names and _predicts_alike(compiled.SerializeToString(), predicts_alike):
            model = compiled
            applied += names
        elif names:
            dropped += names
    logger.warning(
        "%s is served without %s, which would have changed its predictions",
        name,
        " and ".join(dropped) or "a combination of passes",
    )
    return CompiledGraph(model.SerializeToString(), tuple(applied), tuple(dropped))


def _run(model: ModelProto, passes: Sequence[Pass]) -> tuple[ModelProto, list[str]]:
    """Return a model after passes, each repeated while it finds something."""
    applied = []
    for one in passes:
        while (rewritten := one(model)) is not model:
            model = rewritten
            applied.append(one.__name__)
    return model, list(dict.fromkeys(applied))


def _predicts_alike(content: bytes, predicts_alike: Callable[[bytes], bool]) -> bool:
    try:
        return predicts_alike(content)
    except ValueError as err:  # ONNX Runtime cannot open it
        logger.debug("A rewritten graph does not run: %s", err)
        return False
