"""Signs of life of the workers that share a search on several hosts."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import threading
import time
from collections.abc import Iterator

import optuna

from rightfit.tuning.studies.study_store import StudyStore

logger = logging.getLogger(__name__)


class Heartbeat:
    """Signs of life in a shared database: gives a worker's own, and knows who gives none.

    It has a storage of its own: Optuna warns when one with a heartbeat is asked for trials, and a
    sign of life can't wait for a transaction of the search's.

    Args:
        store: Where the search is kept.
        study_name: Name of the search.
    """

    def __init__(self, store: StudyStore, study_name: str) -> None:
        self._store = store
        self._interval_s = store.heartbeat_s or 0
        self._storage = store.open(with_heartbeat=True)
        self._study = optuna.load_study(study_name=study_name, storage=self._storage)
        self._study_id = self._storage.get_study_id_from_name(study_name)
        self._checked_s = -math.inf

    def find_silent(self) -> set[int]:
        """Return the numbers of the running trials that have given no sign of life for too long.

        A paused trial gives none either.
        """
        now_s = time.monotonic()
        if now_s - self._checked_s < self._interval_s:
            return set()
        self._checked_s = now_s
        stale = self._storage._get_stale_trial_ids(self._study_id)
        return {self._storage.get_trial_number_from_id(trial_id) for trial_id in stale}

    def record_first(self, number: int) -> None:
        """Give a trial's first sign of life, in the transaction that makes its record."""
        storage = self._store.open()
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        storage.record_heartbeat(trial_id)

    @contextlib.contextmanager
    def recording(self, number: int) -> Iterator[None]:
        """Give the further signs of life of a trial."""
        storage = self._storage
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(self._interval_s):
                try:
                    trial_id = storage.get_trial_id_from_study_id_trial_number(
                        self._study_id, number
                    )
                    storage.record_heartbeat(trial_id)
                except Exception as err:  # the database may come back
                    logger.warning("no sign of life of trial %d: %s", number, err)
            storage.remove_session()  # this thread's connection

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@functools.cache
def find_heartbeat(store: StudyStore, study_name: str) -> Heartbeat:
    """Return this process' heartbeat for a search."""
    return Heartbeat(store, study_name)
