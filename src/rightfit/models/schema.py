"""Input and output of a model: the schema that is stored with data cards and bundles.

A schema also says what is predicted: one without classes is one of regression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class InputSchema:
    """Columns a model reads, and what it predicts: classes, or a number where there are none.

    Args:
        features: Column names of the float32 input matrix, in order.
        classes: Class names; the position is the integer label a model predicts. Empty in
            regression.
        image_shape: ``(height, width, channels)`` when a row is an image stored row by row,
            else ``None``.
    """

    features: tuple[str, ...]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None

    @property
    def task(self) -> Task:
        """Classification where there are classes, else regression."""
        return "classification" if self.classes else "regression"

    @property
    def n_outputs(self) -> int:
        """Columns of a model's answers: a probability per class, or one value."""
        return len(self.classes) or 1

    @property
    def output_name(self) -> str:
        """Name of the output of the model's ONNX form."""
        return "probabilities" if self.classes else "values"

    def cast_labels(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return outcomes in the type that families learn from: int64 classes, float64 values."""
        return labels.astype(np.int64 if self.classes else np.float64, copy=False)

    @property
    def n_features(self) -> int:
        """Number of input columns."""
        return len(self.features)

    @property
    def class_numbers(self) -> tuple[str, ...]:
        """The classes' positions as texts: their names where a model knows no others."""
        return tuple(map(str, range(len(self.classes))))

    def agrees_with(self, classes: Sequence[str]) -> bool:
        """Tell whether a model's own classes are these in this order, their numbers, or not named.

        >>> schema = InputSchema(("a",), ("no", "yes"), None)
        >>> [schema.agrees_with(own) for own in (("no", "yes"), ("0", "1"), (), ("yes", "no"))]
        [True, True, True, False]
        """
        return tuple(classes) in ((), self.classes, self.class_numbers)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain JSON types.

        >>> InputSchema(("a",), ("no", "yes"), None).to_dict()
        {'features': ['a'], 'classes': ['no', 'yes'], 'image_shape': None}
        """
        return {
            "features": list(self.features),
            "classes": list(self.classes),
            "image_shape": list(self.image_shape) if self.image_shape else None,
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> InputSchema:
        """Read the schema back from what :meth:`to_dict` wrote.

        Raises:
            ValueError: If it is anything else.
        """
        faults = [
            f"{field} must be a list of names, all different{', at least one' if n_least else ''}"
            for field, n_least in (("features", 1), ("classes", 0))  # no classes: regression
            if not isinstance(names := raw.get(field), list)
            or len(names) < n_least
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) < len(names)
        ]
        shape = raw.get("image_shape", ...)
        if shape is not None and not (
            isinstance(shape, list)
            and len(shape) == 3
            and all(type(size) is int and size > 0 for size in shape)
            and math.prod(shape) == len(raw.get("features") or ())
        ):
            faults.append("image_shape must be null, or three sizes with a feature for each pixel")
        if faults:
            raise ValueError(f"The input schema is wrong: {'; '.join(faults)}.")
        return cls(
            features=tuple(raw["features"]),
            classes=tuple(raw["classes"]),
            image_shape=(shape[0], shape[1], shape[2]) if shape else None,
        )
