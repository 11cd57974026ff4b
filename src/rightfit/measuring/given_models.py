"""Models as somebody has them, in memory or as files, each made a bundle in its own way."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.frames import read_frame
from rightfit.data.request_path.feeding import TensorInput
from rightfit.data.request_path.raw_inputs import DTYPES, IMAGE, TEXTS, list_texts
from rightfit.data.request_path.row_reading import read_requests
from rightfit.data.request_path.usage import CALL, ExportedModel, read_export
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.models.bundle import ONNX_FILE, ONNX_ONLY, Bundle, read_bundle, write_bundle_files
from rightfit.models.bundle_files import MANIFEST
from rightfit.models.imported.feeds import (
    TEXT,
    Feed,
    Tensor,
    list_columns,
    make_rows,
    plan_feeds,
    plan_random,
    read_inputs,
    reads_matrix,
)
from rightfit.models.imported.first_predictions import (
    N_TRIED,
    FirstPredictions,
    select_columns,
    try_object,
)
from rightfit.models.imported.importing import (
    ModelFile,
    describe_feeds,
    import_file,
    open_native,
    open_onnx,
    open_skops,
)
from rightfit.models.imported.kinds import (
    FAMILIES,
    MODULE_FILE,
    PICKLE_FILE,
    SKOPS_FILE,
    find_family,
    resolve_file,
)
from rightfit.models.imported.objects import (
    OBJECT_FILE,
    ModelDescription,
    describe_object,
    is_own_code,
)
from rightfit.models.imported.onnx_form import GIVEN, OutputChoice, adapt_onnx, read_classes
from rightfit.models.imported.pickles import write_object
from rightfit.models.imported.predictors import is_predictor, list_models
from rightfit.models.imported.row_table import RowTable, take_stored
from rightfit.models.onnx_session import open_session
from rightfit.models.predictions import check_predictions
from rightfit.models.runtimes import ONNX
from rightfit.models.schema import InputSchema, Task

OBJECTS = "rightfit.models.imported.objects"


class UserModel(Protocol):
    """A model that can be made a bundle."""

    @property
    def facts(self) -> ModelDescription:
        """What it says of itself."""

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """Write it as a bundle.

        Args:
            folder: Folder to create, below one that no other user can read.
            name: The model's name.
            rows: Rows to try it on, all columns that there are; ``None``: there are none.
            classes: The classes, empty in regression; ``None``: its answers are not judged.

        Raises:
            ValueError: If it does not answer the rows.
        """


@dataclass(frozen=True)
class UserObject:
    """A model of this process; making a bundle changes nothing of it."""

    model: Any
    facts: ModelDescription
    first: WorkerFirstRows

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """See :class:`UserModel`."""
        table = require_rows(rows, self.facts)
        folder.mkdir(mode=0o700)
        copy, imports = write_object(self.model, folder / OBJECT_FILE, self.facts)
        if is_own_code(self.model, self.facts):  # which may never answer
            tried = self.first.try_pickle(folder / OBJECT_FILE, table, imports=imports)
        else:
            tried = try_object(copy, self.facts, table, imports=imports)
        return write_bundle_files(
            folder,
            model=name,
            family=f"{OBJECTS}:{self.facts.kind}",
            weights_file=OBJECT_FILE,
            configuration=tried.configure(classes),
            schema=InputSchema(tried.columns, classes or (), None),
        )


@dataclass(frozen=True)
class UserOnnx:
    """An ONNX model; ``proto`` holds all of its weights."""

    proto: Any
    session: Any
    facts: ModelDescription
    first: WorkerFirstRows

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Its inputs."""
        return read_inputs(self.session)

    @property
    def is_single(self) -> bool:
        """Whether it takes one row a call and no more."""
        return any(tensor.shape[:1] == (1,) for tensor in self.inputs)

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """See :class:`UserModel`. Where nothing is judged the model stays as it is."""
        feeds = plan_random(self.inputs) if rows is None else plan_feeds(self.inputs, rows)
        features = tuple(dict.fromkeys(name for feed in feeds for name in feed.columns))
        if not features and len(feeds) == 1 and len(feeds[0].shape) == 1:
            features = tuple(map(str, range(feeds[0].shape[0])))  # of random rows: numbers
        elif not features:
            features = tuple(feed.name for feed in feeds)
        folder.mkdir(mode=0o700)

        def write(answers: OutputChoice) -> Bundle:
            is_matrix = classes is not None and reads_matrix(self.inputs)
            schema = InputSchema(features, classes or (), None)
            content = (
                self.proto.SerializeToString()
                if classes is None
                else adapt_onnx(
                    self.proto, self.session, schema, answers, keeps_inputs=not is_matrix
                )
            )
            (folder / ONNX_FILE).write_bytes(content)
            prefix = "" if classes is None else GIVEN
            return write_bundle_files(
                folder,
                model=name,
                family=ONNX_ONLY,
                weights_file=ONNX_FILE,
                configuration={} if is_matrix else describe_feeds(feeds, prefix=prefix),
                schema=schema,
            )

        plain = OutputChoice(is_configured=False)
        bundle = write(plain)
        answers = self._answer(bundle, rows)
        if classes:
            try:
                check_predictions(answers, n_rows=len(answers), schema=bundle.schema)
            except ValueError:  # no probabilities: try them as logits
                (folder / MANIFEST).unlink()
                bundle = write(replace(plain, are_logits=True))
                answers = self._answer(bundle, rows)
        if classes is not None:
            check_predictions(answers, n_rows=len(answers), schema=bundle.schema)
        return bundle

    def _answer(self, bundle: Bundle, rows: RowTable | None) -> Any:
        n_tried = 1 if self.is_single else N_TRIED
        model_rows = make_rows(bundle, ONNX, None if rows is None else rows.head(n_tried))
        tried = (
            {name: values[:n_tried] for name, values in model_rows.items()}
            if isinstance(model_rows, dict)
            else model_rows[:n_tried]
        )
        try:
            with machine_lock():
                return self.first.answer(bundle, ONNX, tried)
        except RightfitError as err:
            raise RightfitError(
                f"{self.facts.name} cannot answer the rows. It declares "
                f"{'; '.join(map(str, self.inputs))}. It fails with: {err}"
            ) from err


@dataclass(frozen=True)
class GivenWeights:
    """A file of boosted trees or of skops, or a pickle that was tried."""

    file: ModelFile
    facts: ModelDescription
    tried: FirstPredictions | None = None

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """See :class:`UserModel`."""
        read = select_columns(require_rows(rows, self.facts), self.facts)
        return import_file(
            replace(self.file, name=name),
            folder,
            schema=InputSchema(self.facts.features or read.columns, classes or (), None),
            rows=read,
            tried=self.tried,
        )


@dataclass(frozen=True)
class UserExport:
    """A folder that ``rightfit export`` has written: encoder and model in one graph."""

    graph: Path
    inputs: tuple[TensorInput, ...]
    facts: ModelDescription

    def bundle(
        self,
        folder: Path,
        *,
        name: str,
        rows: RowTable | None,
        classes: tuple[str, ...] | None,  # noqa: ARG002 - its own hold
    ) -> Bundle:
        """See :class:`UserModel`."""
        select_columns(require_rows(rows, self.facts), self.facts)
        feeds = [
            Feed(
                tensor.name,
                TEXT if tensor.dtype == DTYPES[TEXTS] else tensor.dtype,
                (len(tensor.columns),),
                tensor.columns,
            )
            for tensor in self.inputs
        ]
        folder.mkdir(mode=0o700)
        shutil.copyfile(self.graph, folder / ONNX_FILE)
        return write_bundle_files(
            folder,
            model=name,
            family=ONNX_ONLY,
            weights_file=ONNX_FILE,
            configuration=describe_feeds(feeds),
            schema=InputSchema(self.facts.features or (), self.facts.classes, None),
        )


@dataclass(frozen=True)
class UserBundle:
    """A bundle that a run has made; it stays where it is."""

    stored: Bundle
    facts: ModelDescription

    def bundle(
        self,
        folder: Path,  # noqa: ARG002
        *,
        name: str,
        rows: RowTable | None,
        classes: tuple[str, ...] | None,  # noqa: ARG002 - its own hold
    ) -> Bundle:
        """See :class:`UserModel`."""
        if rows is not None:
            select_columns(rows, self.facts)
        return replace(self.stored, model=name)


def require_rows(rows: RowTable | None, facts: ModelDescription) -> RowTable:
    """Return rows that a model needs.

    Raises:
        RightfitError: If there are none.
    """
    if rows is None:
        raise RightfitError(
            f"{facts.name} needs rows to be measured with: give some that it can answer, as in "
            "measure(model, X_test)."
        )
    return rows


def read_rows(model: UserModel, rows: RowTable) -> RowTable:
    """Return rows as a model reads them: an export takes those of a table as it takes requests.

    Raises:
        ValueError: If the export refuses them.
    """
    if not isinstance(model, UserExport) or rows.form == "matrix":
        return rows
    chosen = select_columns(rows, model.facts)
    table = read_frame(chosen.content, entry="rows")
    return take_stored(read_requests(table.select(chosen.columns), model.inputs))


def list_export_texts(models: Iterable[object]) -> set[str]:
    """Return the columns that are texts in a CSV file for exports among models.

    Raises:
        RightfitError: If a folder is not as it was exported.
    """
    folders = [read_path("model", model) for model in models if isinstance(model, str | Path)]
    calls = [_read_call(folder) for folder in folders if (folder / CALL).is_file()]
    return {name for call in calls for name in list_texts(call.inputs)}


def adapt_model(
    model: Any, *, rows: RowTable | None, trust: bool, first: WorkerFirstRows
) -> UserModel:
    """Recognise a model in memory, or a file or folder.

    Args:
        model: The model, or the path of one.
        rows: Rows to try a pickle on.
        trust: Whether what is no ONNX may be opened; a pickle runs whatever code it holds.
        first: Answers the first rows of models of files.

    Raises:
        ValueError: If it is none that could be measured.
    """
    if isinstance(model, bytes):
        return wrap_onnx(model, "the ONNX model", first)
    if type(model).__name__ == "ModelProto":
        return wrap_onnx(model.SerializeToString(), "the ONNX model", first)
    if is_predictor(model):
        model = next(iter(list_models(model).values()))
    if not isinstance(model, str | Path):
        return UserObject(model, describe_object(model), first)
    path = read_path("model", model)
    if (path / MANIFEST).is_file():
        return _take_bundle(path, trust=trust)
    if (path / CALL).is_file():
        return _take_export(path)
    file = ModelFile("", resolve_file(path), trust=trust)
    kind = file.weights_file
    if kind == ONNX_FILE:
        return wrap_onnx(file.path, file.path.name, first)
    if kind == MODULE_FILE:
        raise RightfitError(
            f"{path.name} holds the weights of a torch module; give the module itself, with its "
            "weights loaded: module.load_state_dict(...)."
        )
    if kind == PICKLE_FILE:
        unknown = ModelDescription("estimator", path.name, None, (), None, None)
        with machine_lock():
            tried = first.try_pickle(file.path, require_rows(rows, unknown))
        return GivenWeights(file, tried.facts, tried)
    if kind == SKOPS_FILE:
        return GivenWeights(file, open_skops(file.path)[1])
    return GivenWeights(file, open_native(file.path, kind)[1])


def wrap_onnx(model: bytes | Path, name: str, first: WorkerFirstRows) -> UserOnnx:
    """Open an ONNX model.

    Raises:
        ValueError: If it is none.
    """
    import onnx

    if isinstance(model, Path):
        session = open_onnx(model)
    else:
        session = open_session(model, is_optimised=False)
    proto = onnx.load(model) if isinstance(model, Path) else onnx.load_from_string(model)
    inputs = read_inputs(session)
    classes = read_classes(proto)
    n_values = inputs[0].n_values if len(inputs) == 1 else len(inputs)
    task: Task | None = "classification" if classes else None
    facts = ModelDescription("onnx", name, task, classes, list_columns(inputs), n_values)
    return UserOnnx(proto, session, facts, first)


def _take_bundle(path: Path, *, trust: bool) -> UserModel:
    bundle = read_bundle(path, trust=trust)
    has_family = bundle.weights_file in FAMILIES and bundle.weights_file not in (
        PICKLE_FILE,
        MODULE_FILE,
    )
    if ONNX_FILE not in bundle.files:
        if not has_family:
            raise RightfitError(
                f"{path} holds no ONNX export, and its {bundle.weights_file} needs the family that "
                "trained it; measure it in its project, or give the model itself."
            )
        bundle.locate(bundle.weights_file)  # says what trusting it means
    family = find_family(bundle.weights_file, trust=True) if has_family and trust else ONNX_ONLY
    schema = bundle.schema
    facts = ModelDescription(
        "onnx", bundle.model, schema.task, schema.classes, schema.features, schema.n_features
    )
    return UserBundle(replace(bundle, family=family), facts)


def _take_export(path: Path) -> UserExport:
    call = _read_call(path)
    if any(tensor.dtype == DTYPES[IMAGE] for tensor in call.inputs):
        raise RightfitError(f"{path} reads images; measure its bundle instead: {path / 'bundle'}")
    graph = path / call.onnx_file
    open_onnx(graph)
    features = tuple(dict.fromkeys(name for tensor in call.inputs for name in tensor.columns))
    task: Task = "classification" if call.classes else "regression"
    facts = ModelDescription("onnx", path.name, task, call.classes, features, None)
    return UserExport(graph, call.inputs, facts)


def _read_call(path: Path) -> ExportedModel:
    try:
        return read_export(path)
    except ValueError as err:  # an export's own code knows no RightfitError
        raise RightfitError(str(err)) from err
