"""Parameters that a run is given beside the files, on a command line or in a request to a server.

``--params`` must set something that is read. On a command line the user owns the machine's files; a
request comes from whoever reaches the port: it may say how to rank. Where data lies, what is
measured and which code is imported stays with the person who started the server.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from kedro.config import AbstractConfigLoader

from rightfit.errors import RightfitError
from rightfit.kedro_project.files import (
    DATA_ROOT,
    REUSE_RESULTS,
    VERIFY_RESULTS,
    list_texts,
    load_configuration,
    make_loader,
)
from rightfit.parameters.defaults import BLOCKS, PROJECT_BLOCKS, find_misspelt_blocks
from rightfit.parameters.raw import RawParameters, find_values

logger = logging.getLogger(__name__)

REQUEST_BLOCKS = frozenset({"applications", "ranking"})  # that a request may set
DATA_ROOTS = "RIGHTFIT_DATA_ROOTS"  # roots that a request may name, separated as PATH is


def find_misspelt(given: RawParameters, own: RawParameters) -> list[str]:
    """Describe misspelt blocks of a run's parameters; warn of those in files."""
    faults = []
    for name, meant in find_misspelt_blocks(own).items():
        if name in given:
            faults.append(f"--params sets {name!r}, which nothing reads; did you mean {meant!r}?")
        else:
            logger.warning("Rightfit reads no parameter %r; did you mean %r?", name, meant)
    return faults


def find_wrong_switches(given: RawParameters) -> list[str]:
    """Describe parameters that turn something on or off, and are neither true nor false."""
    return [
        f"--params {name} must be true or false, but got {given[name]!r}."
        for name in (REUSE_RESULTS, VERIFY_RESULTS)
        if not isinstance(given.get(name), bool | None)
    ]


def find_unread(
    loader: AbstractConfigLoader, parameters: RawParameters, inputs: Collection[str]
) -> list[str]:
    """Describe parameters of a run that no node, file or block has.

    Returns:
        One line per parameter.
    """
    known = {*BLOCKS, *PROJECT_BLOCKS, DATA_ROOT, REUSE_RESULTS, VERIFY_RESULTS}
    names = [str(name) for name in loader.runtime_params or {} if name not in known]
    if not names:
        return []
    files = make_loader(Path(str(loader.conf_source)), env=loader.env)
    in_files = load_configuration(files, "parameters")
    texts = list(list_texts(loader))
    return [
        f"--params sets {name!r}, which nothing reads{_hint(name, parameters)}"
        for name in names
        if not name
        or (
            name not in in_files and not any(f"params:{name}" in text for text in (*texts, *inputs))
        )
    ]


def _hint(name: str, parameters: RawParameters) -> str:
    others = [block for block in parameters if block not in {*BLOCKS, *PROJECT_BLOCKS}]
    places = [
        place
        for block in (*BLOCKS, *others)
        for place, _ in find_values(parameters[block], [name], block)
    ]
    return f"; did you mean {' or '.join(places[:3])}?" if places else "."


def is_served() -> bool:
    """Tell whether this process is Kedro's HTTP server: nothing else imports its module."""
    return "kedro.server.http_server" in sys.modules


def check_served(parameters: RawParameters, environment: Mapping[str, str]) -> None:
    """Refuse a request that sets more than a request may.

    Raises:
        ValueError: Naming every parameter that is not allowed.

    >>> check_served({"applications": {}}, {})
    """
    roots = [root for root in environment.get(DATA_ROOTS, "").split(os.pathsep) if root]
    refused = sorted(
        name
        for name, value in parameters.items()
        if name not in REQUEST_BLOCKS and not (name == "data_root" and value in roots)
    )
    if refused:
        raise RightfitError(
            f"A request to the server may not set {refused}; it may set "
            f"{sorted(REQUEST_BLOCKS)}, and data_root to one of {roots}. The person who "
            f"starts the server allows roots with the environment variable {DATA_ROOTS}; all else "
            "belongs in conf/."
        )
