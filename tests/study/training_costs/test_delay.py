from __future__ import annotations

from pathlib import Path

import pytest

from rightfit_study.training_costs import delay
from rightfit_study.training_costs.delay import delay_share


def test_delay_share_is_unknown_without_statistics() -> None:
    assert delay_share(None, 5, 100) is None
    assert delay_share(5, None, 100) is None


def test_delay_share_is_never_negative() -> None:
    assert delay_share(50, 20, 100) == 0


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
    monkeypatch.setattr(delay, "PROC", tmp_path / "proc")
    monkeypatch.setattr(delay, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(delay, "_throttling_counter", delay._throttling_counter.__wrapped__)

    throttled_ns = delay.read_throttled_ns()

    assert throttled_ns == (0 if file is None else 1_500_000)
