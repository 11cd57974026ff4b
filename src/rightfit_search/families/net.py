"""Neural network (torch): convolutions for image-shaped rows, else a perceptron.

It ends in logits of the classes, or in a value whose unit is part of the weights (``networks.py``).
``perceptron.py`` trains on tables. A setting that a configuration leaves out is the recipe's.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rightfit._core.extras import require
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import Checkpoint, Family, TrainingRun, require_settings
from rightfit_search.families.rate_cycles import share_at
from rightfit_search.families.stored_rows import StoredRows
from rightfit_search.families.training_work import TrainingSize

logger = logging.getLogger(__name__)

_SETTINGS: Mapping[str, tuple[type, float, float]] = {
    "n_layers": (int, 0, 100),
    "n_units": (int, 1, 65_536),
    "n_channels": (int, 1, 4_096),
    "n_epochs": (int, 1, 1_000_000),
    "batch_size": (int, 1, 262_144),
    "learning_rate": (float, 1e-12, 100),
    "weight_decay": (float, 0, 1e6),
    "dropout": (float, 0, 0.99),
    "n_blocks": (int, 0, 100),
    "shift": (int, 0, 1_000),
    "flip": (bool, 0, 1),
}
"""Kind, least and largest value of each setting that is no choice."""
_CHOICES = {"activation": ("smooth", "relu")}
_REQUIRED = ("n_layers", "n_units", "n_channels")

_OF_TABLES: Configuration = {
    "batch_size": 256,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "activation": "smooth",
}
_TABLE_RATES = {"classification": 0.04, "regression": 0.2}
_MIN_EPOCHS, _MAX_EPOCHS = 4, 256
_PASSED_ROWS = 320_000  # of a whole training on a table, between these numbers of epochs
_MOST_PASSED_ROWS = 4_000_000  # beyond these, fewer epochs than the fewest, but all rows once
_OF_IMAGES: Configuration = {
    "n_epochs": 10,
    "batch_size": 64,
    "learning_rate": 5e-3,
    "weight_decay": 1e-4,
    "dropout": 0.1,
}


class NetFamily(Family):
    """Neural network."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    weights_file: str = "weights.safetensors"
    native_imports: tuple[str, ...] = ("torch", "safetensors.torch")
    length_setting: str = "n_epochs"

    def load_libraries(self) -> None:
        """See :class:`rightfit.Family`."""
        super().load_libraries()
        import torch

        torch.optim.AdamW([torch.zeros(1)])  # the first optimizer imports another second of torch

    def load_exporter(self) -> None:
        """See :class:`rightfit.Family`."""
        import torch
        from tqdm import tqdm  # type: ignore[import-untyped]

        tqdm.monitor_interval = 0  # its thread, which the exporter starts, would not survive a fork
        # the first export imports another two seconds of torch
        self.export_onnx(torch.nn.Linear(1, 2), InputSchema(("x",), ("a", "b"), None))

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        settings = (*_SETTINGS, *_CHOICES)
        names = [name for name in settings if name in configuration or name in _REQUIRED]
        require_settings(configuration, tuple(names))

    def check_values(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        faults = []
        for name, value in configuration.items():
            if name in _CHOICES:
                if value not in _CHOICES[name]:
                    faults.append(f"{name} must be one of {_CHOICES[name]}, not {value!r}")
                continue
            kind, least, most = _SETTINGS[name]
            kinds = (int, float) if kind is float else (kind,)
            if type(value) not in kinds or not least <= value <= most:
                bounds = f"from {least:g} to {most:g}"
                requirement = {
                    bool: "true or false",
                    int: f"a whole number {bounds}",
                    float: f"a number {bounds}",
                }[kind]
                faults.append(f"{name} must be {requirement}, not {value!r}")
        if faults:
            raise ValueError("; ".join(faults))

    def steps_ratio(
        self,
        configuration: Configuration,  # noqa: ARG002 -- checkpoints are shares of any training
        checkpoint: int,
        n_checkpoints: int,
    ) -> float:
        """See :class:`rightfit.Family`."""
        return 1 / share_at(checkpoint, n_checkpoints)

    def count_work(
        self,
        configuration: Configuration,
        size: TrainingSize,
        structure: Mapping[str, float],
        *,
        checkpoint: int,
        n_checkpoints: int,
    ) -> dict[str, float]:
        """Count the epochs of the recipe where the configuration leaves them out."""
        is_convolved = structure["n_operations"] > structure["n_parameters"]  # weights serve again
        recipe = _OF_IMAGES if is_convolved else {"n_epochs": count_epochs(size.n_rows)}
        return super().count_work(
            {**recipe, **configuration},
            size,
            structure,
            checkpoint=checkpoint,
            n_checkpoints=n_checkpoints,
        )

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> Any:
        """Return the network with its initial random weights, on the CPU."""
        from rightfit_search.families.networks import build_network

        return build_network(_complete(configuration, schema), schema, seed=seed).eval()

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count weights, and multiplications a row.

        A convolution uses each weight at every place.
        """
        from rightfit_search.families.networks import PRODUCTS, count_operations

        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        n_operations = count_operations(model, of=PRODUCTS)
        return {"n_parameters": float(n_parameters), "n_operations": n_operations}

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Train a perceptron as ``perceptron.py`` says, convolutions by AdamW on a one-cycle rate.

        A step is a mini-batch. The one cycle follows Smith and Topin (2018), arXiv:1708.07120.
        """
        return self._train(run)

    def train_stored(self, run: TrainingRun, stored: StoredRows) -> Iterator[Checkpoint]:
        """See :class:`rightfit.Family`; columns are scaled as in the sample."""
        return self._train(run, stored)

    def _train(self, run: TrainingRun, stored: StoredRows | None = None) -> Iterator[Checkpoint]:
        import torch

        from rightfit_search.families.networks import build_network
        from rightfit_search.families.perceptron import train_perceptron
        from rightfit_search.families.torch_training import make_adamw, read_target, train_module

        schema = run.data.schema
        configuration = _complete(run.configuration, schema)
        n_rows = len(run.data.labels) if stored is None else stored.n_rows
        configuration.setdefault("n_epochs", count_epochs(n_rows))
        if stored is not None:
            logger.info("A net on %s rows: %d epochs", f"{n_rows:,}", configuration["n_epochs"])
        run = replace(run, configuration=configuration)
        network = build_network(configuration, schema, target=read_target(run.data), seed=run.seed)
        # not channels last, though faster: torch 2.13 then corrupts its heap on some CPUs
        network = network.eval().to(run.device)
        if schema.image_shape is None:
            return train_perceptron(network, run, stored)
        optimizer = make_adamw(network, configuration)
        return train_module(
            network,
            run,
            optimizer,
            schedule=lambda n_steps: torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=configuration["learning_rate"], total_steps=n_steps
            ),
            stored=stored,
        )

    def take_prefix(self, model: Any, n_steps: int) -> Any | None:
        """See :class:`rightfit.Family`; nets on tables alone."""
        from rightfit_search.families.perceptron import take_snapshot

        return take_snapshot(model, n_steps)

    def predict(self, model: Any, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`."""
        from rightfit_search.families.networks import predict_network

        return predict_network(model, rows)

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.Family`."""
        import torch

        torch.set_num_threads(n_threads)
        model.to(device)

    def save_weights(self, model: Any, path: Path) -> None:
        """See :class:`rightfit.Family`."""
        from safetensors.torch import save_file

        tensors = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
        save_file(tensors, path)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.Family`."""
        from rightfit_search.families.networks import load_network

        return load_network(path, _complete(configuration, schema), schema)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """See :class:`rightfit.Family`."""
        require("torch", "onnxscript", purpose="The ONNX export of a net")
        import torch

        _read_operators_once()
        head = [] if schema.task == "regression" else [torch.nn.Softmax(dim=1)]
        serving = torch.nn.Sequential(model, *head).eval().cpu()
        with _quiet_exporter():
            program = torch.onnx.export(
                serving,
                (torch.zeros(2, schema.n_features),),
                input_names=["rows"],
                output_names=[schema.output_name],
                dynamic_shapes=({0: torch.export.Dim("n_rows")},),
                dynamo=True,
                verbose=False,
            )
        if program is None:
            raise RuntimeError("torch.onnx.export returned no program.")
        return bytes(program.model_proto.SerializeToString())


FAMILY = NetFamily()


def count_epochs(n_rows: int) -> int:
    """Return the recipe's epochs on a table: the fewer, the more rows there are.

    >>> [count_epochs(n_rows) for n_rows in (100, 10_000, 1_000_000, 16_000_000)]
    [256, 32, 4, 1]
    """
    fewest = max(1, min(_MIN_EPOCHS, _MOST_PASSED_ROWS // n_rows))
    return min(_MAX_EPOCHS, max(fewest, round(_PASSED_ROWS / n_rows)))


def _complete(configuration: Configuration, schema: InputSchema) -> dict[str, Any]:
    """Return all settings but the epochs on a table, which depend on the rows."""
    if schema.image_shape is not None:
        return {**_OF_IMAGES, **configuration}
    rate = {"learning_rate": _TABLE_RATES[schema.task]}
    return {**_OF_TABLES, **rate, **configuration}


@functools.cache
def _read_operators_once() -> None:
    """Have torch keep its table of ONNX operators, which takes two thirds of an export to make.

    There is no public way to; where torch has changed, exports only take longer.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))  # type: ignore[method-assign]


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's progress; what it gets wrong shows in the comparison afterwards."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
