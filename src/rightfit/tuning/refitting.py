"""Refits: chosen models trained again on more rows, and compared."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from rightfit.families.bundle import ONNX_FILE, Bundle, read_bundle, write_bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.family import Rows, TrainingData, TrainingRun
from rightfit.families.predictions import check_predictions
from rightfit.families.registry import get_family
from rightfit.families.runtimes import NATIVE, describe_code, open_predictor
from rightfit.preparation.data_card import DataCard
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.profiles.prediction_quality import find_final_rows, quality_interval
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.explanation.shipping import RawQuality, RefitComparison, RefitQuality
from rightfit.tuning.search.cell import map_data
from rightfit.tuning.studies.study_store import StudyStore, fingerprint_family

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

ONNX = "onnx"
TRAINED_ON, TEST = "trained_on", "test"  # names of the rows


@dataclass(frozen=True)
class FinalRows:
    """Which test rows judge, and how surely.

    Args:
        final_share: Share of the test rows that nothing is chosen by.
        final_min_rows: Fewer test rows are not divided.
        seed: Of the intervals.
    """

    final_share: float
    final_min_rows: int
    seed: int


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
        judging: How both models are compared; ``None``: the refit learns from the test rows too.
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
    judging: FinalRows | None
    store: StudyStore
    measurements: Path
    n_threads: int
    device: str
    seed: int
    expected_s: float

    @property
    def key(self) -> str:
        """What the refit is kept by."""
        return key_refit(self.sha256, self.family, n_rows=self.n_rows, seed=self.seed)

    @property
    def folder(self) -> Path:
        """Where the refitted model is, or will be."""
        return self.store.folder / "refits" / self.key

    @property
    def is_trained(self) -> bool:
        """Whether nothing is left to train: the refit is there, and its files are as written."""
        return read_refit(self.folder, self.family, self.store) is not None


def key_refit(chosen_sha256: str, family: str, *, n_rows: int, seed: int) -> str:
    """Return what a refit is kept by: the chosen model, and the rows it learns from anew."""
    return fingerprint_family(family, {"refit_of": chosen_sha256, "n_rows": n_rows, "seed": seed})


def read_refit(folder: Path, family: str, store: StudyStore) -> Bundle | None:
    """Return a refit that was trained before; ``None`` unless its files are as they were written.

    Args:
        folder: Of its bundle.
        family: Import path of its family.
        store: Its cell's searches, which recorded the weights.
    """
    try:
        bundle = store.trust_recorded(read_bundle(folder, family=family))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return bundle if bundle.is_trusted else None


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
            train_again(
                chosen,
                job.family,
                map_data(job.rows, TRAINED_ON, job.data_card.input_schema),
                job.folder,
                store=job.store,
                seed=job.seed,
                n_threads=job.n_threads,
                device=job.device,
            )
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
    store: StudyStore,
    seed: int,
    n_threads: int,
    device: str,
) -> Bundle:
    """Train a model's configuration on other rows, to its full length, and write the bundle.

    Nobody else may do so meanwhile. A process that dies leaves no bundle that counts.

    Args:
        chosen: The model.
        family: Import path of its family.
        data: Rows to learn from.
        folder: For the bundle; what is there is no bundle that counts, and is replaced.
        store: Its cell's searches, which record the weights.
        seed: Seed of the training.
        n_threads: Threads it may use.
        device: ``cpu`` or ``cuda``.
    """
    partial = folder.with_suffix(".partial")
    if folder.exists():
        logger.warning("The refit in %s is damaged: it is trained again", folder)
    for place in (partial, folder):  # of a process that died, and a damaged one
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
    learner = get_family(family)
    learner.load_libraries()  # whose threads are limited
    with threadpool_limits(n_threads):
        run = TrainingRun(chosen.configuration, data, seed=seed, n_threads=n_threads, device=device)
        *_, last = learner.train(run)
    written = write_bundle(
        partial,
        last.model,
        model=chosen.model,
        family=family,
        configuration=chosen.configuration,
        schema=chosen.schema,
        data_version=chosen.data_version,
    )
    store.record_weights(written)
    partial.rename(folder)
    return replace(written, path=folder)


def compare_models(
    chosen: Bundle,
    refitted: Bundle,
    *,
    data_card: DataCard,
    test: TrainingData,
    judging: FinalRows | None,
    known: JsonStore,
) -> RefitComparison:
    """Compare a chosen model with its refit, unless that was done before.

    Args:
        chosen: Trained on train rows.
        refitted: Trained on more rows.
        data_card: Of their dataset.
        test: Its encoded test rows.
        judging: How the rows are found that nothing was chosen by; ``None``: the refitted model
            has learnt from the test rows, so that only structures are compared.
        known: Keeps comparisons by content.
    """
    key = fingerprint(
        {
            "comparison": [chosen.sha256, refitted.sha256],
            "code": describe_code(refitted, ONNX if _is_graph(refitted) else NATIVE),
            "metric": [data_card.quality.raw_parts, data_card.quality.raw_bounds],
            "data_version": data_card.data_version,
            "final": judging and astuple(judging),
        }
    )
    with contextlib.suppress(ValidationError):  # an older version's form
        document = known.get(key)
        if document is not None:
            return RefitComparison.model_validate(document)
    answered = [_answer(one, test.rows) for one in (chosen, refitted)]
    structures = [structure for _, structure in answered]
    answers = [
        check_predictions(found, n_rows=len(test.labels), schema=test.schema)
        for found, _ in answered
    ]
    compared = RefitComparison(
        quality=judging and _compare_quality(answers, data_card.quality, test, judging),
        structure_changed=_is_graph(refitted) or structures[0] != structures[1],
    )
    known.put(key, compared.model_dump(mode="json"))
    return compared


def _is_graph(bundle: Bundle) -> bool:
    """Tell whether a model exists as an ONNX file alone, as a cascade does."""
    return bundle.weights_file == ONNX_FILE


def _answer(bundle: Bundle, rows: Rows) -> tuple[Any, object]:
    """Return a model's answers, and its structure where its family knows one."""
    if _is_graph(bundle):
        return open_predictor(bundle, runtime=ONNX, n_threads=1, device="cpu")(rows), None
    family, model = bundle.load_family(), bundle.load_native()
    return family.predict(model, rows), family.describe_structure(model)


def _compare_quality(
    answers: Sequence[Array], metric: QualityMetric, test: TrainingData, judging: FinalRows
) -> RefitQuality:
    """Score both models on rows not used for the choice; on all test rows if there are none."""
    final = find_final_rows(test.labels, share=judging.final_share, min_rows=judging.final_min_rows)
    is_divided = bool(final.any())
    judges = final if is_divided else ~final

    def score(found: Array, rows: Array) -> RawQuality:
        known, found = test.labels[rows], found[rows]
        low, high = quality_interval(metric, known, found, seed=judging.seed)
        return RawQuality(raw=metric.score(known, found), low=low, high=high)

    chosen, refitted = (score(found, judges) for found in answers)
    others = score(answers[1], ~judges) if is_divided else refitted
    columns = {"quality_raw": others.raw, "quality_raw_low": others.low}
    columns["quality_raw_high"] = others.high
    columns |= {name.replace("_raw", ""): metric.scale(value) for name, value in columns.items()}
    return RefitQuality(
        n_rows=int(judges.sum()),
        chose_nothing=is_divided,
        chosen=chosen,
        refitted=refitted,
        columns=columns,
    )
