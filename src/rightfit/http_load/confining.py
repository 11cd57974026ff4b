"""Confine a server as a container is: a control group where one can be made, else its cores alone.

A control group (version 1 or 2) holds its processes to a share of CPU time and kills what exceeds
its memory, as Kubernetes does. Making one takes rights that a container or an ordinary user often
lacks. Then the server is bound to whole cores, and its peak of resident memory is compared with the
limit afterwards: RLIMIT_DATA would count what threads reserve and never touch, more than twice what
such a server holds.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rightfit.http_load.served import ServerPlace
from rightfit.profiling.worker.units import BYTES_PER_MIB

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000  # as Kubernetes sets it
REMOVE_S = 5.0
PREFIX = "rightfit-"


@dataclass(frozen=True)
class ContainerLimits:
    """Limits of one container."""

    cores: float
    memory_mib: float


@dataclass(frozen=True)
class Throttling:
    """How often a control group had used up its CPU time and stood still until the next period.

    Args:
        n_periods: Periods of :data:`PERIOD_US` in which it ran.
        n_throttled: Those in which it stood still.
        seconds: How long, in all.
    """

    n_periods: int
    n_throttled: int
    seconds: float

    def __sub__(self, before: Throttling) -> Throttling:
        """Return what came after an earlier reading."""
        return Throttling(
            self.n_periods - before.n_periods,
            self.n_throttled - before.n_throttled,
            self.seconds - before.seconds,
        )

    def __str__(self) -> str:
        if not self.n_throttled:
            return "never throttled"
        share = f"{self.n_throttled} of {self.n_periods} periods of {PERIOD_US // 1000} ms"
        return f"throttled in {share}, {self.seconds:.2f} s in all"


@contextlib.contextmanager
def confine(
    limits: ContainerLimits, cores: Sequence[int], *, root: Path = ROOT
) -> Iterator[ServerPlace]:
    """Make a place with these limits, and remove it at last.

    Where it has control groups, exceeding the memory ends what runs there; else the peak must be
    compared.
    """
    groups = _make_groups(limits, root)
    own = cores if groups else cores[: math.ceil(limits.cores)]
    try:
        yield ServerPlace(tuple(own), groups=groups)
    finally:
        for group in groups:
            _remove(group)


def read_throttling(groups: Sequence[Path]) -> Throttling:
    """Read how often control groups were throttled so far: never, where there is none."""
    found: dict[str, int] = {}
    for group in groups:
        with contextlib.suppress(OSError, ValueError):
            lines = (group / "cpu.stat").read_text(encoding="ascii").splitlines()
            found |= {name: int(value) for name, value in map(str.split, lines)}
    seconds = found.get("throttled_usec", 0) / 1e6 + found.get("throttled_time", 0) / 1e9
    return Throttling(found.get("nr_periods", 0), found.get("nr_throttled", 0), seconds)


def _make_groups(limits: ContainerLimits, root: Path) -> tuple[Path, ...]:
    """Make the control groups that hold the limits; none where that is not allowed."""
    quota = str(round(limits.cores * PERIOD_US))
    n_bytes = str(int(limits.memory_mib * BYTES_PER_MIB))
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    for cases in _list_cases(root, quota, n_bytes):
        made: list[Path] = []
        try:
            for parent, files in cases:
                for left in parent.glob(f"{PREFIX}*"):  # by trials that were killed
                    with contextlib.suppress(OSError):  # a process of another trial is in it
                        left.rmdir()
                group = parent / name
                group.mkdir()
                made.append(group)
                for file, value in files.items():
                    if not (group / file).exists():
                        raise FileNotFoundError(group / file)
                    (group / file).write_text(value, encoding="ascii")
        except OSError:
            for group in made:
                _remove(group)
        else:
            return tuple(made)
    return ()


def _list_cases(
    root: Path, quota: str, n_bytes: str
) -> Iterator[list[tuple[Path, dict[str, str]]]]:
    """Yield ways to hold the limits: groups to be made, by their parents, with their files."""
    own = _read_own_groups()
    if "" in own and (root / "cgroup.controllers").exists():
        here = root / own[""].lstrip("/")
        both = {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": n_bytes}
        for parent in (here, here.parent):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text("+cpu +memory", encoding="ascii")
            yield [(parent, both)]
    if "cpu" in own and "memory" in own:
        cpu = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": quota}
        yield [
            (root / "cpu" / own["cpu"].lstrip("/"), cpu),
            (root / "memory" / own["memory"].lstrip("/"), {"memory.limit_in_bytes": n_bytes}),
        ]


def _read_own_groups() -> dict[str, str]:
    """Return the control groups of this process by controller; version 2's has none."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _remove(group: Path) -> None:
    """Remove a group once its processes are gone."""
    until_s = time.monotonic() + REMOVE_S
    while group.exists():
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        if time.monotonic() > until_s:
            return
        time.sleep(0.05)
