"""The turns that were seen on a machine, kept beside its description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import MeasurementState, Store, load_record, save_record
from rightfit.profiling.measuring.stopping import is_disturbed
from rightfit.profiling.shared_error import (
    MIN_PROFILES,
    SharedError,
    TurnEffects,
    estimate_shared_error,
    find_turn_effects,
)

KEY = "turns-{environment_id}-"


class HostTurns:
    """Turns seen on one machine, one document per cell; a cell measured anew replaces its own.

    Args:
        store: Keeps them.
        environment_id: Fingerprint of machine and libraries.
    """

    def __init__(self, store: Store, environment_id: str) -> None:
        self._store = store
        self._prefix = KEY.format(environment_id=environment_id)
        self._shared: SharedError | None = None  # as of the last look at the store

    def learn(
        self, cells: Iterable[str], states: Sequence[MeasurementState], settings: MeasuringSettings
    ) -> None:
        """Keep the turns of profiles that were measured from begin to end in the same turns.

        Args:
            cells: Names of what they belong to.
            states: Their measurements.
            settings: Say which processes were disturbed; these do not count.
        """
        found = find_turn_effects([_list_medians(state, settings) for state in states])
        if found is not None:
            save_record(self._store, self._prefix + fingerprint({"cells": sorted(cells)}), found)
        self._shared = None

    def estimate(self, settings: MeasuringSettings, *, n_profiles: int) -> SharedError:
        """Return what processes share on this machine, from the turns seen so far.

        Args:
            settings: Hold the error to assume before any were seen.
            n_profiles: Profiles that are measured in turns; the turns of very few hardly part
                their processes, so that each counts as measured alone.
        """
        if self._shared is None:
            self._shared = estimate_shared_error(self._load(), settings.shared_error_pct)
        return self._shared if n_profiles >= MIN_PROFILES else self._shared.alone

    def _load(self) -> list[TurnEffects]:
        keys = [key for key in self._store.keys() if key.startswith(self._prefix)]  # noqa: SIM118
        kept = [load_record(self._store, key, TurnEffects) for key in keys]
        return [one for one in kept if one is not None]


def _list_medians(state: MeasurementState, settings: MeasuringSettings) -> list[float]:
    """Return the median latency of each process, NaN where it was disturbed."""
    rounds = state.rounds
    medians = [
        None if is_disturbed(one, rounds, settings) else one.percentiles_ns[0.5] for one in rounds
    ]
    return [math.nan if one is None or not one > 0 else one for one in medians]
