"""An exported folder that serves itself: a program, its libraries, a Dockerfile, and a check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rightfit.families.bundle_files import copy_replacing, write_replacing
from rightfit.request_path import usage
from rightfit.request_path.usage import TensorInput

SERVER_FILES = ("server.py", "connections.py", "requirements.txt", "Dockerfile")

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


def list_libraries(inputs: Sequence[TensorInput]) -> list[str]:
    """Name the libraries that an exported model needs."""
    decodes = any(one.image_shape is not None for one in inputs)
    return ["numpy", "onnxruntime", *(["pillow"] if decodes else [])]


def write_server(folder: Path, inputs: Sequence[TensorInput]) -> None:
    """Write ``SERVER_FILES`` into an exported folder."""
    for name in ("server.py", "connections.py"):
        copy_replacing(Path(__file__).with_name(name), folder / name)
    needed = [*(f"{name}=={version(name)}" for name in list_libraries(inputs)), *_CARRYING]
    write_replacing(folder / "requirements.txt", ("\n".join(needed) + "\n").encode())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_replacing(folder / "Dockerfile", _DOCKERFILE.format(python=python).encode())


def check_export(folder: Path) -> None:
    """Refuse a folder that is no export, or not as it was exported.

    Raises:
        ValueError: As :func:`rightfit.request_path.usage.read_export`.
        OSError: If a file cannot be read.
    """
    usage.read_export(folder, needed=[usage.PROFILE])
