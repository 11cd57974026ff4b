"""Serving runtimes: the ways to answer with a bundle's model.

Three come with the library; any other is named by its import path, as in
``evaluation.runtimes: [onnx, my_study.runtimes.OpenVino]``.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from rightfit._core.errors import RightfitError
from rightfit._core.import_path import import_by_path
from rightfit._core.processes.codec import hash_json
from rightfit.models.bundle import ONNX_FILE, Bundle, write_manifest
from rightfit.models.bundle_files import (
    hash_regular_file,
    is_plain_name,
    read_manifest,
    write_replacing,
)
from rightfit.models.calibration import scale_probabilities
from rightfit.models.onnx_session import open_session, read_filling
from rightfit.models.served_family import Rows, ServedFamily
from rightfit.models.sources import read_family_sources, read_own_sources

Predict = Callable[[Any], Any]  # from rows in the form that a model reads to its answers

NATIVE = "native"
ONNX = "onnx"
ONNX_INT8 = "onnx_int8"
GRAPH_VERSION = 4  # raise it when passes change: what they have compiled is then measured again

logger = logging.getLogger(__name__)


class Runtime(Protocol):
    """A way to answer with a bundle's model.

    A runtime that opens an ONNX file gets rows as the graph reads them: a float32 matrix, or an
    array for each of several inputs by name. Any other gets them as the native model does.

    A runtime may also have ``derive(bundle)``. It returns the contents of files of its own by name,
    made from the bundle's other files; none where it cannot serve the model. Files in formats other
    than ONNX are opened of trusted bundles alone.
    """

    def list_files(self, bundle: Bundle) -> tuple[str, ...]:
        """Return the bundle's files that it opens; none if it cannot serve this model."""

    def list_imports(self, bundle: Bundle) -> tuple[str, ...]:
        """Return the modules that a process imports before it opens a model."""

    def open(self, bundle: Bundle, *, n_threads: int, device: str) -> Predict:
        """Load a bundle's model, ready to answer with so many threads on a device.

        Returns:
            A function from rows to answers: class probabilities, shape (n_rows, n_classes), or, in
            regression, values, shape (n_rows, 1). It returns when the answer is there, on a GPU
            too.
        """


class _Native:
    """The family's own library."""

    def list_files(self, bundle: Bundle) -> tuple[str, ...]:
        return () if bundle.weights_file == ONNX_FILE else (bundle.weights_file,)

    def list_imports(self, bundle: Bundle) -> tuple[str, ...]:
        family = bundle.load_family()
        family.require_libraries(f"Serving {bundle.model} in its own library")
        more = family.list_imports(bundle.configuration)
        return tuple(dict.fromkeys((*family.native_imports, *more)))

    def open(self, bundle: Bundle, *, n_threads: int, device: str) -> Predict:
        family = bundle.load_family()
        if device not in family.devices:
            raise ValueError(f"{bundle.model} runs on {family.devices}, but got {device=}.")
        model = bundle.load_native()
        family.set_serving(model, n_threads=n_threads, device=device)
        temperature = bundle.temperature
        return lambda rows: scale_probabilities(family.predict(model, rows), temperature)


class _OnnxRuntime:
    """ONNX Runtime.

    Args:
        file: The bundle's file that it opens.
    """

    def __init__(self, file: str) -> None:
        self._file = file

    def list_files(self, bundle: Bundle) -> tuple[str, ...]:  # noqa: ARG002
        return (self._file,)

    def list_imports(self, bundle: Bundle) -> tuple[str, ...]:  # noqa: ARG002
        return ("onnxruntime",)

    def open(self, bundle: Bundle, *, n_threads: int, device: str) -> Predict:
        path = bundle.locate(self._file)
        session = open_session(path, n_threads=n_threads, device=device)
        run = session.run
        output_names = {output.name for output in session.get_outputs()}
        outputs = [bundle.schema.output_name] if bundle.schema.output_name in output_names else None
        if bundle.configuration.get("tensors"):  # rows are the inputs' values by name
            inputs = {tensor.name for tensor in session.get_inputs()}
            fillings = {
                name: filling for name, filling in read_filling(session).items() if name in inputs
            }

            def predict_feed(feed: Mapping[str, Any]) -> Any:
                for name, filling in fillings.items():  # of an export's compiled graph
                    feed = {**feed, name: filling.widen(feed[name])}
                results = run(outputs, feed)
                return results[0] if len(results) == 1 else results

            return predict_feed

        def predict(rows: Rows) -> Rows:
            answers: Rows = run(outputs, {"rows": rows})[0]
            return answers

        return predict


class _OnnxInt8(_OnnxRuntime):
    """ONNX Runtime with 8-bit weights; activations are quantised at run time."""

    def __init__(self) -> None:
        super().__init__("model.int8.onnx")

    def suits(self, family: ServedFamily) -> bool:
        """Tell whether 8-bit weights make sense: for a net's products they do, for trees not."""
        return "torch" in family.native_imports

    def derive(self, bundle: Bundle) -> Mapping[str, bytes]:
        """Return the bundle's ONNX model with 8-bit weights."""
        if not self.suits(bundle.load_family()):
            return {}
        from onnxruntime.quantization import QuantType, quantize_dynamic

        def hides_advice(record: logging.LogRecord) -> bool:
            return "pre-processing" not in record.getMessage()  # small nets do not need it

        logging.root.addFilter(hides_advice)
        try:
            with tempfile.TemporaryDirectory() as folder:
                quantised = Path(folder, self._file)
                exported = bundle.locate(ONNX_FILE)
                quantize_dynamic(exported, quantised, weight_type=QuantType.QUInt8)
                return {self._file: quantised.read_bytes()}
        finally:
            logging.root.removeFilter(hides_advice)


RUNTIMES: Mapping[str, Runtime] = {
    NATIVE: _Native(),
    ONNX: _OnnxRuntime(ONNX_FILE),
    ONNX_INT8: _OnnxInt8(),
}
"""The library's runtimes, by name."""


def find_runtime(name: str) -> Runtime:
    """Return a runtime by its name, or by the import path of an object or class of one's own.

    Raises:
        RightfitError: If there is none.
    """
    if name in RUNTIMES:
        return RUNTIMES[name]
    runtime: Any = None
    if "." in name:
        runtime = import_by_path(name, kind="runtime", key="evaluation.runtimes")
    try:
        runtime = runtime() if isinstance(runtime, type) else runtime
    except TypeError as err:
        raise RightfitError(
            f"The runtime {name} can't be made without arguments: {err}. Name an object."
        ) from err
    lacks = [
        method for method in ("list_files", "list_imports", "open") if not hasattr(runtime, method)
    ]
    if lacks:
        raise RightfitError(
            f"There is no runtime {name!r}; the library has {list(RUNTIMES)}, any other is the "
            f"import path of an object with the methods of rightfit.Runtime; {lacks} are missing."
        )
    checked_runtime: Runtime = runtime
    return checked_runtime


def suits_family(runtime: str, family: ServedFamily) -> bool:
    """Tell whether a runtime may serve a family's models; only a bundle tells for certain."""
    suits = getattr(find_runtime(runtime), "suits", None)
    return suits is None or bool(suits(family))


def derive_files(bundle: Bundle, runtimes: Iterable[str]) -> Bundle:
    """Write the files that runtimes derive from a bundle's model, and list them in the bundle.

    A file that cannot be derived is logged; the model is then served by the other runtimes.

    Args:
        bundle: Bundle to extend in place.
        runtimes: Names or import paths of runtimes.

    Returns:
        The bundle with the files; the same object where there are none.
    """
    derived: dict[str, bytes] = {}
    for runtime in runtimes:
        derive = getattr(find_runtime(runtime), "derive", None)
        try:
            derived |= derive(bundle) if derive is not None else {}
        except Exception as err:  # quantisers and compilers raise whatever they stumble over
            logger.warning("%s is not served by %s: %s", bundle.path.name, runtime, err)
    if not derived:
        return bundle
    manifest, _ = read_manifest(bundle.path)
    for name, content in derived.items():
        if not is_plain_name(name) or name in (bundle.weights_file, ONNX_FILE):
            raise RightfitError(f"A runtime must not write {name!r} into a bundle.")
        write_replacing(bundle.path / name, content)
        manifest["files"][name] = hash_regular_file(bundle.path / name)
    return write_manifest(bundle.path, manifest, bundle.family, trust=bundle.is_trusted)


def runtime_imports(bundle: Bundle, runtime: str) -> tuple[str, ...]:
    """Return the modules a process must import to serve a bundle's model in a runtime.

    Raises:
        RightfitError: If an extra is missing that brings one of them.
    """
    own_module = () if runtime in RUNTIMES else (runtime.rpartition(".")[0],)
    return (*find_runtime(runtime).list_imports(bundle), *own_module)


def describe_code(bundle: Bundle, runtime: str) -> dict[str, object]:
    """Return what serves a bundle's model in a runtime, as JSON types: when it changes, so may all.

    Returns:
        Versions of the libraries that are imported, a hash of the sources of a family that serves
        natively, or of a runtime of one's own, and the version of compiled graphs where one is run.
    """
    imports = runtime_imports(bundle, runtime)
    libraries = {name: version for module in imports for name, version in _versions(module)}
    sources = hash_sources(bundle.family) if runtime == NATIVE and bundle.family else None
    if runtime not in RUNTIMES:
        sources = hash_json(read_own_sources(runtime.rpartition(".")[0]))
    graphs = {"graphs": GRAPH_VERSION} if reads_graph(bundle, runtime) else {}
    return {"libraries": libraries, "sources": sources, **graphs}


@functools.cache
def hash_sources(reference: str) -> str:
    """Return the SHA-256 (hex) of a family's sources."""
    return hash_json(read_family_sources(reference))


@functools.cache
def _versions(module: str) -> tuple[tuple[str, str], ...]:
    """Return names and versions of the distributions that a module comes from.

    ``importlib.metadata.packages_distributions`` takes three times as long: it reads the path
    of every installed file.
    """
    library = module.partition(".")[0]
    installed = importlib.metadata.distributions()
    names = {one.metadata["Name"] for one in installed if _brings(one, library)}
    return tuple((name, importlib.metadata.version(name)) for name in sorted(names))


def _brings(distribution: importlib.metadata.Distribution, library: str) -> bool:
    """Tell whether a distribution installs a top-level module."""
    declared = distribution.read_text("top_level.txt")
    if declared:
        return library in declared.split()
    files = "\n" + (distribution.read_text("RECORD") or "")
    return f"\n{library}/" in files or f"\n{library}.py," in files


def runtime_files(bundle: Bundle, runtime: str) -> list[Path]:
    """Return the bundle's files that a runtime needs, beside ``bundle.json``."""
    return [bundle.path / name for name in find_runtime(runtime).list_files(bundle)]


def can_serve(bundle: Bundle, runtime: str) -> bool:
    """Tell whether a bundle holds the files that a runtime needs, and they may be opened."""
    files = find_runtime(runtime).list_files(bundle)
    return bool(files) and all(name in bundle.files and bundle.may_open(name) for name in files)


def reads_graph(bundle: Bundle, runtime: str) -> bool:
    """Tell whether a runtime opens a bundle's ONNX file."""
    return any(name.endswith(".onnx") for name in find_runtime(runtime).list_files(bundle))


def available_runtimes(bundle: Bundle) -> tuple[str, ...]:
    """Return the library's runtimes that can serve a bundle's model."""
    return tuple(name for name in RUNTIMES if can_serve(bundle, name))


def open_predictor(bundle: Bundle, *, runtime: str, n_threads: int, device: str) -> Predict:
    """Load a bundle's model, ready to answer; see :meth:`Runtime.open`.

    Args:
        bundle: A checked bundle.
        runtime: Its name or import path.
        n_threads: Threads a call may use. For the native runtime of scikit-learn's linear models
            the process' environment (``OPENBLAS_NUM_THREADS``) decides.
        device: ``cpu`` or ``cuda``.

    Raises:
        ValueError: If the runtime is unknown, the bundle has no export, or the family can't use
            the device.
    """
    return find_runtime(runtime).open(bundle, n_threads=n_threads, device=device)
