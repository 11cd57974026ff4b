"""What is evaluated together: the candidates of a cell and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.bundle import Bundle
from rightfit.profiling.measuring.jobs import RowsFile
from rightfit.profiling.measuring.raw_requests import RawRequests
from rightfit.quality.metric import QualityMetric


@dataclass(frozen=True)
class ProfiledCell:
    """What is evaluated together.

    Args:
        dataset: Name of the dataset.
        data_version: Version of its prepared content.
        candidates: Bundles by candidate name, ``{model}-{trial number}``.
        labels: True class positions, or values, of the test split, shape (n_rows,); ``None``: not
            known, so that no answer is judged.
        quality: The dataset's quality metric.
        fit_metrics: What training cost, by trial number and column.
        environment_id: Fingerprint of machine and libraries.
        devices: Devices this machine has.
        seed: Seed of quality intervals.
        requests: Raw rows and encoder; ``None``: only encoded rows are answered.
        final_rows: Test rows that nothing is chosen by, from :func:`find_final_rows`; ``None``: all
            of them choose.
        rows: Rows of candidates that read none of the bench, by candidate and runtime.
    """

    dataset: str
    data_version: str
    candidates: Mapping[str, Bundle]
    labels: npt.NDArray[Any] | None
    quality: QualityMetric
    fit_metrics: Mapping[int, Mapping[str, float | None]]
    environment_id: str
    devices: tuple[str, ...]
    seed: int
    requests: RawRequests | None = None
    final_rows: npt.NDArray[np.bool_] | None = None
    rows: Mapping[tuple[str, str], RowsFile] = field(default_factory=dict)
