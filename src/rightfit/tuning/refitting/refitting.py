"""Training a chosen model's configuration again, on all rows that are not for the test."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from rightfit.families.bundle import Bundle, read_bundle, write_bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.family import TrainingData, TrainingRun
from rightfit.families.registry import get_family
from rightfit.preparation.describing import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.explanation.refits import RefitComparison
from rightfit.tuning.refitting.comparing import Judging, compare_models
from rightfit.tuning.search.search_job import map_data
from rightfit.tuning.studies.study_store import StudyStore, fingerprint

logger = logging.getLogger(__name__)

TRAINED_ON, TEST = "train_and_validation", "test"  # names of the rows


@dataclass(frozen=True)
class RefitJob:
    """A refit, for any process: its rows are in files.

    Args:
        rows: Folder of the rows, see ``write_data``.
        n_rows: Rows to train on.
        chosen: Folder of the chosen model's bundle.
        sha256: Of its ``bundle.json``, whose files were checked.
        family: Import path of its family.
        data_card: Of its dataset.
        judging: How both models are compared.
        store: Its cell's searches, which keep the refit.
        measurements: Folder that keeps the comparison.
        n_threads: Threads the training may use.
        device: ``cpu`` or ``cuda``.
        seed: Seed of the training.
        expected_s: What the training takes, going by the chosen model's.
    """

    rows: Path
    n_rows: int
    chosen: Path
    sha256: str
    family: str
    data_card: DataCard
    judging: Judging
    store: StudyStore
    measurements: Path
    n_threads: int
    device: str
    seed: int
    expected_s: float

    @property
    def key(self) -> str:
        """What the refit is kept by."""
        parts = {"refit_of": self.sha256, "n_rows": self.n_rows, "seed": self.seed}
        return fingerprint(self.family, parts)

    @property
    def folder(self) -> Path:
        """Where the refitted model is, or will be."""
        return self.store.folder / "refits" / self.key

    @property
    def is_trained(self) -> bool:
        """Whether nothing is left to train: the refit is there, and its files are as written."""
        try:
            bundle = read_bundle(self.folder, family=self.family)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        return self.store.trust_recorded(bundle).is_trusted


def refit(job: RefitJob, *, again: bool) -> tuple[Bundle, RefitComparison | None]:
    """Train a model again, to its full length, and compare both, unless that was done before.

    Args:
        job: What to train.
        again: Whether to try an ONNX export once more that was refused before.

    Returns:
        The refitted bundle, and how it differs; ``None`` if its export to ONNX is refused while
        the chosen model has one.
    """
    chosen = job.store.trust_recorded(
        read_bundle(job.chosen, family=job.family, checked_sha256=job.sha256)
    )
    test = map_data(job.rows, TEST, job.data_card.input_schema)
    with job.store.locked(f"refit.{job.key}"):
        if not job.is_trained:
            _train(job, chosen)
        bundle = job.store.trust_recorded(read_bundle(job.folder, family=job.family))
        bundle = offer_onnx(bundle, test.rows, again=again)
    if chosen.onnx and not bundle.onnx:
        return bundle, None
    compared = compare_models(
        chosen,
        bundle,
        data_card=job.data_card,
        test=test,
        judging=job.judging,
        known=JsonStore(job.measurements),
    )
    return bundle, compared


def train_again(
    chosen: Bundle,
    family: str,
    data: TrainingData,
    folder: Path,
    *,
    seed: int,
    n_threads: int,
    device: str,
) -> Bundle:
    """Train a model's configuration on other rows, to its full length, and write the bundle.

    Args:
        chosen: The model.
        family: Import path of its family.
        data: Rows to learn from.
        folder: For the bundle.
        seed: Seed of the training.
        n_threads: Threads it may use.
        device: ``cpu`` or ``cuda``.
    """
    from threadpoolctl import threadpool_limits

    learner = get_family(family)
    learner.load_libraries()  # whose threads are limited
    with threadpool_limits(n_threads):
        run = TrainingRun(chosen.configuration, data, seed=seed, n_threads=n_threads, device=device)
        *_, last = learner.train(run)
    return write_bundle(
        folder,
        last.model,
        model=chosen.model,
        family=family,
        configuration=chosen.configuration,
        schema=chosen.schema,
        data_version=chosen.data_version,
    )


def _train(job: RefitJob, chosen: Bundle) -> None:
    """Train and write the bundle; a process that dies leaves none that counts."""
    partial = job.folder.with_suffix(".partial")
    if job.folder.exists():
        logger.warning("The refit in %s is damaged: it is trained again", job.folder)
    for folder in (partial, job.folder):  # of a process that died, and a damaged one
        shutil.rmtree(folder, ignore_errors=True)
    written = train_again(
        chosen,
        job.family,
        map_data(job.rows, TRAINED_ON, job.data_card.input_schema),
        partial,
        seed=job.seed,
        n_threads=job.n_threads,
        device=job.device,
    )
    job.store.record_weights(written)
    partial.rename(job.folder)
