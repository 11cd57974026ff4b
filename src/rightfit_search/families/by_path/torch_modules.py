"""Any torch module by import path, with its own layers and its own loss.

``family: torch`` with ``module: my_study.nets.Net`` in a model's block. The module is
made with ``n_features`` and ``n_outputs``, with ``image_shape`` if it takes it, and with the
block's settings other than those of the training. It maps rows, shape (n_rows, n_features), to
scores, shape (n_rows, n_outputs), or in regression to values, of which those of a target with mean
0 and standard deviation 1 are learnt best: they are rescaled. A method ``loss(outputs, labels)``
replaces the cross-entropy or squared error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rightfit._core.import_path import import_by_path
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.net import NetFamily

_TRAINING = ("n_epochs", "batch_size", "learning_rate", "weight_decay")
_GIVEN = ("n_features", "n_outputs", "image_shape")


class ModuleFamily(NetFamily):
    """A family made of a module's import path; see :class:`rightfit.Family`."""

    def __init__(self, module: str) -> None:
        self._path = module
        self.native_imports: tuple[str, ...] = (
            module.rpartition(".")[0], "torch", "safetensors.torch",
        )  # fmt: skip

    def check_configuration(self, configuration: Configuration) -> None:
        """Check the settings' names against the module's arguments.

        Raises:
            ValueError: If the path leads nowhere, or a setting is missing or unknown.
        """
        parameters = self._read_arguments()
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        module_parameters = {
            n: p for n, p in parameters.items() if n not in _GIVEN and p.kind is not p.VAR_KEYWORD
        }
        needed = {
            *_TRAINING,
            *(name for name, p in module_parameters.items() if p.default is p.empty),
        }
        missing = sorted(needed - set(configuration))
        unknown = sorted(set(configuration) - {*_TRAINING, *module_parameters})
        if missing or (unknown and not takes_any):
            raise ValueError(
                f"{self._path}: {missing=}, {unknown=}; the settings of the training are "
                f"{list(_TRAINING)}, those of the module {sorted(module_parameters)}."
            )

    def check_values(self, configuration: Configuration) -> None:
        """Check the settings of the training.

        Raises:
            ValueError: If one is no positive number.
        """
        for name in ("n_epochs", "batch_size", "learning_rate"):
            if not configuration[name] > 0:
                raise ValueError(f"{name} must be above 0, but got {configuration[name]!r}.")

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> Any:
        """Return the network with its initial random weights, on the CPU."""
        return self._build(configuration, schema, seed=seed).eval()

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count weights, and multiplications a row: a row is sent through the network once."""
        from rightfit_search.families.networks import count_operations

        n_operations = count_operations(model)
        n_parameters = float(sum(parameter.numel() for parameter in model.parameters()))
        return {
            "n_parameters": max(n_parameters, 1.0),
            "n_operations": n_operations or max(n_parameters, 1.0),
        }

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Train by AdamW at a constant rate; a step is a mini-batch."""
        from rightfit_search.families.torch_training import make_adamw, read_target, train_module

        data = run.data
        network = self._build(
            run.configuration, data.schema, seed=run.seed, target=read_target(data)
        ).to(run.device)
        measure_loss = getattr(network[0], "loss", None)
        optimizer = make_adamw(network, run.configuration)
        return train_module(network, run, optimizer, measure_loss=measure_loss)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.Family`."""
        from rightfit_search.families.networks import load_module

        return load_module(path, lambda _: self._build(configuration, schema), called=self._path)

    def _read_arguments(self) -> Mapping[str, inspect.Parameter]:
        parameters = inspect.signature(_import_module(self._path)).parameters
        lacks = [name for name in ("n_features", "n_outputs") if name not in parameters]
        if lacks and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise ValueError(
                f"{self._path} must take the arguments n_features and n_outputs, but lacks {lacks}."
            )
        return parameters

    def _build(
        self,
        configuration: Configuration,
        schema: InputSchema,
        *,
        seed: int | None = None,
        target: tuple[float, float] = (0.0, 1.0),
    ) -> Any:
        """Make the module; it is the first of a sequence, followed by the scale of a regression."""
        import torch

        from rightfit_search.families.networks import wrap_module

        if seed is not None:
            torch.manual_seed(seed)
        settings = {name: value for name, value in configuration.items() if name not in _TRAINING}
        return wrap_module(make_module(self._path, schema, settings), schema, target=target)


FAMILY = ModuleFamily


def make_module(path: str, schema: InputSchema, settings: Mapping[str, object]) -> Any:
    """Make a module with its settings and, as far as it takes them, the sizes of its rows.

    Raises:
        ValueError: If the path leads to no module.
    """
    import torch

    make = _import_module(path)
    parameters = inspect.signature(make).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    sizes = {"n_features": schema.n_features, "n_outputs": schema.n_outputs}
    arguments: dict[str, object] = {
        name: size for name, size in sizes.items() if name in parameters or takes_any
    }
    if "image_shape" in parameters:
        arguments["image_shape"] = schema.image_shape
    module = make(**arguments, **settings)
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"{path} made a {type(module).__name__}, which is no nn.Module.")
    return module


def _import_module(path: str) -> Any:
    make = import_by_path(path, kind="torch module", key="the model's module")
    if not callable(make):
        raise ValueError(f"{path} is no class of module and no function.")
    return make
