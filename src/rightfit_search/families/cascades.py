"""Cascades: a cheap model answers when it is sure, an expensive one otherwise.

**Which are worth measuring** is predicted from answers to validation rows and from the rates that
follow from the members' structure: both are the same in every run, where measured rates would
choose another cascade of nearly equal ones each time. A cascade costs what its cheap model costs,
and for the rows passed on what its expensive one costs. Of all pairs and thresholds those are
taken, one after the other, that add most to the area that the candidates dominate in quality
against the logarithm of the throughput.

**As a bundle** a cascade is one ONNX graph. The cheap model answers all rows. Those whose highest
probability is below a threshold are taken out, answered by the expensive model and put back; where
there are none, that model does not run. This is the two-stage form of the cascades of Viola and
Jones (CVPR 2001) with the threshold on the maximum probability (Hendrycks and Gimpel, ICLR 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import hash_json
from rightfit.models.bundle import ONNX_FILE, ONNX_ONLY, Bundle, write_bundle_files
from rightfit.models.onnx_graph import GraphBuilder, raise_opset, read_opsets
from rightfit.models.runtimes import ONNX, open_predictor
from rightfit.models.served_family import Configuration

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

Answers = npt.NDArray[np.float32]  # class probabilities, shape (n_rows, n_classes)
Score = Callable[[Answers], float]  # quality of answers to the validation rows; higher is better
Point = tuple[float, float]  # quality, rows per second

PASSED_ON = (0.02, 0.05, 0.2, 0.35)  # shares of the rows tried; of closer ones noise would choose
MIN_SPEED_UP = 3.0  # of the cheap model against the expensive one, below which little can be gained

ROLES = ("cheap", "expensive")  # settings that name the two members
DEFINING = (*ROLES, "threshold")  # settings; the others are predictions
TOLERANCE = 1e-4  # of a probability
N_NUMBERS = 1_000  # of cascades
RUNTIME = ONNX  # in which two models can be joined
ROWS = "rows"  # input and output of a bundle's ONNX file
OUTPUT = "probabilities"
CHEAP, EXPENSIVE, OWN = "cheap/", "expensive/", "cascade/"  # begin the names of the tensors of each


@dataclass(frozen=True)
class Member:
    """A candidate that a cascade may be made of."""

    name: str
    answers: Answers
    rows_per_s: float


@dataclass(frozen=True)
class Cascade:
    """Two candidates in a row, and what that promises.

    Args:
        cheap: Candidate that answers first.
        expensive: Candidate that answers where the first is not sure.
        threshold: Highest probability from which the first is sure.
        passed_on: Share of the validation rows that the second answers.
        predicted_quality: Quality on the validation rows.
        predicted_rows_per_s: Throughput.
    """

    cheap: str
    expensive: str
    threshold: float
    passed_on: float
    predicted_quality: float
    predicted_rows_per_s: float

    @property
    def number(self) -> int:
        """Number that its members and share decide: one cascade has one name, whatever it costs."""
        parts = [self.cheap, self.expensive, round(self.passed_on, 2)]
        return int(hash_json(parts, n_digits=8), 16) % N_NUMBERS

    def __str__(self) -> str:
        return (
            f"{self.cheap}, and {self.expensive} for the {self.passed_on:.0%} of the rows of which "
            f"the first is less than {self.threshold:.3g} sure"
        )


def find_members(
    candidates: Mapping[str, Bundle],
    rows_per_s: Mapping[str, float],
    predictions: pl.DataFrame,
) -> list[Member]:
    """List the candidates that are served in ONNX, by name.

    Args:
        candidates: Bundles by name.
        rows_per_s: Throughput that is usual for a candidate's structure, by its name.
        predictions: Their predictions for the validation rows before they learnt from them: a
            column of arrays each.
    """
    return [
        Member(name, predictions[name].to_numpy(), rows_per_s[name])
        for name, bundle in sorted(candidates.items())
        if ONNX_FILE in bundle.files
    ]


def _answer(bundle: Bundle, validation: pl.DataFrame) -> Answers:
    """Let a bundle's ONNX file answer encoded rows; return class probabilities."""
    rows = validation.select(bundle.schema.features).to_numpy()
    predict = open_predictor(bundle, runtime=RUNTIME, n_threads=1, device="cpu")
    answers: Answers = predict(np.ascontiguousarray(rows, dtype=np.float32))
    return answers


def choose_cascades(members: Sequence[Member], score: Score, *, n_cascades: int) -> list[Cascade]:
    """Choose the cascades that promise most beyond what single candidates reach.

    Returns:
        None that a single candidate, or one chosen before it, equals in both quality and
        throughput; in the order of their members.
    """
    reached = [(score(member.answers), member.rows_per_s) for member in members]
    origin = tuple(map(min, zip(*reached, strict=True)))
    possible = list(predict_cascades(members, score))
    chosen: list[Cascade] = []
    while possible and len(chosen) < n_cascades:
        points = [(cascade.predicted_quality, cascade.predicted_rows_per_s) for cascade in possible]
        areas = [measure_dominated_area([*reached, point], origin) for point in points]
        best = int(np.argmax(areas))
        if areas[best] <= measure_dominated_area(reached, origin):
            break
        chosen.append(possible.pop(best))
        reached.append(points[best])
    return sorted(chosen, key=attrgetter("cheap", "expensive", "threshold"))


def predict_cascades(members: Sequence[Member], score: Score) -> Iterator[Cascade]:
    """Yield every cascade whose second model is better and much slower than its first."""
    qualities = {member.name: score(member.answers) for member in members}
    for cheap in members:
        sureness = cheap.answers.max(axis=1)
        for expensive in members:
            is_slow = cheap.rows_per_s >= MIN_SPEED_UP * expensive.rows_per_s
            if not is_slow or qualities[expensive.name] <= qualities[cheap.name]:
                continue
            for threshold in np.unique(np.quantile(sureness, PASSED_ON)):
                unsure = sureness < threshold
                passed_on = float(unsure.mean())
                s_per_row = 1 / cheap.rows_per_s + passed_on / expensive.rows_per_s
                mixed = np.where(unsure[:, None], expensive.answers, cheap.answers)
                yield Cascade(
                    cheap=cheap.name,
                    expensive=expensive.name,
                    threshold=float(threshold),
                    passed_on=passed_on,
                    predicted_quality=score(mixed),
                    predicted_rows_per_s=1 / s_per_row,
                )


def measure_dominated_area(points: Sequence[Point], origin: Point) -> float:
    """Return the area dominated in quality against the logarithm of the throughput.

    It is measured from an origin that stays while points are added: worse ones gain nothing.
    """
    reached, slowest = origin
    area = 0.0
    for quality, rows_per_s in sorted(points, key=lambda point: (-point[1], -point[0])):
        if quality > reached:
            area += (quality - reached) * math.log(rows_per_s / slowest)
            reached = quality
    return area


def join_members(
    configuration: Configuration, candidates: Mapping[str, Bundle], folder: Path, *, model: str
) -> Bundle:
    """Write the cascade that a configuration describes as a bundle.

    Args:
        configuration: Names its two members ``cheap`` and ``expensive``, and its ``threshold``; the
            fields of a :class:`Cascade`.
        candidates: Holds both.
        folder: For the bundle.
        model: The cascade's name in the configuration.

    Raises:
        RightfitError: If they are no two candidates of the same classes, the threshold is none of a
            probability, or the two models' graphs cannot be joined.
    """
    names, threshold = [configuration[role] for role in ROLES], configuration["threshold"]
    if len({*names} & {*candidates}) < len(ROLES):
        raise RightfitError(f"a cascade needs two candidates of {sorted(candidates)}, not {names}")
    if not 0 < threshold <= 1 + TOLERANCE:  # a probability may be rounded up
        raise RightfitError(f"threshold must be above 0 and at most 1, but got {threshold}")
    cheap, expensive = (candidates[name] for name in names)
    if cheap.schema != expensive.schema:
        raise RightfitError(f"{names[0]} and {names[1]} read other columns or have other classes")
    files = cheap.locate(ONNX_FILE), expensive.locate(ONNX_FILE)
    content = join_cascade(*files, threshold)
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(content)
    return write_bundle_files(
        folder,
        model=model,
        family=ONNX_ONLY,
        weights_file=ONNX_FILE,
        configuration=configuration,
        schema=cheap.schema,
        data_version=cheap.data_version,
        n_training_rows=cheap.n_training_rows,
    )


def check_cascade(bundle: Bundle, candidates: Mapping[str, Bundle], rows: pl.DataFrame) -> None:
    """Compare a cascade's answers with those of its two models.

    Args:
        bundle: The cascade.
        candidates: Holds both.
        rows: Encoded rows to answer.

    Raises:
        RightfitError: If they differ by more than rounding.
    """
    cheap, expensive = (_answer(candidates[bundle.configuration[role]], rows) for role in ROLES)
    threshold = bundle.configuration["threshold"]
    unsure = cheap.max(axis=1) < np.float32(threshold)
    expected = np.where(unsure[:, None], expensive, cheap)
    predictions = _answer(bundle, rows)
    # near the threshold, rounding may send a row the other way
    near = np.abs(cheap.max(axis=1) - threshold) <= TOLERANCE
    difference = np.abs(predictions - expected).max(axis=1)[~near].max(initial=0.0)
    if not difference <= TOLERANCE:
        raise RightfitError(
            f"{bundle.path.name} does not answer as its two models do: a probability differs by "
            f"{difference:.3g}, allowed is {TOLERANCE:g}."
        )


def join_cascade(cheap_file: Path, expensive_file: Path, threshold: float) -> bytes:
    """Join two models of the same input and classes.

    ``threshold`` lies in (0, 1].

    Returns:
        An ONNX model with the input and output of the two.

    Raises:
        RightfitError: If their inputs or outputs differ, or their operators' versions cannot be
            made one.
    """
    import onnx

    cheap, expensive = onnx.load(cheap_file), onnx.load(expensive_file)
    _check_alike(cheap, expensive)
    newest = max(read_opsets(model)[""] for model in (cheap, expensive))
    cheap, expensive = (raise_opset(model, newest) for model in (cheap, expensive))
    first = onnx.compose.add_prefix(cheap, CHEAP)
    second = onnx.compose.add_prefix(expensive, EXPENSIVE)
    builder = GraphBuilder(OWN)
    builder.add("Identity", ROWS, outputs=[CHEAP + ROWS])
    builder.nodes.extend(first.graph.node)
    constant_one = builder.keep(np.array([1], dtype=np.int64))
    top = builder.add(
        "TopK", CHEAP + OUTPUT, constant_one, outputs=[OWN + "top", OWN + "top_class"], axis=1
    )
    unsure = builder.add(
        "Less", builder.add("Squeeze", top, constant_one), builder.keep(np.float32(threshold))
    )
    unsure_rows = builder.add("NonZero", unsure)
    n_unsure = builder.add("Gather", builder.add("Shape", unsure_rows), builder.keep(np.int64(1)))

    # the rows that the cheap model is unsure of, answered by the expensive one
    mix = GraphBuilder(f"{OWN}mix/")
    mix.add("Compress", ROWS, unsure, outputs=[EXPENSIVE + ROWS], axis=0)
    mix.nodes.extend(second.graph.node)
    where = mix.add("Transpose", unsure_rows, perm=[1, 0])
    mixed = mix.add("ScatterND", CHEAP + OUTPUT, where, EXPENSIVE + OUTPUT)
    # all rows as the cheap model answered them
    keep = GraphBuilder(f"{OWN}keep/")
    cheap_output = keep.add("Identity", CHEAP + OUTPUT)
    builder.add(
        "If",
        builder.add("Greater", n_unsure, builder.keep(np.int64(0))),
        outputs=[OUTPUT],
        then_branch=_make_branch(mix, mixed, second.graph.initializer),
        else_branch=_make_branch(keep, cheap_output, ()),
    )
    graph = onnx.helper.make_graph(
        builder.nodes,
        "cascade",
        list(cheap.graph.input),
        [tensor for tensor in cheap.graph.output if tensor.name == OUTPUT],
        initializer=[*first.graph.initializer, *builder.constants],
    )
    opsets = (read_opsets(cheap) | read_opsets(expensive)).items()
    joined = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid(*opset) for opset in opsets],
        ir_version=max(cheap.ir_version, expensive.ir_version),
    )
    content: bytes = joined.SerializeToString()
    return content


def _check_alike(cheap: ModelProto, expensive: ModelProto) -> None:
    faults = []
    for subject, first, second in (
        ("inputs", _describe(cheap.graph.input), _describe(expensive.graph.input)),
        ("outputs", _describe(cheap.graph.output), _describe(expensive.graph.output)),
    ):
        if first != second:
            faults.append(f"their {subject} are {first} and {second}")
    mine, theirs = read_opsets(cheap), read_opsets(expensive)
    faults += [  # ONNX's converter leaves other domains alone
        f"their operators of {domain} are of versions {mine[domain]} and {theirs[domain]}"
        for domain in (mine.keys() & theirs.keys()) - {""}
        if mine[domain] != theirs[domain]
    ]
    if faults:
        raise RightfitError(f"The models cannot be joined: {'; '.join(faults)}.")


def _describe(values: Any) -> list[tuple[str, int, int]]:
    """Return name, element type and number of columns of the input or output that counts."""
    return [
        (
            tensor.name,
            tensor.type.tensor_type.elem_type,
            tensor.type.tensor_type.shape.dim[-1].dim_value,
        )
        for tensor in values
        if tensor.name in (ROWS, OUTPUT)
    ]


def _make_branch(
    builder: GraphBuilder, output: str, constants: Sequence[TensorProto]
) -> GraphProto:
    from onnx import TensorProto, helper

    answers = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, None])
    return helper.make_graph(builder.nodes, output, [], [answers], initializer=list(constants))
