"""Serving runtimes: the ways to answer with a bundle's model."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rightfit.extras import require
from rightfit.families.bundle import INT8_FILE, ONNX_FILE, Bundle
from rightfit.families.family import Rows
from rightfit.families.sources import read_family_sources

Predict = Callable[[Any], Any]  # from rows in the form that a model reads to its answers

NATIVE = "native"
RUNTIMES = (NATIVE, "onnx", "onnx_int8")

_ONNX_FILES = {"onnx": ONNX_FILE, "onnx_int8": INT8_FILE}
_ONNX_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def runtime_imports(bundle: Bundle, runtime: str) -> tuple[str, ...]:
    """Return the modules a process must import to serve a bundle's model in a runtime.

    Raises:
        RightfitError: If an extra is missing that brings one of them.
    """
    if runtime != NATIVE:
        return ("onnxruntime",)
    family = bundle.load_family()
    require(*family.native_imports, purpose=f"Serving {bundle.model} in its own library")
    list_imports = getattr(family, "list_imports", None)  # of a model that is an object
    more = () if list_imports is None else list_imports(bundle.configuration)
    return tuple(dict.fromkeys((*family.native_imports, *more)))


def describe_code(bundle: Bundle, runtime: str) -> dict[str, object]:
    """Return what serves a bundle's model in a runtime, as JSON types: when it changes, so may all.

    Returns:
        Versions of the libraries that are imported, and for the native runtime a hash of the
        family's sources.
    """
    imports = runtime_imports(bundle, runtime)
    libraries = {name: version for module in imports for name, version in _versions(module)}
    sources = hash_sources(bundle.family) if runtime == "native" and bundle.family else None
    return {"libraries": libraries, "sources": sources}


@functools.cache
def hash_sources(reference: str) -> str:
    """Return the SHA-256 (hex) of a family's sources."""
    content = json.dumps(read_family_sources(reference), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


@functools.cache
def _versions(module: str) -> tuple[tuple[str, str], ...]:
    """Return names and versions of the distributions that a module comes from."""
    names = _distributions().get(module.partition(".")[0], ())
    return tuple((name, importlib.metadata.version(name)) for name in sorted(set(names)))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def runtime_files(bundle: Bundle, runtime: str) -> list[Path]:
    """Return the bundle's files that a runtime needs, beside ``bundle.json``."""
    if runtime == "native":
        return [bundle.path / bundle.weights_file]
    return [bundle.path / _ONNX_FILES[runtime]]


def available_runtimes(bundle: Bundle) -> tuple[str, ...]:
    """Return the runtimes whose files a bundle holds; a model that is ONNX has no native one."""
    return tuple(
        runtime
        for runtime in RUNTIMES
        if all(path.name in bundle.files for path in runtime_files(bundle, runtime))
        and not (runtime == "native" and bundle.weights_file == ONNX_FILE)
    )


def open_model(bundle: Bundle, *, runtime: str, n_threads: int, device: str) -> Predict:
    """Load a bundle's model, ready to answer.

    Args:
        bundle: A checked bundle.
        runtime: One of :data:`RUNTIMES`.
        n_threads: Threads a call may use. For the native runtime of scikit-learn's linear models
            the process' environment (``OPENBLAS_NUM_THREADS``) decides.
        device: ``cpu`` or ``cuda``.

    Returns:
        A function from rows, shape (n_rows, n_features), to answers: class probabilities, shape
        (n_rows, n_classes), or, in regression, values, shape (n_rows, 1). It returns when the
        answer is there, on a GPU too.

    Raises:
        ValueError: If the runtime is unknown, the bundle has no export, or the family can't use
            the device.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime must be one of {RUNTIMES}, but got {runtime=}.")
    if runtime in _ONNX_FILES:
        return _open_onnx(bundle, _ONNX_FILES[runtime], n_threads=n_threads, device=device)
    family = bundle.load_family()
    if device not in family.devices:
        raise ValueError(f"{bundle.model} runs on {family.devices}, but got {device=}.")
    model = bundle.load_native()
    family.set_serving(model, n_threads=n_threads, device=device)
    return lambda rows: family.predict(model, rows)


def _open_onnx(bundle: Bundle, file: str, *, n_threads: int, device: str) -> Predict:
    import onnxruntime

    path = bundle.locate(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    provider = _ONNX_PROVIDERS[device]
    session = onnxruntime.InferenceSession(path, sess_options=options, providers=[provider])
    if provider not in session.get_providers():
        raise ValueError(f"This onnxruntime has no {provider}; install onnxruntime-gpu.")
    run = session.run
    named = {output.name for output in session.get_outputs()}
    outputs = [bundle.schema.output_name] if bundle.schema.output_name in named else None
    if bundle.configuration.get("tensors"):  # rows are the inputs' values by name
        return lambda feed: _unpack(run(outputs, feed))

    def predict(rows: Rows) -> Rows:
        answers: Rows = run(outputs, {"rows": rows})[0]
        return answers

    return predict


def _unpack(answers: list[Any]) -> Any:
    return answers[0] if len(answers) == 1 else answers
