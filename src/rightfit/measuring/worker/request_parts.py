"""Where a request's time goes: reading it, feeding the graph, the graph, and writing the answer.

A measured request is one call with Python values. What of it is feeding is timed alone, in turns
with whole calls, and told as a share of these, so that the machine's speed at the moment plays no
part. Reading and writing JSON come before and after it in a server, and are timed beside it.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rightfit.data.request_path.usage import name_answers, to_columns
from rightfit.measuring.worker.latency import Call, time_calls
from rightfit.measuring.worker.results import ANSWER, FEEDING, GRAPH, READING
from rightfit.measuring.worker.units import NS_PER_MS

N_ROWS = 64  # that rotate
N_TURNS = 7
SLICE_NS = NS_PER_MS  # of calls of a part, or one
MAX_NS = 100 * NS_PER_MS  # of all turns; there is one at least


def time_parts(call: Call, rows: Sequence[Any]) -> dict[str, float] | None:
    """Return what each part takes, as a share of a whole call.

    Args:
        call: Answers requests.
        rows: Requests of one row.

    Returns:
        The shares by part; ``None``: what it answers is no request of raw columns.
    """
    feed: Callable[[Any], object] | None = getattr(call, "feed", None)
    if feed is None:
        return None
    try:
        return _time_parts(call, feed, rows[:N_ROWS])
    except (TypeError, ValueError):  # an answer that JSON does not hold
        return None


def _time_parts(
    call: Call, feed: Callable[[Any], object], requests: Sequence[Any]
) -> dict[str, float]:
    answers = [np.asarray(call(request)) for request in requests]
    n_classes = answers[0].shape[1]
    classes = [str(i) for i in range(n_classes)] if n_classes > 1 else []
    bodies = [_write_body(request) for request in requests]
    steps: Mapping[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "": (call, requests),
        READING: (lambda body: to_columns(json.loads(body)), bodies),
        FEEDING: (feed, requests),
        ANSWER: (lambda answer: json.dumps(name_answers(answer, classes)), answers),
    }
    turns: list[dict[str, float]] = []
    spent_ns = 0.0
    while not turns or (len(turns) < N_TURNS and spent_ns < MAX_NS):
        turn = {}
        for name, (step, inputs) in steps.items():
            samples_ns = time_calls(
                step, itertools.cycle(inputs), min_calls=1, min_ns=SLICE_NS, max_ns=SLICE_NS
            )
            turn[name] = float(np.median(samples_ns))
            spent_ns += float(samples_ns.sum())
        turns.append(turn)
    found = {
        name: float(np.median([turn[name] / turn[""] for turn in turns]))
        for name in (READING, FEEDING, ANSWER)
    }
    feeding = min(1.0, found[FEEDING])
    return found | {FEEDING: feeding, GRAPH: 1 - feeding}


def _write_body(request: Mapping[str, Sequence[Any]]) -> str:
    row = {name: value for name, (value,) in request.items()}
    return json.dumps([row], default=lambda content: base64.b64encode(content).decode())
