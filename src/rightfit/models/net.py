"""Neural network (torch): convolutions for image-shaped rows, else a multi-layer perceptron.

It ends in logits of the classes, or in a value whose unit is part of the weights (``networks.py``).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rightfit._core.extras import require
from rightfit.models.family import (
    Checkpoint,
    Configuration,
    Family,
    Rows,
    TrainingRun,
    require_settings,
)
from rightfit.models.schema import InputSchema

_SETTINGS: Mapping[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 1_000_000),
    "n_layers": (int, 0, 100),
    "n_units": (int, 1, 65_536),
    "n_channels": (int, 1, 4_096),
    "n_blocks": (int, 0, 100),
    "shift": (int, 0, 1_000),
    "flip": (bool, 0, 1),
    "dropout": (float, 0, 0.99),
    "learning_rate": (float, 1e-12, 100),
    "weight_decay": (float, 0, 1e6),
    "batch_size": (int, 1, 262_144),
}
"""Kind, least and largest value of each setting."""
_OF_IMAGES = ("n_blocks", "shift", "flip")  # may be left out: none


class NetFamily(Family):
    """Neural network."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    weights_file: str = "weights.safetensors"
    native_imports: tuple[str, ...] = ("torch", "safetensors.torch")
    length_setting: str = "n_epochs"

    def load_libraries(self) -> None:
        """See :class:`rightfit.models.family.Family`."""
        super().load_libraries()
        import torch

        torch.optim.AdamW([torch.zeros(1)])  # the first optimizer imports another second of torch

    def load_exporter(self) -> None:
        """See :class:`rightfit.models.family.Family`."""
        import torch
        from tqdm import tqdm  # type: ignore[import-untyped]

        tqdm.monitor_interval = 0  # its thread, which the exporter starts, would not survive a fork
        # the first export imports another two seconds of torch
        self.export_onnx(torch.nn.Linear(1, 2), InputSchema(("x",), ("a", "b"), None))

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.models.family.Family`."""
        named = [name for name in _SETTINGS if name in configuration or name not in _OF_IMAGES]
        require_settings(configuration, tuple(named))

    def check_values(self, configuration: Configuration) -> None:
        """See :class:`rightfit.models.family.Family`."""
        faults = []
        for name, (kind, least, most) in _SETTINGS.items():
            if name in _OF_IMAGES and name not in configuration:
                continue
            value = configuration[name]
            kinds = (int, float) if kind is float else (kind,)
            if type(value) not in kinds or not least <= value <= most:
                bounds = f"from {least:g} to {most:g}"
                wanted = {
                    bool: "true or false",
                    int: f"a whole number {bounds}",
                    float: f"a number {bounds}",
                }[kind]
                faults.append(f"{name} must be {wanted}, not {value!r}")
        if faults:
            raise ValueError("; ".join(faults))

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> Any:
        """Return the network with its initial random weights, on the CPU."""
        from rightfit.models.networks import build_network

        return build_network(configuration, schema, seed=seed).eval()

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count weights, and multiplications a row.

        A convolution uses each weight at every place.
        """
        from rightfit.models.networks import PRODUCTS, count_operations

        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        n_operations = count_operations(model, of=PRODUCTS)
        return {"n_parameters": float(n_parameters), "n_operations": n_operations}

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Train by AdamW on a one-cycle schedule; a step is a mini-batch."""
        from rightfit.models.networks import build_network
        from rightfit.models.torch_training import read_target, train_module

        network = build_network(
            run.configuration, run.data.schema, target=read_target(run.data), seed=run.seed
        ).eval()
        # not channels last, though faster: torch 2.13 then corrupts its heap on some CPUs
        return train_module(network.to(run.device), run, one_cycle=True)

    def predict(self, model: Any, rows: Rows) -> Rows:
        """See :class:`rightfit.models.family.Family`."""
        from rightfit.models.networks import predict_network

        return predict_network(model, rows)

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.models.family.Family`."""
        import torch

        torch.set_num_threads(n_threads)
        model.to(device)

    def save_weights(self, model: Any, path: Path) -> None:
        """See :class:`rightfit.models.family.Family`."""
        from safetensors.torch import save_file

        tensors = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
        save_file(tensors, path)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.models.family.Family`."""
        from rightfit.models.networks import load_network

        return load_network(path, configuration, schema)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """See :class:`rightfit.models.family.Family`."""
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
