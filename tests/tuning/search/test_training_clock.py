from __future__ import annotations

from pathlib import Path

import pytest

from rightfit.tuning.search import training_clock
from rightfit.tuning.search.fit_meter import FitMeter


def test_time_in_which_a_process_was_stopped_is_no_training_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_clock, "_open_files", [])
    file = tmp_path / "stops"
    training_clock.follow_stops(file)
    meter = FitMeter()

    with meter.training():
        sum(range(100_000))
        training_clock.note_stops(file, stopped_ns=3_600 * 10**9)
    fit_s = meter.read(n_steps=1)["fit_time_s"]

    assert fit_s is not None
    assert fit_s < -3_000  # no hour has passed: as much is left out as was noted
