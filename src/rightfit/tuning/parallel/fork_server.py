"""A process that has imported what searches need, and forks a process for each search.

``python -m rightfit.tuning.parallel.fork_server PARENT DESCRIPTOR FAMILY…``: for each byte that
arrives at the descriptor, the position of a family, a socket arrives with it, and a forked process
talks over that. Imports take seconds, a fork some hundredths of one, and forks share the memory of
what was imported. Processes of a family need not wait for the libraries of the others.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys

from rightfit.families.registry import get_family
from rightfit.processes.lifeline import end_with_parent
from rightfit.tuning.parallel.member import work
from rightfit.tuning.studies.study_store import load_database_libraries


def main() -> None:
    """Fork until the parent closes its end; import what is not asked for yet while nobody asks."""
    parent, descriptor, *families = sys.argv[1:]
    end_with_parent(int(parent))
    os.dup2(2, 1)  # families may print
    load_database_libraries()
    control = socket.socket(fileno=int(descriptor))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    missing = dict(enumerate(families))
    while True:
        if missing and not select.select([control], [], [], 0)[0]:
            _load(missing.pop(min(missing)))
            continue
        asked, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not asked:
            return
        if asked[0] in missing:
            _load(missing.pop(asked[0]))
        server = os.getpid()
        if os.fork() == 0:
            _be_member(server, control, descriptors[0])
        os.close(descriptors[0])


def _load(family: str) -> None:
    """Import what a family trains and exports with."""
    with contextlib.suppress(Exception):  # whoever searches it meets the error again
        loaded = get_family(family)
        loaded.load_libraries()
        if hasattr(loaded, "load_exporter"):
            loaded.load_exporter()
    gc.collect()
    gc.freeze()  # what was imported need not be looked through in each process again


def _be_member(server: int, control: socket.socket, descriptor: int) -> None:
    """Work on a search in a process and a process group of its own."""
    status = 1
    try:
        os.setpgid(0, 0)  # it is stopped and continued with all that it has started
        end_with_parent(server)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        status = work(socket.socket(fileno=descriptor))
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
