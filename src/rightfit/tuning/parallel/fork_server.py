"""The fork server of searches and refits: ``python -m rightfit.tuning.parallel.fork_server``.

It imports the libraries of the families that it is given, one after the other while nobody asks for
a process. Processes of a family need not wait for the libraries of the others.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys

from rightfit.families.registry import get_family
from rightfit.processes.fork_server import SERVER_KINDS, connect_to_parent, serve_forks
from rightfit.processes.lifeline import end_with_parent
from rightfit.tuning.parallel.member import work
from rightfit.tuning.parallel.messages import KINDS
from rightfit.tuning.studies.study_store import load_database_libraries


def main() -> None:
    """Fork until the parent closes its end."""
    end_with_parent(int(sys.argv[1]))
    load_database_libraries()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: nobody asks how a process ended
    control, families = connect_to_parent(SERVER_KINDS)
    serve_forks(control, work, KINDS, keys=families, load=_load)


def _load(family: str) -> None:
    """Import what a family trains and exports with."""
    with contextlib.suppress(Exception):  # whoever searches it meets the error again
        loaded = get_family(family)
        loaded.load_libraries()
        if hasattr(loaded, "load_exporter"):
            loaded.load_exporter()
    gc.collect()
    gc.freeze()  # what was imported need not be looked through in each process again


if __name__ == "__main__":
    main()
