"""Try what the family protocol promises, one promise after another."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rightfit.families.answers import check_answers
from rightfit.families.bundle import Bundle, read_bundle, write_bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.family import Configuration, Family, Rows, TrainingData, check_task
from rightfit.families.registry import get_family
from rightfit.families.runtimes import open_model
from rightfit.families.schema import InputSchema, Task

N_ROWS = 600
N_FEATURES = 8
CLASSES = ("a", "b", "c")

_ATTRIBUTES = ("devices", "weights_file", "native_imports", "length_setting", "has_int8", "growth")
_METHODS = (
    "load_libraries", "check_configuration", "build_untrained", "describe_structure",
    "train", "predict", "set_serving", "save_weights", "load_weights", "export_onnx",
)  # fmt: skip
_N_CHECKPOINTS = 2  # as few as the shortest training may have
_LEAST_GAIN = 0.1  # over guessing; the groups allow some 0.9 of accuracy where guessing has 0.33
_ROUNDING = 1e-6  # of a probability, or of the values' spread

Outcome = Literal["ok", "note", "fails"]


@dataclass(frozen=True)
class Finding:
    """What trying one promise showed."""

    promise: str
    outcome: Outcome
    detail: str


class BrokenPromiseError(Exception):
    """The family did something, and not what the protocol asks for."""


@dataclass
class Tried:
    """A family being tried, and what it has made so far."""

    reference: str
    configuration: Configuration
    table: TrainingData
    unseen: TrainingData
    model: Any = None
    answers: Rows | None = None
    bundle: Bundle | None = None

    @property
    def family(self) -> Family:
        """The family itself."""
        return get_family(self.reference)

    def train(self) -> Iterator[Any]:
        """Train anew, checkpoint by checkpoint."""
        return self.family.train(
            self.configuration,
            self.table,
            n_checkpoints=_N_CHECKPOINTS,
            seed=0,
            n_threads=1,
            device="cpu",
        )


def list_tasks(family: Family) -> list[Task]:
    """Return the tasks that a family learns.

    Raises:
        ValueError: If it learns none, naming why not classification.
    """
    learnt: list[Task] = []
    tasks: tuple[Task, ...] = ("classification", "regression")
    for task in tasks:
        with contextlib.suppress(ValueError):
            check_task(family, task)
            learnt.append(task)
    if not learnt:
        check_task(family, "classification")
    return learnt


def check_family(
    reference: str, configuration: Configuration, task: Task = "classification"
) -> Iterator[Finding]:
    """Try a family on a small table; what fails ends the trying, since the rest builds on it.

    Yields:
        A finding as soon as it is known.
    """
    tried = Tried(
        reference,
        configuration,
        table=make_small_table(task, seed=1),
        unseen=make_small_table(task, seed=2),
    )
    with tempfile.TemporaryDirectory(prefix="rightfit-") as folder:
        for promise, attempt in _list_promises(Path(folder)):
            try:
                outcome, detail = attempt(tried)
            except BrokenPromiseError as err:
                outcome, detail = "fails", str(err)
            except Exception as err:  # a family may raise whatever it likes
                outcome, detail = "fails", f"{type(err).__name__}: {err}"
            yield Finding(promise, outcome, " ".join(detail.split()))
            if outcome == "fails":
                return


def _list_promises(
    folder: Path,
) -> list[tuple[str, Callable[[Tried], tuple[Outcome, str]]]]:
    return [
        ("is complete", _is_complete),
        ("accepts its settings", _accepts_settings),
        ("pauses at checkpoints", _pauses),
        ("answers every row", _answers),
        ("learns", _learns),
        ("counts its structure", _counts),
        ("builds untrained models", _builds_untrained),
        ("repeats with the same seed", _repeats),
        ("saves and loads", lambda tried: _saves(tried, folder / "bundle")),
        ("exports to ONNX", _exports),
    ]


def _is_complete(tried: Tried) -> tuple[Outcome, str]:
    lacks = [name for name in (*_ATTRIBUTES, *_METHODS) if not hasattr(tried.family, name)]
    lacks += [
        f"{name}()" for name in _METHODS if not callable(getattr(tried.family, name, _is_complete))
    ]
    if lacks:
        raise BrokenPromiseError(f"it lacks {lacks}; see rightfit/families/family.py")
    return "ok", f"{len(_METHODS)} methods, {len(_ATTRIBUTES)} attributes"


def _accepts_settings(tried: Tried) -> tuple[Outcome, str]:
    tried.family.check_configuration(tried.configuration)
    shown = ", ".join(f"{name}={value}" for name, value in tried.configuration.items())
    return "ok", shown or "none"


def _pauses(tried: Tried) -> tuple[Outcome, str]:
    tried.family.load_libraries()
    steps = []
    for checkpoint in tried.train():
        tried.model = checkpoint.model
        steps.append(checkpoint.n_steps)
        _ask(tried, checkpoint.model)  # a model part-way must answer too
    if len(steps) != _N_CHECKPOINTS:
        raise BrokenPromiseError(f"it made {len(steps)} checkpoints of {_N_CHECKPOINTS}")
    if steps != sorted(steps) or steps[0] < 1:
        raise BrokenPromiseError(f"its steps must start above 0 and never fall: {steps}")
    if steps[0] == steps[-1]:
        return "note", f"all looks show the same model ({steps} steps): looking early saves nothing"
    return "ok", f"{steps} steps"


def _ask(tried: Tried, model: Any) -> Rows:
    answers = tried.family.predict(model, tried.unseen.rows)
    check_answers(answers, n_rows=len(tried.unseen.labels), schema=tried.unseen.schema)
    return answers


def _answers(tried: Tried) -> tuple[Outcome, str]:
    tried.answers = _ask(tried, tried.model)
    if tried.answers.dtype != np.float32:
        raise BrokenPromiseError(f"its answers must be float32, but are {tried.answers.dtype}")
    one = tried.family.predict(tried.model, tried.unseen.rows[:1])
    if _differ(tried, one, tried.answers[:1]) > 100 * _ROUNDING:
        raise BrokenPromiseError("a row alone is answered otherwise than among others")
    return "ok", f"shape {tried.answers.shape}, float32"


def _learns(tried: Tried) -> tuple[Outcome, str]:
    labels, answers = tried.unseen.labels, _answered(tried)
    if tried.unseen.schema.task == "regression":
        gain = 1.0 - float(np.mean((answers[:, 0] - labels) ** 2) / np.var(labels))
        said = f"explains {gain:.2f} of the variance of values that it did not see"
    else:
        accuracy = float(np.mean(answers.argmax(axis=1) == labels))
        guessing = float(np.bincount(labels.astype(np.int64)).max() / len(labels))
        gain = accuracy - guessing
        said = f"accuracy {accuracy:.2f} on rows that it did not see, {guessing:.2f} by guessing"
    if not gain >= _LEAST_GAIN:
        raise BrokenPromiseError(said)
    return "ok", said


def _differ(tried: Tried, one: Rows, other: Rows) -> float:
    """Return the largest difference of two answers: of probabilities, or in the values' spread."""
    is_regression = tried.table.schema.task == "regression"
    spread = float(np.std(tried.table.labels)) if is_regression else 1.0
    return float(np.abs(one.astype(np.float64) - other).max()) / spread


def _counts(tried: Tried) -> tuple[Outcome, str]:
    counts = tried.family.describe_structure(tried.model)
    lacks = sorted({"n_parameters", "n_operations"} - set(counts))
    wrong = {name: count for name, count in counts.items() if not count > 0}
    if lacks or wrong:
        raise BrokenPromiseError(f"describe_structure lacks {lacks}, or counts {wrong}: all > 0")
    return "ok", ", ".join(f"{name} {count:.6g}" for name, count in counts.items())


def _builds_untrained(tried: Tried) -> tuple[Outcome, str]:
    model = tried.family.build_untrained(tried.configuration, tried.table.schema, seed=0)
    if model is None:
        return "ok", "none: its structure only emerges from training"
    _ask(tried, model)
    if tried.family.describe_structure(model) != tried.family.describe_structure(tried.model):
        raise BrokenPromiseError("the untrained model has another structure than the trained one")
    return "ok", "of the final structure"


def _repeats(tried: Tried) -> tuple[Outcome, str]:
    *_, last = tried.train()
    again = tried.family.predict(last.model, tried.unseen.rows)
    difference = _differ(tried, again, _answered(tried))
    if difference > 0:
        return "note", f"not deterministic: answers differ by up to {difference:.2g}"
    return "ok", "bit for bit"


def _saves(tried: Tried, folder: Path) -> tuple[Outcome, str]:
    written = write_bundle(
        folder,
        tried.model,
        model="tried",
        family=tried.reference,
        configuration=tried.configuration,
        schema=tried.table.schema,
        data_version="tried",
    )
    tried.bundle = read_bundle(folder, family=tried.reference)
    predict = open_model(tried.bundle, runtime="native", n_threads=1, device="cpu")
    difference = _differ(tried, predict(tried.unseen.rows), _answered(tried))
    if not difference <= _ROUNDING:
        raise BrokenPromiseError(f"the loaded model's answers differ by up to {difference:.2g}")
    size_kib = (folder / written.weights_file).stat().st_size / 1024
    return "ok", f"{written.weights_file}, {size_kib:.1f} KiB"


def _exports(tried: Tried) -> tuple[Outcome, str]:
    assert tried.bundle is not None  # noqa: S101 - it was saved before
    exported = offer_onnx(tried.bundle, tried.unseen.rows)
    if exported.onnx is None:
        return "note", f"served natively only: {exported.onnx_refused}"
    agreement = exported.onnx["agreement"]
    difference = exported.onnx["largest_difference"]
    return "ok", f"{agreement:.1%} of the answers agree, largest difference {difference:.2g}"


def _answered(tried: Tried) -> Rows:
    assert tried.answers is not None  # noqa: S101 - it answered before
    return tried.answers


def make_small_table(task: Task, *, seed: int) -> TrainingData:
    """Draw rows, standardised as encoded rows are: three overlapping groups, or a bent slope.

    Args:
        task: What is learnt: the group, or a value of some hundreds with noise.
        seed: Another seed draws other rows of the same kind.
    """
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (N_ROWS, N_FEATURES))
    features = tuple(f"x{i}" for i in range(N_FEATURES))
    if task == "regression":
        values = 300 + 60 * rows[:, 0] + 40 * np.abs(rows[:, 1]) + rng.normal(0, 10, N_ROWS)
        return TrainingData(rows.astype(np.float32), values, InputSchema(features, (), None))
    labels = np.arange(N_ROWS, dtype=np.int64) % len(CLASSES)
    rows += np.random.default_rng(0).normal(0, 1.5, (len(CLASSES), N_FEATURES))[labels]
    schema = InputSchema(features, CLASSES, None)
    return TrainingData((rows / 1.8).astype(np.float32), labels, schema)
