"""Which parameters a request to Kedro's HTTP server may set.

On a command line the user owns the machine's files; a request comes from whoever reaches the port.
It may say how to rank. Where data lies, what is measured and which code is imported stays with the
person who started the server.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from rightfit.errors import RightfitError
from rightfit.parameters.raw import RawParameters

BLOCKS = frozenset({"applications", "ranking"})
DATA_ROOTS = "RIGHTFIT_DATA_ROOTS"  # roots that a request may name, separated as PATH is


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
        if name not in BLOCKS and not (name == "data_root" and value in roots)
    )
    if refused:
        raise RightfitError(
            f"A request to the server may not set {refused}; it may set {sorted(BLOCKS)}, and "
            f"data_root to one of {roots}. The person who starts the server allows roots with the "
            f"environment variable {DATA_ROOTS}; all else belongs in conf/."
        )
