"""What the core reads of a prepared dataset."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema, Task


class DatasetCard(BaseModel):
    """A prepared dataset: what models learn from it, how they are judged, and where it is from.

    ``n_rows`` by part: ``train``, ``validation``, ``test``.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    title: str
    task: Task
    data_version: str
    input_schema: InputSchema
    quality: QualityMetric
    n_rows: dict[str, int]
    licence: str
    source: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
