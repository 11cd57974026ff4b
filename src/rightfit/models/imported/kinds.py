"""Kinds of model files: what tells them apart, and what serves each.

A file is stored in a bundle under one name per kind; that name, not the file's content, decides
what opens it. An MLflow model is a folder that names one of these files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rightfit._core.errors import RightfitError
from rightfit.models.bundle import ONNX_ONLY
from rightfit.models.bundle_files import is_plain_name, open_regular

MLFLOW = "MLmodel"
MAX_MLFLOW_BYTES = 2**20
MLFLOW_KEYS = ("data", "pickled_model", "model_path", "model_data")  # of a flavour: its file
PICKLES = (".pkl", ".pickle", ".joblib")
XGBOOST_FILE = "weights.xgboost.json"
LIGHTGBM_FILE = "weights.lightgbm.txt"
CATBOOST_FILE = "weights.catboost.json"
SKOPS_FILE = "weights.skops"
MODULE_FILE = "weights.safetensors"
PICKLE_FILE = "weights.pickle"
BOOSTER_FILES = (XGBOOST_FILE, LIGHTGBM_FILE, CATBOOST_FILE)
SUFFIXES: Mapping[str, str] = {
    ".onnx": "model.onnx",
    ".json": XGBOOST_FILE,
    ".ubj": XGBOOST_FILE,
    ".txt": LIGHTGBM_FILE,
    ".cbm": CATBOOST_FILE,
    ".skops": SKOPS_FILE,
    ".safetensors": MODULE_FILE,
    **dict.fromkeys(PICKLES, PICKLE_FILE),
}
"""Name in a bundle, by the suffix of the file."""

FAMILIES: Mapping[str, str] = {
    "model.onnx": ONNX_ONLY,
    XGBOOST_FILE: "xgboost",
    LIGHTGBM_FILE: "lightgbm",
    CATBOOST_FILE: "catboost",
    SKOPS_FILE: "rightfit.models.imported.objects:skops",
    MODULE_FILE: "torch_weights",
    PICKLE_FILE: "rightfit.models.imported.pickles",
}
"""Name or import path of what serves it, by the name in a bundle."""

UNTRUSTED = ("model.onnx", MODULE_FILE)
"""Kinds that are opened whoever wrote them; safetensors holds nothing but arrays."""
SAY_TRUST = (
    "Say that you trust who wrote it (trust: true in the configuration, --trust, or trust=True)"
)


def name_weights(path: Path, *, trust: bool) -> str:
    """Return the name in a bundle of a file's kind.

    Raises:
        RightfitError: If the kind is unknown, or needs trust.
    """
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise RightfitError(
            f"the file must end in one of {', '.join(SUFFIXES)}, but got {path.name!r}"
        )
    _require_trust(name, path.name, trust=trust)
    return name


def needs_trust(path: Path) -> bool:
    """Tell whether a file is of a kind that is opened only if its writer is trusted."""
    name = SUFFIXES.get(path.suffix.lower())
    return name is not None and name not in UNTRUSTED


def _require_trust(weights_file: str, called: str, *, trust: bool) -> None:
    if trust or weights_file in UNTRUSTED:
        return
    if weights_file == PICKLE_FILE:
        raise RightfitError(
            f"{called} is a pickle: opening it runs whatever code it holds. {SAY_TRUST}, and only "
            "the measured process opens it; else export it to ONNX"
        )
    raise RightfitError(
        f"{called} is opened by its own library, which a wrong file may crash or make read foreign "
        f"memory. {SAY_TRUST}; else export it to ONNX"
    )


def find_family(weights_file: str, *, trust: bool, module: str | None = None) -> str:
    """Return the reference of the family that serves a bundle's model.

    Raises:
        RightfitError: If nothing does, or it needs trust or a module.
    """
    if weights_file not in FAMILIES:
        raise RightfitError(f"{weights_file} is of no kind that can be imported")
    _require_trust(weights_file, weights_file, trust=trust)
    if (weights_file == MODULE_FILE) != (module is not None):
        raise RightfitError(
            "module names the torch module of a .safetensors file, as in module: my_study.nets.Net"
        )
    family = FAMILIES[weights_file]
    return f"{family}:{module}" if module else family


def resolve_file(path: Path) -> Path:
    """Return a model's file; that of its flavour where the path is an MLflow model.

    Raises:
        RightfitError: If there is no file.
    """
    if not (path / MLFLOW).is_file():
        if not path.is_file():
            raise RightfitError(f"there is no file {path}")
        return path
    import yaml  # not there where a pack is measured

    with open_regular(path / MLFLOW) as file:
        text = file.read(MAX_MLFLOW_BYTES)
    try:
        flavours = yaml.load(text, Loader=yaml.CSafeLoader)["flavors"]
        file_names: list[str] = [
            flavour[key]
            for name, flavour in flavours.items()
            if name != "python_function"
            for key in MLFLOW_KEYS
            if isinstance(flavour.get(key), str)
        ]
    except (AttributeError, KeyError, TypeError, yaml.YAMLError) as err:
        raise RightfitError(f"{path / MLFLOW} describes no model: {err!r}") from err
    files = [path / name for name in file_names if is_plain_name(name) and (path / name).is_file()]
    if not files:
        raise RightfitError(
            f"{path / MLFLOW} names no model file in its folder; it names {file_names}"
        )
    return files[0]
