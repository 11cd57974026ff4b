from __future__ import annotations

import os
from pathlib import Path

import pytest

from rightfit.measuring.worker.meters import disturbance
from rightfit.measuring.worker.meters.disturbance import (
    TICKS_PER_S,
    CoreTimes,
    delay_share,
    parse_stat,
)


def test_delay_share_is_unknown_without_statistics() -> None:
    assert delay_share(None, 5, 100) is None
    assert delay_share(5, None, 100) is None


def test_delay_share_is_never_negative() -> None:
    assert delay_share(50, 20, 100) == 0


def test_stat_counts_all_but_idle_and_waiting_as_busy() -> None:
    assert os.sysconf("SC_CLK_TCK") == TICKS_PER_S

    times = parse_stat("cpu  10 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1\n", wall_s=3.0)

    assert times == CoreTimes(3.0, busy_s=81 / TICKS_PER_S, steal_s=8 / TICKS_PER_S)


@pytest.mark.parametrize(
    ("groups", "file", "line"),
    [
        ("0::/user/job\n", "user/job/cpu.stat", "throttled_usec 1500"),  # version 2
        ("4:cpu,cpuacct:/job\n", "cpu/job/cpu.stat", "throttled_time 1500000"),  # version 1
        ("0::/elsewhere\n", None, None),
    ],
)
def test_throttled_time_is_that_of_the_own_control_group(
    groups: str,
    file: str | None,
    line: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    if file is not None:
        (tmp_path / "cgroup" / file).parent.mkdir(parents=True)
        (tmp_path / "cgroup" / file).write_text(f"nr_periods 3\n{line}\n")
    monkeypatch.setattr(disturbance, "PROC", tmp_path / "proc")
    monkeypatch.setattr(disturbance, "CGROUPS", tmp_path / "cgroup")
    disturbance._throttling_counter.cache_clear()

    throttled_ns = disturbance.read_throttled_ns()
    disturbance._throttling_counter.cache_clear()

    assert throttled_ns == (0 if file is None else 1_500_000)
