"""Figures from another machine, checked as strictly as parameters: a ranking will believe them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from rightfit.profiling.hardware.environment import Environment
from rightfit.profiling.measuring.state import PERCENTILES, MeasurementState
from rightfit.strict_model import MAX_BATCH_SIZE, MAX_MS

MAX_MIB = 1e9
MAX_CORES = 100_000
MAX_COUNT = 10**12
NS_PER_MS = 1_000_000


class Bounds(NamedTuple):
    """Values that a figure may have; of an open one, the lower end is none of them."""

    low: float
    high: float
    is_open: bool = False

    def allow(self, value: float) -> bool:
        """Tell whether a value is one of them; NaN is not."""
        return self.low <= value <= self.high and not (self.is_open and value == self.low)

    def __str__(self) -> str:
        return f"{'above' if self.is_open else 'from'} {self.low:g} to {self.high:g}"


_GROWTH = Bounds(-64, MAX_MIB)  # of resident memory: freeing may outweigh what loading takes
_BY_NAME: Mapping[str, Bounds] = {
    "Environment.n_cores": Bounds(1, MAX_CORES),
    "LoadPhase.memory_mib": _GROWTH,
    "StreamPhase.n_calls": Bounds(1, MAX_COUNT),
    "BatchPhase.n_calls": Bounds(1, MAX_COUNT),
    "batch_size": Bounds(1, MAX_BATCH_SIZE),
    "busy_cores": Bounds(0, MAX_CORES),
    "cores": Bounds(0, MAX_CORES),
    "cpu_ms": Bounds(0, MAX_MS),  # the clock of a process may not have ticked
    "delay_share": Bounds(0, 100_000),  # over 1 where several threads wait
    "error": Bounds(0, 1_000),
    "files_mib": _GROWTH,
    "longest_call_ms": Bounds(0, MAX_MS),
    "ms": Bounds(0, MAX_MS),
    "overhead_ns": Bounds(0, MAX_MS * NS_PER_MS),
    "peak_memory_mib": _GROWTH,
    "steal_share": Bounds(0, MAX_CORES),
    "utilisation": Bounds(0, 1_000),
}
_BY_UNIT: Mapping[str, Bounds] = {
    "_ns": Bounds(0, MAX_MS * NS_PER_MS, is_open=True),
    "_ms": Bounds(0, MAX_MS, is_open=True),
    "_mib": Bounds(0, MAX_MIB, is_open=True),
    "_per_s": Bounds(0, 1e15, is_open=True),
    "_pct": Bounds(0, 100),
    "_share": Bounds(0, 1),
    "_j": Bounds(0, 1e12),
}
_COUNT = Bounds(0, MAX_COUNT)


def find_faults(environment: Environment, states: Mapping[str, MeasurementState]) -> Iterator[str]:
    """Describe what no machine can have found.

    Yields:
        One line per fault, with the place of the figure.
    """
    yield from _check_figures(environment, "environment")
    for key, state in states.items():
        yield from _check_figures(state, f"states.{key}")
        yield from _check_rounds(state, f"states.{key}")


def _check_figures(record: object, place: str) -> Iterator[str]:
    """Check the numbers of a dataclass, and of all that it holds."""
    for field in fields(record):  # type: ignore[arg-type]
        for where, value in _unfold(getattr(record, field.name), f"{place}.{field.name}"):
            if is_dataclass(value):
                yield from _check_figures(value, where)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                bounds = _find_bounds(type(record).__name__, field.name)
                if not bounds.allow(value):
                    yield f"{where} must be {bounds}, but got {value!r}"


def _unfold(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, tuple):
        yield from ((f"{place}.{i}", item) for i, item in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f"{place}.{key}", item) for key, item in value.items())
    else:
        yield place, value


def _find_bounds(record: str, name: str) -> Bounds:
    named = _BY_NAME.get(f"{record}.{name}") or _BY_NAME.get(name)
    units = (bounds for unit, bounds in _BY_UNIT.items() if name.endswith(unit))
    return named or next(units, _COUNT)


def _check_rounds(state: MeasurementState, place: str) -> Iterator[str]:
    if state.error is None and not state.rounds:
        yield f"{place}.rounds must hold a round where there is no error"
    if state.limits:
        yield f"{place}.limits must be empty: no tier of the ladder is tried on another machine"
    for number, one in enumerate(state.rounds):
        where = f"{place}.rounds.{number}"
        sizes = [batch.batch_size for batch in one.batches]
        if not sizes or sizes != sorted(set(sizes)):
            yield f"{where}.batches must hold rising batch sizes, but got {sizes}"
        if set(one.percentiles_ns) != set(PERCENTILES):
            yield f"{where}.percentiles_ns must be those of {list(PERCENTILES)}"
        known = [one.percentiles_ns.get(share) for share in PERCENTILES]
        values = [value for value in known if value is not None]
        if values != sorted(values):
            yield f"{where}.percentiles_ns must not fall, but got {values}"
