"""Weights of a torch module in a safetensors file; the module is named by the configuration."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from rightfit.families.by_path import import_by_path
from rightfit.families.by_path.torch_modules import ModuleFamily
from rightfit.families.family import Configuration
from rightfit.families.schema import InputSchema


class ModuleWeights(ModuleFamily):
    """Serves a module with given weights; see :class:`rightfit.families.family.Family`.

    The module is made with ``n_features``, ``n_outputs`` and ``image_shape``, as far as it takes
    them, and with the block's ``settings``. It maps rows to scores before a softmax, or in
    regression to values, shape (n_rows, n_outputs).
    """

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.families.family.Family`."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from torch import nn

        make = import_by_path(self._path, key="module")
        present = {
            "n_features": schema.n_features,
            "n_outputs": schema.n_outputs,
            "image_shape": schema.image_shape,
        }
        taken = inspect.signature(make).parameters
        given = {name: value for name, value in present.items() if name in taken}
        try:
            module = make(**given, **configuration["settings"])
            module.load_state_dict(load_file(path), assign=True)
        except (AttributeError, RuntimeError, SafetensorError, TypeError, ValueError) as err:
            raise ValueError(f"{path} does not hold the weights of {self._path}: {err}") from err
        network: Any = nn.Sequential(module)
        network.n_features = schema.n_features
        return network.eval()


FAMILY = ModuleWeights
