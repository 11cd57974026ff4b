"""A bench for winners: each is loaded once, until the time is spent."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field

import polars as pl

from rightfit.http_load.curve import judge_curve
from rightfit.http_load.load_records import LatencyLimit, LoadCurve
from rightfit.http_load.winners import LoadSettings, load_winner
from rightfit.processes.codec import to_plain
from rightfit.profiling.hardware.environment import fingerprint
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.state import Store, load_record
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.serving.model_call import Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedWinner:
    """A winner with what is needed to serve it."""

    dataset: str
    candidate: RankedCandidate
    model: Model
    rows: pl.DataFrame

    def write_key(self, settings: LoadSettings, limit: LatencyLimit, environment_id: str) -> str:
        """Return a key of all that a load curve depends on."""
        encoder = dict(self.model.encoder)
        serving = self.candidate.serving
        content = [
            *(self.model.bundle.sha256, encoder, self.model.data_card.data_version),
            *(serving.runtime, serving.n_threads, serving.device),
            *(asdict(settings), asdict(limit), environment_id),
        ]
        return f"http-{fingerprint({'content': content})}"


@dataclass
class WinnerBench:
    """Loads winners one after the other.

    No further winner is begun after ``max_s``. Stored curves take no time.
    """

    settings: LoadSettings
    max_s: float
    store: Store
    environment_id: str
    spent_s: float = 0.0  # so far
    _known: dict[tuple[str, str, str], tuple[LoadCurve | None, str]] = field(default_factory=dict)

    def load(self, winner: ServedWinner, limit: LatencyLimit) -> tuple[LoadCurve | None, str]:
        """Return a winner's load curve, or ``None`` and the reason.

        A winner of several applications is loaded for the limit of the first of them.
        """
        place = (winner.dataset, winner.candidate.label, winner.model.bundle.sha256)
        if place not in self._known:
            self._known[place] = self._find(winner, limit)
        curve, reason = self._known[place]
        return None if curve is None else judge_curve(curve, limit), reason

    def _find(self, winner: ServedWinner, limit: LatencyLimit) -> tuple[LoadCurve | None, str]:
        key = winner.write_key(self.settings, limit, self.environment_id)
        curve = load_record(self.store, key, LoadCurve)
        if curve is not None:
            return curve, ""
        if self.spent_s >= self.max_s:
            return None, f"the {self.max_s:g} s for loading (http_load.max_s) were spent before"
        try:
            with machine_lock():
                curve = self._measure(winner, limit)
        except (ImportError, OSError, RuntimeError, ValueError) as err:
            logger.warning(
                "%s of %s is not loaded over HTTP: %s", winner.candidate.label, winner.dataset, err
            )
            return None, str(err)
        self.store.put(key, to_plain(curve))
        return curve, ""

    def _measure(self, winner: ServedWinner, limit: LatencyLimit) -> LoadCurve:
        started_s = time.monotonic()  # waiting for another timing does not count
        try:
            return load_winner(
                winner.candidate, winner.model, winner.rows, limit=limit, settings=self.settings
            )
        finally:
            self.spent_s += time.monotonic() - started_s
