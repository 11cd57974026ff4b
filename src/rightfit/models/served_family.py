"""The served half of the family protocol: what opening a bundle in its own library needs.

Such a family is an object named ``FAMILY`` in a module of its own; one that can be trained too is a
``rightfit.Family``. Heavy libraries are imported inside the methods, so that naming a family costs
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.extras import require
from rightfit.models.schema import InputSchema

Rows = npt.NDArray[np.float32]
Configuration = Mapping[str, Any]


class ServedFamily:
    """The part of a family that serving alone needs, as for an imported model."""

    devices: tuple[str, ...] = ("cpu",)
    """Devices it can train and serve on: ``cpu``, ``cuda``."""

    weights_file: str
    """Name of the weights' file in a bundle."""

    native_imports: tuple[str, ...] = ()
    """Modules that training and serving the native model need; bundles hold their versions."""

    extra: str | None = None
    """Extra of Rightfit that brings them, unless ``rightfit._core.extras`` lists it."""

    def require_libraries(self, purpose: str) -> None:
        """Check that ``native_imports`` are installed, as far as extras bring them.

        Raises:
            RightfitError: If one is missing; ``purpose`` begins its sentence.
        """
        require(*self.native_imports, purpose=purpose, extra=self.extra)

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:  # noqa: ARG002
        """Return modules that serving a model needs beside ``native_imports``."""
        return ()

    def predict(self, model: Any, rows: Any) -> Any:
        """Return answers, float32: class probabilities, shape (n_rows, n_classes).

        In regression, values, shape (n_rows, 1).
        """
        raise NotImplementedError

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:
        """Prepare a loaded model to answer with so many threads on a device.

        By default nothing changes: the process' environment decides how many threads there are.
        """

    def save_weights(self, model: Any, path: Path) -> None:
        """Write the model in a format that can run no code when loaded."""
        raise NotImplementedError

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """Read back what :meth:`save_weights` wrote."""
        raise NotImplementedError

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Return an ONNX model: input ``rows`` (any, n_features), output as of :meth:`predict`.

        The output is called ``schema.output_name``.
        """
        raise NotImplementedError
