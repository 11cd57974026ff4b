"""Arguments of calls from Python: a wrong type or an impossible path is one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import UnionType

from rightfit._core.errors import RightfitError


def require_type(argument: str, value: object, kind: type | UnionType) -> None:
    """Refuse a value of another type.

    Raises:
        RightfitError: If it is of another type.

    >>> require_type("trust", True, bool)
    """
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else kind
        raise RightfitError(f"{argument} must be of type {wanted}, but got {value!r:.80}.")


def read_path(argument: str, value: object) -> Path:
    """Return an argument as a path.

    Raises:
        RightfitError: If it is none, or no file can have such a name.
    """
    require_type(argument, value, str | Path)
    if value == "":  # which pathlib takes for the working directory
        raise RightfitError(f"{argument} must name a file or folder, but is empty.")
    try:
        path = Path(value)  # type: ignore[arg-type]
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as err:  # too long, a circle of links, a NUL, half a letter
        raise RightfitError(f"{argument}: {value!r:.80} cannot be a path: {err!s:.80}.") from err
    return path


@contextmanager
def writing_to(argument: str, value: object) -> Iterator[Path]:
    """Yield an argument as a path; what the system refuses to write there is one clear error.

    Raises:
        RightfitError: As of :func:`read_path`, or if nothing can be written there.
    """
    path = read_path(argument, value)
    try:
        yield path
    except OSError as err:
        reason = err.strerror or err
        raise RightfitError(f"{argument}: {path} cannot be written: {reason}.") from err
