"""What an exported folder holds to serve itself: programs, what they need, a Dockerfile."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from rightfit.exporting.model_call import ModelCall
from rightfit.models.bundle_files import copy_replacing, write_replacing

PROGRAMS = ("server.py", "connections.py", "open_inference.py")

# What answers is pinned to what was measured; what carries the answer may be newer.
_CARRYING = ("starlette>=1", "uvicorn[standard]>=0.34,<1", "prometheus-client>=0.22")

_DOCKERFILE = """\
FROM python:{python}-slim
WORKDIR /model
ENV ORT_DISABLE_TELEMETRY=1
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY . .
USER nobody
EXPOSE 8000
CMD ["python", "server.py", "--host", "0.0.0.0"]
"""


def write_server(folder: Path, call: ModelCall) -> tuple[str, ...]:
    """Write what serves into an exported folder; return the names of the files."""
    for name in PROGRAMS:
        copy_replacing(Path(__file__).with_name(name), folder / name)
    needed = [*(f"{name}=={version(name)}" for name in call.libraries), *_CARRYING]
    write_replacing(folder / "requirements.txt", ("\n".join(needed) + "\n").encode())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_replacing(folder / "Dockerfile", _DOCKERFILE.format(python=python).encode())
    return (*PROGRAMS, "requirements.txt", "Dockerfile")
