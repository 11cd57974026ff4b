"""Load the configuration; say of a broken file which one it is, and in which line."""

from __future__ import annotations

import os
import re
import tarfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from click import ClickException
from kedro.config import AbstractConfigLoader, MissingConfigException, OmegaConfigLoader
from kedro.framework.project import settings
from omegaconf import OmegaConf

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import clean_text
from rightfit._core.spelling import name_some, suggest
from rightfit_kedro.explain import one_line

# Kedro 1.7 registers its two resolvers as omegaconf before 2.4 had it.
warnings.filterwarnings("ignore", r"register_new_resolver\(\) is deprecated", UserWarning)

GLOBALS = ("globals*", "globals*/**", "**/globals*")
DATA_ROOT = "data_root"
DEFAULT_DATA_ROOT = "data"

CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single values, not whole blocks
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
    # in YAML ${environment:NAME,otherwise}
    "custom_resolvers": {"environment": lambda name, otherwise: os.environ.get(name, otherwise)},
}


def load_configuration(loader: AbstractConfigLoader, key: str) -> dict[str, Any]:
    """Load one kind of configuration, such as ``parameters``; empty if there is none.

    Raises:
        RightfitError: If a file of that kind cannot be read: one line each, with its place.
    """
    try:
        return dict(loader[key])
    except Exception as err:  # of YAML, OmegaConf, resolvers and files
        faults = list(filter(None, map(explain_file, list_files(loader, key))))
        if not faults and isinstance(err, MissingConfigException | KeyError):
            return {}  # a key is missing where the loader knows no files of that kind
        faults = faults or [f"{key}: {one_line(err)}. Correct conf/*/{key}*.yml."]
        raise RightfitError("\n".join(faults)) from err


def read_parameters(loader: AbstractConfigLoader) -> dict[str, Any] | None:
    """Return a project's parameters, ``None`` if it has no grid of Rightfit's among them.

    Raises:
        RightfitError: If a file of parameters cannot be read.
    """
    parameters = load_configuration(loader, "parameters")
    grid = parameters.get("grid")
    return parameters if isinstance(grid, dict) and {"datasets", "models"} & set(grid) else None


def find_data_root(loader: AbstractConfigLoader) -> str:
    """Return the root of all data: the run's parameter, the project's global, or ``data``.

    Raises:
        ValueError: If it can be no root, or the globals cannot be read.
    """
    configured = load_configuration(loader, "globals").get(DATA_ROOT, DEFAULT_DATA_ROOT)
    return check_data_root((loader.runtime_params or {}).get(DATA_ROOT, configured))


def check_data_root(data_root: Any) -> str:
    """Return the root of all data if it can be one.

    Raises:
        ValueError: If it is empty or no text, or holds what no path or pattern can.
    """
    strange = sorted({char for char in str(data_root) if char in "*[]{}\n\0"})
    if (
        not isinstance(data_root, str)
        or not data_root.strip()
        or strange
        or data_root.startswith("~")
    ):
        raise RightfitError(
            f"data_root must be a folder or a URL, written in full and without * [ ] {{ }}, but "
            f"got {data_root!r}. Correct --params data_root=... or conf/base/globals.yml."
        )
    return data_root


def make_loader(
    conf_source: Path, *, env: str | None, runtime_params: dict[str, Any] | None = None
) -> AbstractConfigLoader:
    """Return a loader of the project's kind, for what opens no session."""
    loader: AbstractConfigLoader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(conf_source),
        env=env,
        runtime_params=runtime_params,
        **settings.CONFIG_LOADER_ARGS,
    )
    return loader


def list_texts(loader: AbstractConfigLoader) -> Iterator[str]:
    """Yield the texts of all files of the configuration that can be read."""
    for key in getattr(loader, "config_patterns", {}):
        for path in list_files(loader, key):
            yield path.read_text(encoding="utf-8", errors="replace")


def name_files(loader: AbstractConfigLoader, message: str) -> str:
    """Return a message in which each file of parameters that is named exists.

    A project may keep its blocks in other files, or a block may have the library's values alone.
    """
    files = list_files(loader, "parameters")

    def name_file(match: re.Match[str]) -> str:
        holder = re.compile(rf"^{match[1]}:", re.MULTILINE)
        if not files or any(file.name == match[0] for file in files):
            return match[0]
        for file in files:
            if holder.search(file.read_text(encoding="utf-8", errors="replace")):
                return file.name
        return f"--params, or add {match[0]} to {'/'.join(files[0].parts[-3:-1])}"

    return re.sub(r"parameters_(\w+)\.yml", name_file, message)


OWN_PROJECT = "rightfit_project"
"""Package of the repository's own project, and of whoever has a configuration alone."""


class ExplainingConfigLoader(OmegaConfigLoader):
    """Kedro's loader; it reads ``globals.yml`` at once, and says what is wrong with it.

    An environment that is asked for has to have a folder; the one of runs that ask for none need
    not: then the base stands alone.
    """

    def __init__(self, conf_source: str, env: str | None = None, *args: Any, **kwargs: Any) -> None:
        base, default = kwargs.get("base_env"), kwargs.get("default_run_env")
        present = _list_environments(Path(conf_source))
        if base in present:
            if env and env not in present:
                whole = sorted(name for name in present if "/" not in name)
                raise ClickException(
                    f"There is no environment {env!r} in {conf_source}{suggest(env, whole)}; "
                    f"there are {name_some(whole)}. Correct --env (in Python env=) or KEDRO_ENV."
                )
            if default not in present:
                default = kwargs["default_run_env"] = base
        try:
            super().__init__(conf_source, env, *args, **kwargs)
        except Exception as err:
            files = _find_files(conf_source, GLOBALS, [base, env or default])
            text = "\n".join(filter(None, map(explain_file, files)))
            raise ClickException(clean_text(text or f"{conf_source}: {one_line(err)}.")) from err


def _list_environments(source: Path) -> set[str]:
    """Return the folders of a configuration, or of its archive; empty where they are not known."""
    if source.is_dir():
        return {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_dir()}
    names: list[str] = []
    if source.is_file() and tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            names = archive.getnames()
    elif source.is_file() and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as zipped:
            names = zipped.namelist()
    folders = (folder for name in names for folder in PurePosixPath(name).parents)
    return {"/".join(folder.parts[1:]) for folder in folders if len(folder.parts) > 1}


def list_files(loader: AbstractConfigLoader, key: str) -> list[Path]:
    """Return the files of a kind in the environments in use; none of an archive."""
    patterns = getattr(loader, "config_patterns", {}).get(key, ())
    names = (getattr(loader, "base_env", ""), loader.env or getattr(loader, "default_run_env", ""))
    return _find_files(str(loader.conf_source), patterns, names)


def _find_files(
    conf_source: str, patterns: Iterable[str], environments: Iterable[str | None]
) -> list[Path]:
    names = [name for name in dict.fromkeys(environments) if name]
    folders = [Path(conf_source) / name for name in names]
    paths = [path for folder in folders for pattern in patterns for path in folder.glob(pattern)]
    return [path for path in dict.fromkeys(paths) if path.suffix in (".yml", ".yaml", ".json")]


def explain_file(path: Path) -> str | None:
    """Say what is wrong with a YAML file, in one line that names the file.

    Returns:
        ``None`` if it can be read.
    """
    try:
        content = OmegaConf.load(path)
    except Exception as err:  # of YAML, OmegaConf, Unicode or the file
        reason = one_line(str(err).replace(f'"{path}", ', ""))
        return f"{path}: {reason}. Correct it."
    return None if OmegaConf.is_dict(content) else f"{path}: it must hold keys with values."
