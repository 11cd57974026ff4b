"""Answer and time requests with one version of Rightfit, as the process of ``request.py``.

Reads a JSON object a line from standard input and answers each with one. It imports of Rightfit
what an exported program is made of, and makes the requests itself, so that all versions get the
same.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rightfit.data.request_path import usage
from rightfit.data.request_path.encoder_graph import join_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.usage import open_graph
from rightfit.models import onnx_session

Columns = Any  # a mapping, or a frame
N_SINGLES = 256
N_BATCHES = 3
N_AWKWARD = 40
WRONG_NUMBERS = (
    None, float("nan"), float("inf"), -float("inf"), 1e39, -1e300, 10**30, 10**400, True, False, 7,
    "3", "", np.str_("3"), b"3", [1], {"a": 1}, (1,), 1j, np.float32(0.1), np.int64(3), np.True_,
    np.float16(0.1), np.array(2.0), np.array([2.0]), np.datetime64("2024-01-01"),
    datetime.date(2024, 1, 1), datetime.timedelta(1), decimal.Decimal("0.1"),
    fractions.Fraction(1, 3), object(),
)  # fmt: skip
WRONG_TEXTS = (
    None, "", "never seen", "é" * 50, 0, 1, 7, 7.0, 0.5, True, False, float("nan"), np.nan,
    np.str_("a"), np.int64(1), np.float32(0.1), np.True_, b"a", ["a"], {"a": 1}, ("a",), 2**70,
    float("inf"), datetime.date(2024, 1, 1), decimal.Decimal("0.1"), "true", "1",
)  # fmt: skip
FORMS: tuple[Callable[[Any], Any], ...] = (
    tuple, lambda values: np.array(values, dtype=object), pl.Series,
)  # fmt: skip
ARRAY_TYPES = ("float32", "float16", "int64", "uint8", "bool", "object", "U", "M8[D]", "m8[s]")


class Model:
    """An open model, with the rows that its requests are cut of.

    Args:
        model_file: A bundle's ONNX file.
        encoder_file: Content of ``encoder.json``.
        rows_file: Raw rows, an array of a field per column.
        folder: Where the graph is written.
    """

    def __init__(self, model_file: str, encoder_file: str, rows_file: str, folder: str) -> None:
        encoder = json.loads(Path(encoder_file).read_text())
        self.rows = np.load(rows_file)
        self.inputs = list_inputs(encoder)
        graph = Path(folder, "model.onnx")
        graph.write_bytes(join_encoder(Path(model_file), encoder))
        self.calls: dict[str, tuple[Callable[..., Any], list[Any]]] = {}
        self.answer = open_graph(graph, self.inputs, n_threads=1, device="cpu")
        self.recorded: list[Any] = []
        holder: Any = usage if hasattr(usage, "open_session") else onnx_session
        open_session = holder.open_session

        class Recorder:
            """A session that notes what it is asked, and has no faster ways."""

            def __init__(self, session: Any, recorded: list[Any]) -> None:
                self._session, self._recorded = session, recorded

            def run(self, outputs: Any, feed: Any, *_: Any) -> Any:
                copied = {name: np.copy(array) for name, array in feed.items()}
                self._recorded[:] = [outputs, copied]
                return self._session.run(outputs, feed)

            def io_binding(self) -> Any:
                raise ValueError("requests of one row are noted, too")

            def __getattr__(self, name: str) -> Any:
                if name == "_sess":
                    raise AttributeError(name)
                return getattr(self._session, name)

        def open_recorder(*arguments: Any, **options: Any) -> Any:
            self.session = open_session(*arguments, **options)
            return Recorder(self.session, self.recorded)

        holder.open_session = open_recorder
        try:
            self.recording = open_graph(graph, self.inputs, n_threads=1, device="cpu")
        finally:
            holder.open_session = open_session

    def prepare(self, form: str, n_rows: int) -> None:
        """Make the requests of a form, and the feed of the graph alone."""
        n_requests = N_SINGLES if n_rows < 256 else N_BATCHES
        rng = np.random.default_rng(n_rows)
        requests = [
            make_request(self.rows[rng.integers(0, len(self.rows), n_rows)], form)
            for _ in range(n_requests)
        ]
        self.calls["whole"] = self.answer, [(request,) for request in requests]
        feeds = []
        for request in requests:
            self.recording(request)
            feeds.append(tuple(self.recorded))
        self.calls["graph"] = self.session.run, feeds

    def time_slice(self, what: str, slice_s: float) -> float:
        """Return the nanoseconds that a call computes, as the mean of a short slice.

        Its thread is the only one, and what else the machine does is not counted.
        """
        call, requests = self.calls[what]
        n_calls, clock = 0, time.perf_counter_ns
        call(*requests[0])  # whatever ran before has taken the caches
        started_ns = time.thread_time_ns()
        end_ns = clock() + int(slice_s * 1e9)
        while not n_calls or clock() < end_ns:
            call(*requests[n_calls % len(requests)])
            n_calls += 1
        return (time.thread_time_ns() - started_ns) / n_calls

    def try_awkward(self) -> dict[str, str]:
        """Return what becomes of each awkward request: a hash of the answer, or the refusal."""
        return {name: self._try(columns) for name, columns in make_awkward(self.rows, self.inputs)}

    def _try(self, columns: Columns) -> str:
        try:
            answers = self.answer(columns)
        except Exception as err:
            return f"{type(err).__name__}: {err}"
        return f"{answers.dtype}{answers.shape} {hashlib.sha256(answers.tobytes()).hexdigest()}"


def make_request(rows: Any, form: str) -> Columns:
    """Return rows as a user has them: lists, arrays, or a polars or pandas frame."""
    columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names}
    for name, values in columns.items():
        if values.dtype.kind == "U":
            columns[name] = np.array([text or None for text in values.tolist()], dtype=object)
    if form == "arrays":
        return columns
    lists = {
        name: [row.tobytes() for row in values]
        if values.ndim > 1
        else [None if value != value else value for value in values.tolist()]
        for name, values in columns.items()
    }
    if form == "lists":
        return lists
    return pl.DataFrame(lists) if form == "polars" else pl.DataFrame(lists).to_pandas()


def make_awkward(  # noqa: C901 -- a list of cases
    rows: Any, inputs: Any
) -> Iterator[tuple[str, Columns]]:
    """Yield awkward requests by name."""
    first = make_request(rows[:N_AWKWARD], "lists")
    arrays = make_request(rows[:N_AWKWARD], "arrays")
    names = list(first)

    def cut(columns: Mapping[str, Any], n_rows: int) -> dict[str, Any]:
        return {name: values[:n_rows] for name, values in columns.items()}

    for n_rows in (0, 1, 2, N_AWKWARD):
        for form, columns in (("lists", cut(first, n_rows)), ("arrays", cut(arrays, n_rows))):
            yield f"{form} of {n_rows}", columns
            yield f"{form} of {n_rows}, reordered", dict(reversed(columns.items()))
            yield f"{form} of {n_rows}, further", columns | {"further": ["x"] * n_rows}
            lacking = {name: columns[name] for name in names[:-1]}
            yield f"{form} of {n_rows}, lacking", lacking
            for name in dict.fromkeys((names[0], names[-1])):
                short = {**columns, name: columns[name][: max(0, n_rows - 1)]}
                yield f"{form} of {n_rows}, {name} short", short
        as_tuples = {name: tuple(values) for name, values in cut(first, n_rows).items()}
        yield f"tuples of {n_rows}", as_tuples
        mixed = cut(first, n_rows) | {names[0]: arrays[names[0]][:n_rows]}
        yield f"mixed of {n_rows}", mixed
        yield f"polars of {n_rows}", pl.DataFrame(cut(first, n_rows))
    for tensor in inputs:
        if tensor.dtype == "uint8":
            continue
        wrong = WRONG_TEXTS if tensor.dtype == "string" else WRONG_NUMBERS
        for name in dict.fromkeys((tensor.columns[0], tensor.columns[-1])):
            for n_rows in (1, 3, N_AWKWARD):
                for number, value in enumerate(wrong):
                    columns = cut(first, n_rows)
                    columns[name] = [*columns[name][:-1], value]
                    label = f"{name} of {n_rows}, {number}: {type(value).__name__} {value!s:.20}"
                    yield label, columns
                    if number and isinstance(value, float | int | str | type(None)):
                        for make in FORMS:
                            try:
                                made = make(columns[name])
                            except (TypeError, ValueError, OverflowError):
                                continue
                            yield f"{label} as {type(made).__name__}", columns | {name: made}
                            if make is not tuple:
                                others = cut(arrays, n_rows) | {name: made}
                                yield f"{label} as {type(made).__name__} beside arrays", others
                for dtype in ARRAY_TYPES:
                    columns = cut(arrays, n_rows)
                    values = arrays[name][:n_rows]
                    if tensor.dtype != "string" or dtype in ("object", "U"):
                        gapless = values if dtype == "object" else fill_gaps(values)
                        columns[name] = gapless.astype(dtype)
                        yield f"{name} of {n_rows} as {dtype}", columns
                    columns = cut(arrays, n_rows)
                    columns[name] = np.repeat(values[:, None], 2, axis=1)
                    yield f"{name} of {n_rows} in two dimensions", columns
                for value in (np.nan, np.inf, 1e39):
                    if tensor.dtype != "string":
                        columns = cut(arrays, n_rows)
                        columns[name] = columns[name].copy()
                        columns[name][-1] = value
                        yield f"{name} of {n_rows}, {value} in an array", columns


def fill_gaps(values: Any) -> Any:
    """Return values without gaps, which not every type holds."""
    if values.dtype == object:
        return np.array([value or "" for value in values], dtype=object)
    return np.clip(np.nan_to_num(values), 0, 100)


def main() -> None:
    """Serve requests until there are none."""
    model: Model | None = None
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        reply: Any = None
        try:
            if verb == "open":
                model = Model(*arguments)
            else:
                reply = getattr(model, verb)(*arguments)
        except Exception as err:
            reply = {"error": f"{type(err).__name__}: {err}"[:300]}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
