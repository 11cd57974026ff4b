"""Averages: models of several families answer together, each with a weight.

**Weights** are greedy (Caruana et al., *Ensemble selection from libraries of models*, ICML 2004):
beginning with none, the model is added, again and again and with repetition, whose addition makes
the mean of the predictions for the validation rows best.

**As a model** an average is of a family of its own. Its weights are an archive of its members'; its
ONNX export is one graph, in which all members read the same rows.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.processes.leftovers import temporary_folder
from rightfit.models.family import (
    Checkpoint,
    Configuration,
    Family,
    Rows,
    TrainingRun,
    require_settings,
)
from rightfit.models.graph_passes.temperature import scale_output
from rightfit.models.onnx_graph import GraphBuilder, raise_opset, read_opsets, replace_output
from rightfit.models.registry import get_family
from rightfit.models.schema import InputSchema
from rightfit.models.temperature import scale_probabilities

Score = Callable[[npt.NDArray[Any]], tuple[float, float]]
"""Quality of predictions for the validation rows, and what decides where it ties; higher: better"""

MAX_MEMBERS = 6
N_ROUNDS = 24  # additions at most
ROWS = "rows"  # input of a bundle's ONNX file


def choose_weights(predictions: Mapping[str, Rows], score: Score) -> dict[str, float]:
    """Choose the members of an average and their weights.

    Args:
        predictions: For the validation rows, by model, shape (n_rows, n_outputs) each.
        score: Judges such predictions.

    Returns:
        Weights by model, their sum being 1; at most :data:`MAX_MEMBERS` models.

    >>> ups, downs = np.array([[2.0], [0.0]]), np.array([[0.0], [2.0]])
    >>> choose_weights({"ups": ups, "downs": downs}, lambda mean: (-np.abs(mean - 1).sum(), 0))
    {'ups': 0.5, 'downs': 0.5}
    """
    added: list[str] = []
    total: Any = 0.0
    best, n_best = (-np.inf, 0.0), 0
    while len(added) < N_ROUNDS:
        is_full = len(set(added)) == MAX_MEMBERS
        scores = {
            name: score((total + answers) / (len(added) + 1))
            for name, answers in predictions.items()
            if not is_full or name in added
        }
        name = max(scores, key=scores.__getitem__)
        added.append(name)
        total = total + predictions[name]
        if scores[name] > best:
            best, n_best = scores[name], len(added)
    members = added[:n_best]
    return {name: members.count(name) / n_best for name in dict.fromkeys(members)}


@dataclass(frozen=True)
class Member:
    """A model of an average.

    Args:
        family: Its family.
        model: The family's own model.
        weight: Its share of the answer.
        temperature: Of its probabilities, see ``temperature.py``; ``None``: as they are.
    """

    family: Family
    model: Any
    weight: float
    temperature: float | None


class AverageFamily(Family):
    """Weighted means of models; see :class:`rightfit.models.family.Family`.

    The setting ``members`` is a list of mappings: ``name``, ``family`` (a reference),
    ``configuration``, ``weight``, ``temperature`` and ``checkpoints``, the checkpoint at which its
    training ends and those that a whole training has. The members' probabilities are calibrated.
    """

    weights_file: str = "members.zip"
    is_calibrated: bool = True  # as its members are

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.models.family.Family`."""
        require_settings(configuration, ("members",))

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the modules of all members' families."""
        families = [get_family(member["family"]) for member in configuration["members"]]
        return tuple(dict.fromkeys(name for family in families for name in family.native_imports))

    def describe_structure(self, model: Sequence[Member]) -> dict[str, float]:
        """Add up what the members consist of."""
        counts = [member.family.describe_structure(member.model) for member in model]
        names = ("n_parameters", "n_operations")
        return {name: sum(count[name] for count in counts) for name in names}

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Train each member as its configuration says; there is one checkpoint."""
        members = []
        for settings in run.configuration["members"]:
            family = get_family(settings["family"])
            family.load_libraries()
            last, n_checkpoints = settings["checkpoints"]
            is_whole = last == n_checkpoints
            training = TrainingRun(
                settings["configuration"],
                run.data,
                n_checkpoints=1 if is_whole else n_checkpoints,
                seed=run.seed,
                n_threads=run.n_threads,
                device=run.device,
            )
            *_, checkpoint = islice(family.train(training), 1 if is_whole else last)
            members.append(_make_member(family, checkpoint.model, settings))
        for _ in range(run.n_checkpoints):
            yield Checkpoint(members, n_steps=len(members))

    def predict(self, model: Sequence[Member], rows: Rows) -> Rows:
        """Return the weighted mean of the members' answers."""
        answers: Rows = sum(  # type: ignore[assignment]
            np.float32(member.weight)
            * scale_probabilities(member.family.predict(member.model, rows), member.temperature)
            for member in model
        )
        return answers

    def set_serving(self, model: Sequence[Member], *, n_threads: int, device: str) -> None:
        """Prepare each member."""
        for member in model:
            member.family.set_serving(member.model, n_threads=n_threads, device=device)

    def save_weights(self, model: Sequence[Member], path: Path) -> None:
        """Write an archive of the members' weights; see :func:`pack_members`."""
        with temporary_folder("average") as folder:
            files = []
            for number, member in enumerate(model):
                files.append(folder / f"{number}-{member.family.weights_file}")
                member.family.save_weights(member.model, files[-1])
            pack_members(files, path)

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> list[Member]:
        """See :class:`rightfit.models.family.Family`."""
        members = []
        with temporary_folder("average") as folder, zipfile.ZipFile(path) as archive:
            for number, settings in enumerate(configuration["members"]):
                family = get_family(settings["family"])
                for module in family.native_imports:
                    importlib.import_module(module)
                file = folder / f"{number}-{family.weights_file}"
                file.write_bytes(archive.read(str(number)))
                model = family.load_weights(file, settings["configuration"], schema)
                members.append(_make_member(family, model, settings))
        return members

    def export_onnx(self, model: Sequence[Member], schema: InputSchema) -> bytes:
        """Export each member, and join them."""
        exports = [member.family.export_onnx(member.model, schema) for member in model]
        calibrated = [
            _calibrate_export(content, member.temperature, schema.output_name)
            for content, member in zip(exports, model, strict=True)
        ]
        return join_exports(calibrated, [member.weight for member in model], schema)


def _calibrate_export(content: bytes, temperature: float | None, output: str) -> bytes:
    import onnx

    if temperature in (None, 1):
        return content
    scaled: bytes = scale_output(
        onnx.load_from_string(content), temperature, output
    ).SerializeToString()
    return scaled


def _make_member(family: Family, model: Any, settings: Mapping[str, Any]) -> Member:
    return Member(family, model, settings["weight"], settings.get("temperature"))


FAMILY = AverageFamily()


def pack_members(files: Sequence[Path], path: Path) -> None:
    """Write the members' files of weights, in order, into an archive without compressing them."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, file in enumerate(files):
            archive.writestr(zipfile.ZipInfo(str(number)), file.read_bytes())


def join_exports(exports: Sequence[bytes], weights: Sequence[float], schema: InputSchema) -> bytes:
    """Join ONNX models of the same rows into one that answers their weighted mean.

    Args:
        exports: The models.
        weights: Of each, their sum being 1.
        schema: What they read and answer.

    Raises:
        RightfitError: If their operators' versions cannot be made one.
    """
    import onnx

    models = [onnx.load_from_string(content) for content in exports]
    newest = max(read_opsets(model)[""] for model in models)
    builder, output = GraphBuilder("average/"), schema.output_name
    opsets: dict[str, int] = {}
    constants, parts = [], []
    for number, (model, weight) in enumerate(zip(models, weights, strict=True)):
        prefix = f"{number}/"
        raised = raise_opset(model, newest)
        opsets |= read_opsets(raised)
        member = onnx.compose.add_prefix(raised, prefix).graph
        builder.add("Identity", ROWS, outputs=[prefix + ROWS])
        builder.nodes.extend(member.node)
        constants.extend(member.initializer)
        parts.append(builder.add("Mul", prefix + output, builder.keep(np.float32(weight))))
    mean = builder.add("Sum", *parts)
    graph = onnx.helper.make_graph(
        builder.nodes,
        "average",
        [tensor for tensor in models[0].graph.input if tensor.name == ROWS],
        [],
        initializer=[*constants, *builder.constants],
    )
    joined = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid(*opset) for opset in opsets.items()],
        ir_version=max(model.ir_version for model in models),
    )
    replace_output(joined, mean, schema)
    content: bytes = joined.SerializeToString()
    return content
