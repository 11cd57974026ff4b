"""Answer with this model: ``python usage.py < rows.json``, or ``from usage import open_model``.

Needs numpy and onnxruntime, and Pillow if an image is a PNG or JPEG file; nothing else.
``rows.json`` is a list with one object per row; its keys are the raw columns that ``model.json``
lists, ``null`` stands for a missing value, and an image is a base64 text or a list of its bytes.
The ONNX file encodes the rows itself, but for decoding such a file.

Before it opens anything it compares the folder with ``SHA256SUMS``, which costs some milliseconds
at opening and nothing later. Those hashes show that files are what was exported, not by whom.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

if __package__:
    from rightfit.data.request_path import feeding
    from rightfit.data.request_path.feeding import Columns, TensorInput
    from rightfit.models import export_check, lookups, onnx_session
else:  # run in an exported folder, which stands for itself
    import export_check  # type: ignore[import-not-found,no-redef]
    import feeding  # type: ignore[import-not-found,no-redef]
    import lookups  # type: ignore[import-not-found,no-redef]
    import onnx_session  # type: ignore[import-not-found,no-redef]
    from feeding import Columns, TensorInput  # type: ignore[no-redef]

AGAIN = export_check.AGAIN
Floats = npt.NDArray[np.float32]
Answer = Callable[[Columns], Floats]

FOLDER = Path(__file__).parent
CALL = "model.json"
PROFILE = "profile.json"  # what was measured of the model; a server shows it
MAX_THREADS = 1_024
INPUT_DTYPES = ("string", "uint8", "int64", "float16", "float32", "float64")
TENSOR_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}
OUTPUTS = ("probabilities", "values", "rows")  # of classes, a regression, or an encoder alone
TWICE = "A column is there twice"


@dataclass(frozen=True)
class ExportedModel:
    """An exported model's file and how it is called: what is read of ``model.json``.

    Args:
        onnx_file: Name of its file in the folder.
        n_threads: Threads it was measured with.
        device: ``cpu`` or ``cuda``.
        inputs: Its input tensors.
        classes: In the order of its answers; empty: it answers a value.
        threshold: Probability from which on the second of two classes is the answer; ``None``: the
            likelier one is.
        costs: Of several classes, what each predicted one (column) costs where each (row) is true;
            ``None``: the likeliest one is the answer.
    """

    onnx_file: str
    n_threads: int
    device: str
    inputs: tuple[TensorInput, ...]
    classes: tuple[str, ...]
    threshold: float | None
    costs: Sequence[Sequence[float]] | None = None


def read_export(folder: Path = FOLDER, *, needed: Sequence[str] = ()) -> ExportedModel:
    """Check that a folder is as it was exported, and read how its model is called.

    Args:
        folder: An exported folder.
        needed: Files that are opened besides the model and its description.

    Raises:
        ValueError: If a file is missing, is not listed in ``SHA256SUMS`` or does not fit its hash,
            lies elsewhere, or describes no model.
        OSError: If a file cannot be read.
    """
    listed = export_check.check_files(folder, needed=(CALL, *needed))
    path = folder / CALL
    try:
        model = _parse_call(json.loads(path.read_bytes()))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        cause = f"{type(err).__name__}: {str(err)[:200]}"
        raise ValueError(f"{path} does not describe an exported model ({cause}). {AGAIN}") from err
    if model.onnx_file not in listed:
        raise ValueError(
            f"{path} names {model.onnx_file!r}, which {export_check.HASHES} does not list. {AGAIN}"
        )
    export_check.check_graph(folder / model.onnx_file)
    return model


def open_graph(
    graph: Path | bytes,
    inputs: Sequence[TensorInput],
    *,
    n_threads: int,
    device: str,
    n_outputs: int | None = None,
) -> Answer:
    """Open an ONNX model that reads raw columns.

    Args:
        graph: The file, or its content.
        inputs: Its inputs. How a compiled graph's are filled, the graph says itself.
        n_threads: Threads of one call.
        device: ``cpu`` or ``cuda``.
        n_outputs: Answers to a row; ``None``: any number.

    Returns:
        A function from raw columns to the model's answers, shape (n_rows, n_outputs).

    Raises:
        ValueError: If onnxruntime cannot open it or use the device, its inputs or the number of its
            answers are others, or its metadata does not fit them.
    """
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    session, taken, turned = _open_changed(graph, inputs, n_threads=n_threads, device=device)
    outputs = [tensor.name for tensor in session.get_outputs() if tensor.name in OUTPUTS]
    expected = {tensor.name for tensor in inputs if not (taken and tensor.dtype == feeding.TEXT)}
    expected |= {lookup.name for lookup in taken}
    if {tensor.name for tensor in session.get_inputs()} != expected or not outputs:
        path = graph if isinstance(graph, Path) else "The graph"
        raise ValueError(f"{path} has other inputs or outputs than its description says. {AGAIN}")

    [width] = [tensor.shape[-1] for tensor in session.get_outputs() if tensor.name == outputs[0]]
    if isinstance(width, int) and n_outputs not in (None, width):
        raise ValueError(
            f"The graph answers {width} numbers a row, its description has {n_outputs}. {AGAIN}"
        )

    types = {tensor.name: TENSOR_TYPES.get(tensor.type) for tensor in session.get_inputs()}
    fillings = onnx_session.read_filling(session)
    n_texts = len({position for lookup in taken for position in lookup.tables})
    for tensor in inputs:
        if taken and tensor.dtype == feeding.TEXT and len(tensor.columns) != n_texts:
            raise ValueError(f"The graph looks up {n_texts} columns of {tensor.name}. {AGAIN}")
        filling = fillings.get(tensor.name)
        if filling is not None and len(filling.fill) != len(tensor.columns):
            raise ValueError(
                f"The graph fills {len(filling.fill)} columns of {tensor.name}. {AGAIN}"
            )
    read = [replace(one, dtype=types.get(one.name) or one.dtype) for one in inputs]
    run, plan = onnx_session.get_run(session), feeding.Plan(read, taken, fillings, turned)
    row = _Row(session, plan, outputs[0]) if device == "cpu" else None

    def answer(columns: Columns) -> Floats:
        if type(columns) is not dict:
            columns = feeding.list_few(columns)
        found = row.answer(columns) if row is not None else None
        if found is not None:
            return found
        try:
            answers: Floats = run(outputs, plan.feed(columns), None)[0]
        except InvalidArgument as err:  # an image of another size
            raise ValueError(" ".join(str(err).split())) from err
        if row is not None and len(answers) == 1:
            row.bind(answers)
        return answers

    def feed(columns: Columns) -> None:
        if row is None or not row.feed(columns):
            plan.feed(columns)

    answer.feed = feed  # type: ignore[attr-defined]  # alone, for whoever times it
    return answer


def _open_changed(
    graph: Path | bytes, inputs: Sequence[TensorInput], *, n_threads: int, device: str
) -> tuple[Any, Sequence[lookups.Lookup], frozenset[str]]:
    """Open a graph, changed where it is quicker to feed so; return what it looks up and turns."""
    open_session = functools.partial(onnx_session.open_session, n_threads=n_threads, device=device)
    texts = next((tensor.name for tensor in inputs if tensor.dtype == feeding.TEXT), "")
    numbers = [tensor.name for tensor in inputs if "float" in tensor.dtype and device == "cpu"]
    content = graph if isinstance(graph, bytes) else graph.read_bytes()
    with contextlib.suppress(ValueError):  # something else reads them, too
        if changed := lookups.change_inputs(content, texts, numbers):
            return open_session(changed.content), changed.lookups, changed.turned
    return open_session(graph), (), frozenset()


class _Row:
    """Answers requests of one row through arrays that a session is bound to, one at a time."""

    def __init__(self, session: Any, plan: feeding.Plan, output: str) -> None:
        self._session, self._plan, self._output = session, plan, output
        self._lock = threading.Lock()
        self._is_tried = False
        self._writers: Sequence[Callable[[Columns], None]] = ()
        self._run: Callable[[], Any] = lambda: None
        self._answers: Any = None

    def bind(self, answers: Floats) -> None:
        """Bind the session, once a first row has shown what it answers."""
        if self._is_tried:
            return
        self._is_tried = True
        images = [one.shape[-1] for one in self._session.get_inputs() if "uint8" in one.type]
        n_bytes = images[0] if images and isinstance(images[0], int) else None
        try:
            arrays, writers = self._plan.plan_row(n_bytes)
            self._answers = np.zeros_like(answers)
            self._run = onnx_session.bind_row(self._session, arrays, self._output, self._answers)
        except ValueError:  # there is no short way
            return
        self._writers = writers

    def feed(self, columns: Columns) -> bool:
        """Write a row where it is read from, for whoever times that alone, and tell whether."""
        with self._lock, contextlib.suppress(Exception):
            for write in self._writers:
                write(columns)
            return bool(self._writers)
        return False

    def answer(self, columns: Columns) -> Floats | None:
        """Answer a request of one row; ``None``: it is another one, or not as usual."""
        if not self._writers or not self._lock.acquire(blocking=False):
            return None
        try:
            for write in self._writers:
                write(columns)
            self._run()
            answers: Floats = self._answers.copy()
        except Exception:
            return None
        finally:
            self._lock.release()
        return answers


def open_model(folder: Path | str = FOLDER, model: ExportedModel | None = None) -> Answer:
    """Open the exported model with the threads it was measured with.

    Args:
        folder: An exported folder.
        model: Its description, where :func:`read_export` has checked the folder before.

    Returns:
        A function from raw columns, a list of values each, to class probabilities, shape
        (n_rows, n_classes), in the order of ``classes`` in ``model.json``; without classes, to
        values, shape (n_rows, 1).

    Raises:
        ValueError: As :func:`read_export`; or if onnxruntime cannot open the model.
        OSError: If a file cannot be read.
    """
    folder = Path(folder)
    model = model or read_export(folder)
    return open_graph(
        folder / model.onnx_file,
        model.inputs,
        n_threads=model.n_threads,
        device=model.device,
        n_outputs=len(model.classes) or 1,
    )


class _MlflowModel:
    """The exported model as MLflow calls it: a pandas frame in, of each row what is answered."""

    def __init__(self, folder: Path) -> None:
        self._model = read_export(folder)
        self._answer = open_model(folder, self._model)

    def predict(self, frame: Any, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002
        model = self._model
        columns = {name: frame[name].tolist() for name in frame.columns}
        return name_answers(self._answer(columns), model.classes, model.threshold, model.costs)


def _load_pyfunc(path: str) -> _MlflowModel:
    """Open an exported folder for MLflow, which calls this by its name."""
    return _MlflowModel(Path(path))


def to_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn a list of rows into columns; all rows must have the keys of the first.

    >>> to_columns([{"a": 1, "b": "x"}, {"a": None, "b": "y"}])
    {'a': [1, None], 'b': ['x', 'y']}
    """
    require_same_columns(rows)
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def require_same_columns(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows that have other columns than the first.

    Raises:
        ValueError: Naming the first such row.
    """
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise ValueError(
                f"Row {number} has other columns than the first; a missing value is written null."
            )


def name_answers(
    answers: Floats,
    classes: Sequence[str],
    threshold: float | None = None,
    costs: Sequence[Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """Write answers as JSON types: of each row its class and the probability of each, or a value.

    With a threshold, the second class is named from that probability on; with costs, the class that
    is expected to cost least.

    Raises:
        ValueError: If an answer is not finite, or there is not one for each class.

    >>> name_answers(np.array([[0.25, 0.75]], dtype=np.float32), ["no", "yes"])
    [{'class': 'yes', 'probabilities': {'no': 0.25, 'yes': 0.75}}]
    >>> name_answers(np.array([[0.1, 0.9]], dtype=np.float32), ["no", "yes"])[0]["probabilities"]
    {'no': 0.1, 'yes': 0.9}
    >>> name_answers(np.array([[1.5]], dtype=np.float32), [])
    [{'value': 1.5}]
    >>> name_answers(np.array([[0.7, 0.3]], dtype=np.float32), ["no", "yes"], 0.25)[0]["class"]
    'yes'
    >>> costs = [[0, 1, 1], [1, 0, 1], [9, 9, 0]]
    >>> name_answers(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), "abc", costs=costs)[0]["class"]
    'c'
    """
    chosen = choose_classes(answers, classes, threshold, costs)
    # Python numbers of the fewest digits that stand for the same float32
    digits = iter(map(float, map(str, answers.reshape(-1))))
    if not classes:
        return [{"value": value} for value in digits]
    return [
        {"class": classes[at], "probabilities": {name: next(digits) for name in classes}}
        for at in chosen.tolist()
    ]


def choose_classes(
    answers: Floats,
    classes: Sequence[str],
    threshold: float | None,
    costs: Sequence[Sequence[float]] | None,
) -> npt.NDArray[Any]:
    """Check answers as :func:`name_answers` does, and return the position of each row's class."""
    if answers.shape[1:] != (len(classes) or 1,):
        raise ValueError(f"The model answers {answers.shape}, its classes are {len(classes)}.")
    is_finite = np.isfinite(answers)
    if not is_finite.all():
        number = int(is_finite.all(axis=1).argmin())
        raise ValueError(
            f"Row {number}: the model's answer is not finite; a number of the row is too large."
        )
    if threshold is not None:
        return (answers[:, 1] >= np.float32(threshold)).astype(int)  # answers are of 32 bits too
    expected = answers if costs is None else -(answers @ np.array(costs))
    likeliest: npt.NDArray[Any] = expected.argmax(axis=1)
    return likeliest


def main() -> None:
    """Read rows from standard input, write their answers."""
    try:
        model = read_export()
        answer = open_model(model=model)
        rows = json.load(sys.stdin, object_pairs_hook=_read_row)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("Standard input must be a list with one object per row.")
        answers = name_answers(
            answer(to_columns(rows)), model.classes, model.threshold, model.costs
        )
    except Exception as err:  # rows and files from anywhere raise many kinds
        sys.exit(f"{type(err).__name__}: {onnx_session.first_line(err)}")
    json.dump(answers, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _read_row(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(TWICE)
    return row


def _parse_call(content: Any) -> ExportedModel:
    inputs = tuple(_parse_input(entry) for entry in content["inputs"])
    onnx_file, n_threads = content["onnx_file"], content["n_threads"]
    classes, threshold = tuple(content["classes"]), content["threshold"]
    costs = content.get("costs")
    wrong = {
        "onnx_file": not isinstance(onnx_file, str) or not onnx_file.endswith(".onnx"),
        "n_threads": type(n_threads) is not int or not 1 <= n_threads <= MAX_THREADS,
        "device": content["device"] not in onnx_session.PROVIDERS,
        "inputs": not inputs,
        "classes": not all(isinstance(name, str) for name in classes)
        or len(set(classes)) < len(classes),
        "threshold": threshold is not None
        and (len(classes) != 2 or type(threshold) not in (int, float)),
        "costs": costs is not None and np.array(costs, float).shape != (len(classes),) * 2,
    }
    if faults := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise ValueError(f"wrong: {', '.join(faults)}")
    return ExportedModel(onnx_file, n_threads, content["device"], inputs, classes, threshold, costs)


def _parse_input(content: Any) -> TensorInput:
    name, dtype, columns = content["name"], content["dtype"], tuple(content["columns"])
    shape = None if content["image_shape"] is None else tuple(content["image_shape"])
    is_shape = shape is None or (
        len(shape) == 3  # height, width, channels
        and all(type(size) is int and 0 < size < feeding.MAX_PIXELS for size in shape)
        and shape[2] in (1, 3)
    )
    limits, booleans, texts = (
        tuple(content.get(key, ())) for key in ("limits", "booleans", "texts")
    )
    decimals = dict(content.get("decimals", {}))
    if not (
        isinstance(name, str)
        and dtype in INPUT_DTYPES
        and len(limits) in (0, len(columns))
        and all(type(limit) in (int, float) and 0 < limit <= feeding.MAX_FLOAT for limit in limits)
        and all(isinstance(column, str) for column in (*booleans, *texts))
        and is_shape
        and columns
        and all(isinstance(column, str) for column in columns)
        and decimals.keys() <= set(columns)
        and all(
            isinstance(decimal, str) and re.fullmatch(feeding.NOTATION, decimal)
            for decimal in decimals.values()
        )
    ):
        raise ValueError(f"wrong input: {str(name)[:80]}")
    return TensorInput(name, dtype, columns, shape, limits, booleans, decimals, texts)


if __name__ == "__main__":
    main()
