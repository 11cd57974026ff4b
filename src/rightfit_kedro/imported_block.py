"""Models that somebody has already, as the configuration names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from kedro.utils import find_kedro_project
from pydantic import Field, ValidationError

from rightfit._core.strict_model import StrictModel
from rightfit.models.imported.importing import ModelFile, check_file
from rightfit.models.imported.kinds import resolve_file
from rightfit.models.imported.onnx_form import OutputChoice
from rightfit_kedro.explain import name_file


class ImportedBlock(StrictModel):
    """A model of the configuration that takes part without a search (``params:models.<name>``).

    ``file`` is relative to the project's folder. Without ``datasets`` it is for every dataset of
    the grid. ``input`` says which columns it reads: the dataset's ``raw`` ones (``columns``: which
    of them, in its order) or the ``encoded`` ones that searched models read. ``output``,
    ``classes`` and ``logits`` say what its answers are, where the file does not; ``predictions``
    names a table of answers that it must give. ``trust`` allows what is neither ONNX nor
    safetensors. ``module`` and its ``settings`` are the torch module of a safetensors file.
    """

    family: Literal["imported"]
    file: str = Field(min_length=1)  # path, relative to the project's folder
    datasets: tuple[str, ...] | None = None  # for which datasets; absent: all of the grid
    # which columns it reads: the dataset's own, or encoded ones
    input: Literal["raw", "encoded"] = "raw"
    columns: tuple[str, ...] | None = None  # which raw columns, in its order; absent: all
    output: str | None = None  # name of the output that answers; absent: found
    classes: tuple[str, ...] | None = None  # of its outputs, in order; absent: the dataset's
    logits: bool = False  # whether it answers in logits instead of probabilities
    predictions: str | None = None  # table of predictions that it must reproduce
    trust: bool = False  # allow a file that may run code when it is opened
    module: str | None = None  # import path of the torch module of a safetensors file
    # keyword arguments of that module
    settings: dict[str, str | int | float | bool | None] = Field(default_factory=dict)

    def give(self, name: str) -> ModelFile:
        """Return the file with what is known of it.

        Raises:
            ValueError: If there is no such file.
        """
        answers = OutputChoice(self.output, self.classes, are_logits=self.logits)
        path = resolve_file(locate(self.file))
        return ModelFile(
            name,
            path,
            self.input,
            answers,
            trust=self.trust,
            module=self.module,
            settings=self.settings,
        )


def locate(file: str) -> Path:
    """Return the path of a file that the configuration names from the project's folder."""
    folder = Path.cwd()
    return (find_kedro_project(folder) or folder) / file


def find_file_faults(models: Mapping[str, object]) -> Iterator[str]:
    """Describe what keeps imported files from being opened.

    Searched models and blocks that are not right in themselves are left out.

    Yields:
        One line per fault, with the file to correct.
    """
    for name, raw in models.items():
        try:
            block = ImportedBlock.model_validate(raw)
        except ValidationError:
            continue
        try:
            check_file(block.give(name))
        except (OSError, ValueError) as err:
            yield name_file(f"models.{name}: {err}", "models")
