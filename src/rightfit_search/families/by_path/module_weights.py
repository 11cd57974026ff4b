"""Weights of a torch module in a safetensors file; the module is named by the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.by_path.torch_modules import ModuleFamily, make_module


class ModuleWeights(ModuleFamily):
    """Serves a module with given weights; see :class:`rightfit.Family`.

    The module is made with ``n_features``, ``n_outputs`` and ``image_shape``, as far as it takes
    them, and with the block's ``settings``. It maps rows to scores before a softmax, or in
    regression to values, shape (n_rows, n_outputs).
    """

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.Family`."""
        from rightfit_search.families.networks import load_module, wrap_module

        settings = configuration["settings"]
        module = load_module(
            path, lambda _: make_module(self._path, schema, settings), called=self._path
        )
        return wrap_module(module, schema, target=None).eval()


FAMILY = ModuleWeights
