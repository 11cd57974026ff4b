"""The time blocks that were seen on a machine, kept beside its description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rightfit.profiling.common_mode_error import (
    MIN_PROFILES,
    BlockEffects,
    CommonModeError,
    estimate_common_mode_error,
    find_block_effects,
)
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.measuring.presets import MeasuringSettings
from rightfit.profiling.measuring.settling import is_disturbed
from rightfit.profiling.measuring.state import MeasurementState, Store, load_record, save_record

KEY = "blocks-{environment_id}-"


class HostBlocks:
    """Time blocks seen on one machine, a document for the cells that were measured together.

    Those measured together anew replace their own.

    Args:
        store: Keeps them.
        environment_id: Fingerprint of machine and libraries.
    """

    def __init__(self, store: Store, environment_id: str) -> None:
        self._store = store
        self._prefix = KEY.format(environment_id=environment_id)
        self._known: CommonModeError | None = None  # as of the last look at the store

    def learn(
        self, cells: Iterable[str], states: Sequence[MeasurementState], settings: MeasuringSettings
    ) -> None:
        """Keep the blocks of profiles that were measured from begin to end in the same turns.

        Args:
            cells: Names of what they belong to.
            states: Their measurements.
            settings: Say which processes were disturbed; these do not count.
        """
        found = find_block_effects([_list_medians(state, settings) for state in states])
        if found is not None:
            save_record(self._store, self._prefix + fingerprint({"cells": sorted(cells)}), found)
        self._known = None

    def estimate(self, settings: MeasuringSettings, *, n_profiles: int) -> CommonModeError:
        """Return the common-mode error of this machine, from the blocks seen so far.

        Args:
            settings: Hold the error to assume before any were seen.
            n_profiles: Profiles that are measured in turns; the blocks of very few hardly part
                their processes, so that each counts as measured alone.
        """
        if self._known is None:
            keys = [key for key in self._store.keys() if key.startswith(self._prefix)]  # noqa: SIM118
            kept = [load_record(self._store, key, BlockEffects) for key in keys]
            self._known = estimate_common_mode_error(
                [one for one in kept if one is not None], settings.common_mode_error_pct
            )
        return self._known if n_profiles >= MIN_PROFILES else self._known.alone


def _list_medians(state: MeasurementState, settings: MeasuringSettings) -> list[float]:
    """Return the median latency of each process, NaN where it was disturbed."""
    rounds = state.rounds
    medians = [
        None if is_disturbed(one, rounds, settings) else one.percentiles_ns[0.5] for one in rounds
    ]
    return [math.nan if one is None or not one > 0 else one for one in medians]
