"""A model that a search has found, ready to answer rows as the user has them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.arguments import read_path, require_type, writing_to
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count
from rightfit._core.frames import Table, is_missing, read_frame
from rightfit._core.processes.leftovers import temporary_folder
from rightfit._core.progress import report_progress
from rightfit._core.row_files import read_rows
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import Ranking
from rightfit.data.request_path.dates import read_texts
from rightfit.data.request_path.encoder import Date, Encoder
from rightfit.data.request_path.encoder_graph import locate_graph
from rightfit.data.request_path.feeding import (
    IMAGE,
    TEXT,
    TensorInput,
    check_kinds,
    read_numbers,
    write_text,
)
from rightfit.data.request_path.raw_inputs import TEXTS, list_inputs, list_texts
from rightfit.data.request_path.usage import Answer as AnswerColumns
from rightfit.data.request_path.usage import Floats, require_same_columns, to_columns
from rightfit.exporting.export_folder import check_folder, export_model
from rightfit.exporting.model_call import Model
from rightfit.models.bundle import Bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.bundle_files import MANIFEST, find_damaged
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import RUNTIMES, Predict, open_predictor
from rightfit.models.served_family import Rows
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.explanation.answer import Answer, Origin, read_candidate_profiles
from rightfit_search.tables.data_card import DataCard
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.encoding import apply_encoder, make_request, open_encoder
from rightfit_search.tables.prepared import read_new_rows
from rightfit_search.tables.tables import read_records

Labels = npt.NDArray[Any]

PLAIN = {str, int, float, bool, type(None)}  # of values that tables and requests hold alike

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessor:
    """How rows become model input, and answers labels.

    Args:
        spec: Description of the rows that the model learnt from.
        encoder: Fitted on them.
        data_card: What they are.
        labels: The classes as the target's column holds them, shape (n_classes,); ``None`` in
            regression.
        tried_rows: Encoded rows on which an export must answer as the model does, shape
            (n_rows, n_features).
    """

    spec: DatasetSpec
    encoder: Encoder
    data_card: DataCard
    labels: Labels | None
    tried_rows: Rows

    @cached_property
    def inputs(self) -> tuple[TensorInput, ...]:
        """The tensors of raw columns that the encoder reads."""
        return list_inputs(self.encoder.to_json())

    @cached_property
    def _encode(self) -> AnswerColumns | None:
        """The encoder, open for many calls; ``None``: it reads images."""
        if any(tensor.dtype == IMAGE for tensor in self.inputs):
            return None
        return open_encoder(self.encoder)

    @cached_property
    def _reads_plainly(self) -> bool:
        """Whether nothing is done with rows before they are encoded."""
        groups = self.spec.schemas[self.spec.main_table].by_column().values()
        return (
            self._encode is not None
            and not self.spec.derived
            and not any(isinstance(step, Date) for step in self.encoder.steps)
            and not any(group.max_outlier_share for group in groups)
        )

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy is made of: no open encoder."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def encode(self, rows: object) -> npt.NDArray[np.float32]:
        """Return encoded rows, shape (n_rows, n_features).

        Raises:
            RightfitError: If a column is missing or holds what was not learnt from.
        """
        if isinstance(rows, Mapping):
            rows = [rows]
        if isinstance(rows, str | Path):
            rows = read_rows(read_path("rows", rows), texts=list_texts(self.inputs))
        try:
            encoded = self._encode_plainly(rows)
            if encoded is None:
                encoded = self._encode_table(rows)
        except (ValueError, pl.exceptions.PolarsError) as err:
            raise RightfitError(str(err)) from err
        floats = np.ascontiguousarray(encoded, dtype=np.float32)
        if not np.isfinite(floats).all():
            raise RightfitError(
                "The rows hold infinite numbers, or some too large for float32. Correct "
                "them, or leave the values empty."
            )
        return floats

    def _encode_plainly(self, rows: object) -> Floats | None:
        """Encode mappings as requests are; ``None``: they are not as usual."""
        if not isinstance(rows, list) or not self._reads_plainly or self._encode is None:
            return None
        try:
            columns = to_columns(rows)
            if columns and all(set(map(type, values)) <= PLAIN for values in columns.values()):
                return self._encode(columns)
        except (AttributeError, TypeError, ValueError):  # said in the words for tables
            pass
        return None

    def _encode_table(self, rows: object) -> Floats:
        if isinstance(rows, Sequence) and not isinstance(rows, bytes):
            require_same_columns([row for row in rows if isinstance(row, Mapping)])
            self._check_numbers(rows)
            rows = read_records(self._write_mixed_categories(rows), entry="rows")
        table = read_frame(rows, entry="rows")
        read = read_new_rows(self.spec, self.encoder, table)
        if self._encode is None:
            encoded: Floats = apply_encoder(self.encoder, read).to_numpy()
        else:
            encoded = self._encode(make_request(read, self.inputs))
        self._warn_of_other_dates(table)
        return encoded

    def _warn_of_other_dates(self, table: Table) -> None:
        """Tell of texts in columns of dates that none of the known forms fits."""
        for step in self.encoder.steps:
            if isinstance(step, Date) and table[step.column].dtype == pl.String:
                column = table[step.column].drop_nulls()
                texts = column.filter(column.str.strip_chars() != "")
                distinct = texts.unique(maintain_order=True)
                is_date, _ = read_texts(
                    distinct.to_list(), month_first=step.month_first, month_names=step.month_names
                )
                others = distinct.filter(is_date[:, 0] == 0)
                if len(others):
                    n_others = int(texts.is_in(others.to_list()).sum())
                    logger.warning(
                        "read as missing, since no date: %s of %r, such as %r; write dates as "
                        "2024-03-31, or as in training",
                        *(count(n_others, "text"), step.column, others[0][:80]),
                    )

    def _check_numbers(self, records: Sequence[object]) -> None:
        """Refuse texts among numbers, of which a table would make texts too."""
        rows = [record for record in records if isinstance(record, Mapping)]
        for tensor in self.inputs:
            if rows and tensor.dtype not in (TEXT, IMAGE):
                columns = [
                    [None if is_missing(value := row.get(name)) else value for row in rows]
                    for name in tensor.columns
                ]
                for name, decimal in tensor.decimals.items():
                    position = tensor.columns.index(name)
                    columns[position] = list(read_numbers(columns[position], decimal))
                check_kinds(columns, tensor)

    def _write_mixed_categories(self, records: Sequence[object]) -> Sequence[object]:
        """Write categories as texts where a table would not hold them as requests do.

        A column of a table has one type, in which true would become 1 among numbers, and its
        integers have 128 bits.
        """
        for tensor in self.inputs:
            for name in tensor.columns if tensor.name == TEXTS else ():
                values = [record.get(name) for record in records if isinstance(record, Mapping)]
                are_truth = {
                    isinstance(value, bool | np.bool_)
                    for value in values
                    if isinstance(value, bool | np.bool_ | Real)
                }
                are_huge = (type(value) is int and value.bit_length() > 127 for value in values)
                if len(are_truth) == 2 or any(are_huge):
                    is_boolean = name in tensor.booleans
                    records = [
                        {**record, name: write_text(record[name], is_boolean=is_boolean)}
                        if isinstance(record, Mapping) and record.get(name) is not None
                        else record
                        for record in records
                    ]
        return records


class FittedModel:
    """A model that a search has found: raw rows in, labels or values out.

    Attributes:
        candidate: Its name, ``{model}-{number of its trial}``.
        serving: The serving configuration it was chosen in; it answers in the same.
        learnt_since: From which rows it has learnt after it was measured and ranked, in words;
            ``None``: it is the very model that was ranked.
    """

    def __init__(
        self,
        bundle: Bundle,
        chosen: ProfileKey,
        feeding: Preprocessor,
        *,
        keeper: object,
        measurements: Path,
        ranking: Ranking,
        application: str,
        learnt_since: str | None,
    ) -> None:
        self.candidate = chosen.candidate
        self.serving = chosen.serving
        self.learnt_since = learnt_since
        self._bundle = bundle
        self._feeding = feeding
        self._keeper = keeper  # the bundle's files and the measurements last as long as it
        self._measurements = measurements
        self._ranking, self._application = ranking, application
        self._answer: Predict | None = None

    @property
    def settings(self) -> dict[str, object]:
        """The winner's hyper-parameters."""
        return dict(self._bundle.configuration)

    @property
    def classes(self) -> Labels | None:
        """The classes in the order of :meth:`predict_proba`; ``None`` in regression."""
        return self._feeding.labels

    def predict(self, rows: object) -> Labels:
        """Predict the target.

        Args:
            rows: Rows with the columns that the search was given: a pandas or polars frame, an
                Arrow table, a list of mappings, or the path of a .parquet or .csv file.

        Returns:
            Labels as the target's column held them, or values, shape (n_rows,).

        Raises:
            RightfitError: If a column is missing or holds what was not learnt from, or a file
                cannot be read.
        """
        answers = self._answer_rows(rows)
        labels = self._feeding.labels
        if labels is None:
            return answers[:, 0]
        decided = self._feeding.data_card.quality.decide(answers)
        return np.asarray(labels[decided.argmax(axis=1)])

    def predict_proba(self, rows: object) -> npt.NDArray[np.float64]:
        """Predict the probability of each class.

        Args:
            rows: As of :meth:`predict`.

        Returns:
            Shape (n_rows, n_classes), in the order of :attr:`classes`.

        Raises:
            RightfitError: As :meth:`predict`; or if the model predicts a number.
        """
        if self._feeding.labels is None:
            raise RightfitError(
                f"{self.candidate} predicts a number, which has no probabilities; use predict."
            )
        answers = self._answer_rows(rows)
        probabilities: npt.NDArray[np.float64] = answers / answers.sum(axis=1, keepdims=True)
        return probabilities

    def export(
        self, folder: str | Path, *, force: bool = False, with_server: bool = False
    ) -> list[Path]:
        """Write the model into a folder of its own, as ``rightfit export`` does.

        Encoder and model are one ONNX graph; ``usage.py`` answers with it, and the README says what
        was measured.

        Args:
            folder: Where to write it.
            force: Whether the folder may hold something; files of an earlier export are replaced.
            with_server: Whether to add an HTTP server and a Dockerfile.

        Returns:
            The files written, relative to the folder.

        Raises:
            RightfitError: If the folder is not empty, or the model has no ONNX export.
        """
        for key, value in (("force", force), ("with_server", with_server)):
            require_type(key, value, bool)
        with writing_to("folder", folder) as target:
            try:
                check_folder(target, force=force)
                with showing_progress():
                    report_progress("exporting", self.candidate)
                    self._bundle = offer_onnx(self._bundle, self._feeding.tried_rows)
                    model = Model(
                        self._bundle,
                        self._feeding.encoder.to_json(),
                        self._feeding.data_card,
                        self._measurements,
                    )
                    return export_model(self._make_answer(), model, target, with_server=with_server)
            except (FileExistsError, ValueError) as err:
                raise RightfitError(str(err)) from err

    def _make_answer(self) -> Answer:
        """Return the decision for this model, with what was measured of it."""
        name, dataset = self._application, self._feeding.data_card.dataset
        decision = self._ranking.decision(name)
        version = datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.000Z")
        return Answer(
            application=name,
            dataset=dataset,
            purpose=self._ranking.recommendations[name].description,
            decision=decision,
            profiles=read_candidate_profiles(self._ranking.profiles.table, dataset, decision),
            origin=Origin(version, version, None, self._ranking.profiles.environment),
            learnt_since=self.learnt_since,
        )

    def _answer_rows(self, rows: object) -> npt.NDArray[np.float64]:
        encoded = self._feeding.encode(rows)
        schema = self._bundle.schema
        if not len(encoded):
            return np.empty((0, schema.n_outputs))
        if self._answer is None:
            serving, bundle = self.serving, self._bundle
            if changed := find_damaged(bundle.path, bundle.files):
                raise RightfitError(
                    f"{self.candidate} cannot be opened: {changed} in {bundle.path} are missing, "
                    "or were changed since the search. Search again."
                )
            self._answer = open_predictor(
                bundle,
                runtime=serving.runtime,
                n_threads=serving.n_threads,
                device=serving.device,
            )
        answers = check_predictions(self._answer(encoded), n_rows=len(encoded), schema=schema)
        return answers.astype(np.float64)

    def __repr__(self) -> str:
        learnt = f", has learnt {self.learnt_since}" if self.learnt_since else ""
        return f"FittedModel({self.candidate}, {self.serving}{learnt})"

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy is made of: the bundle's files travel with it."""
        state = {name: value for name, value in self.__dict__.items() if name != "_keeper"}
        return {
            **state,
            "_answer": None,
            "_ranking": replace(self._ranking),
            "files": read_files(self._bundle),
            "graphs": read_graphs(self._measurements, [self._bundle], self._feeding),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        files: Mapping[str, bytes] = state.pop("files")
        graphs: Mapping[str, bytes] = state.pop("graphs")
        self.__dict__.update(state)
        self._keeper = None
        folder = self._measurements = make_lasting_folder(self)
        self._bundle = write_files(files, self._bundle, folder / "bundle")
        write_graphs(graphs, folder)


def read_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the content of a bundle's files by name, for a copy that travels.

    Raises:
        RightfitError: If one of them is gone.
    """
    try:
        return {name: (bundle.path / name).read_bytes() for name in (MANIFEST, *bundle.files)}
    except OSError as err:
        raise RightfitError(f"A model cannot be copied: {bundle.path} is not whole: {err}") from err


def write_files(files: Mapping[str, bytes], bundle: Bundle, folder: Path) -> Bundle:
    """Write what :func:`read_files` returned into a new folder; return the bundle there."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return replace(bundle, path=folder)


def read_graphs(
    measurements: Path, bundles: Iterable[Bundle], feeding: Preprocessor
) -> dict[str, bytes]:
    """Return the graphs that bundles were measured as, by place, for a copy that travels."""
    encoder = feeding.encoder.to_json()
    places = [
        locate_graph(measurements, bundle, runtime, encoder)
        for bundle in bundles
        for runtime in RUNTIMES
    ]
    return {
        str(place.relative_to(measurements)): place.read_bytes()
        for place in places
        if place.is_file()
    }


def write_graphs(graphs: Mapping[str, bytes], measurements: Path) -> None:
    """Write what :func:`read_graphs` returned into another folder of measurements."""
    for place, content in graphs.items():
        path = measurements / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make_lasting_folder(owner: object) -> Path:
    """Make a temporary folder that lasts as long as anything refers to its owner."""
    stack = ExitStack()
    folder = stack.enter_context(temporary_folder("found"))
    weakref.finalize(owner, stack.close)
    return folder


def list_labels(card: DataCard, values: pl.Series) -> Labels | None:
    """Return a dataset's classes as its target's column holds them; ``None`` in regression.

    Args:
        card: The dataset's card.
        values: The different values of the column; a limit on it makes classes of its own.
    """
    classes = card.input_schema.classes
    if not classes:
        return None
    values = values.cast(pl.Int64, strict=False) if values.dtype.is_float() else values
    by_name = dict(zip(values.cast(pl.String), values, strict=True))
    labels = [by_name.get(name, name) for name in classes]
    is_text = any(isinstance(label, str) for label in labels)
    return np.array(labels, dtype=object if is_text else None)
