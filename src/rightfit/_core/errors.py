"""Errors that a user can mend; anything else that is raised is a defect and keeps its traceback."""

import re
from collections.abc import Sequence


class RightfitError(ValueError):
    """Something that the caller can mend: a wrong argument, a model that does not fit its rows.

    The message says what is wrong, what was allowed, what arrived, and where to mend it.
    A full stop that follows the one of a quoted message is dropped.

    Args:
        key: The parameter that mends it, such as ``training.device``: a project knows in which file
            it stands.
    """

    key: str | None = None

    def __init__(self, *args: object, key: str | None = None) -> None:
        self.key = key or self.key
        super().__init__(*(re.sub(r"(?<=[^\s./])\.\.(?=\s|$)", ".", str(arg)) for arg in args))


class NothingStoredError(RightfitError):
    """A result that no run has written yet."""


class DamagedResultError(RightfitError):
    """A stored result that cannot be read."""


def raise_faults(faults: Sequence[str]) -> None:
    """Raise a RightfitError of all faults, if there are any."""
    if faults:
        raise RightfitError("; ".join(faults))
