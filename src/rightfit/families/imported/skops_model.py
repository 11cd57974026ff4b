"""Any fitted estimator of scikit-learn from a skops file."""

from __future__ import annotations

from pathlib import Path

from rightfit.families.by_path.estimators import TRUSTED
from rightfit.families.family import Configuration
from rightfit.families.imported.kinds import SKOPS_FILE
from rightfit.families.imported.objects import ObjectFamily, ServedObject, serve_object
from rightfit.families.schema import InputSchema
from rightfit.families.sklearn_io import SklearnFamily, load_skops


class SkopsModel(ObjectFamily):
    """Serves what the file holds; see :class:`rightfit.families.family.Family`."""

    weights_file: str = SKOPS_FILE
    native_imports = SklearnFamily.native_imports

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: a file from elsewhere names no module to import."""
        return ()

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """See :class:`rightfit.families.family.Family`."""
        model = load_skops(path, trusted=TRUSTED, estimator=None)
        return serve_object(model, configuration, schema)


FAMILY = SkopsModel()
