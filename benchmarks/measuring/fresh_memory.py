"""Peak memory of a process started from nothing: ``measuring.py`` runs it as a program.

It imports what a measuring worker does, opens one model, answers a row and a batch, and prints the
high-water mark of its resident memory in MiB.
"""

from __future__ import annotations

import importlib
import json
import sys

from rightfit.measuring.worker.meters.memory import read_memory
from rightfit.measuring.worker.process import (
    OPTIONAL_LIBRARIES,
    OWN_IMPORTS,
    HiddenLibraries,
    handle,
)
from rightfit.measuring.worker.protocol import RunOnceRequest


def main() -> None:
    """Run the model that the first argument describes as JSON."""
    described = json.loads(sys.argv[1])
    imports = described.pop("imports")
    needed = {name.partition(".")[0] for name in imports}
    HiddenLibraries(OPTIONAL_LIBRARIES - needed).install()
    for name in [*imports, *OWN_IMPORTS]:
        importlib.import_module(name)
    print(handle(RunOnceRequest(**described)), file=sys.stderr)
    print(read_memory().peak_mib)


if __name__ == "__main__":
    main()
