from __future__ import annotations

import sys

import numpy as np
import pytest

from rightfit.profiling.memory import Memory, parse_status, read_memory, reset_peak

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")


def test_status_of_a_kernel_without_anonymous_memory_says_so() -> None:
    memory = parse_status("Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\n")

    assert memory == Memory(resident_mib=0.5, peak_mib=2.0, anonymous_mib=None)


@LINUX
def test_reset_forgets_an_earlier_peak_and_sees_the_next_one() -> None:
    block = np.ones(2**23)  # 64 MiB
    del block

    assert reset_peak()
    before = read_memory()
    block = np.ones(2**22)  # 32 MiB
    del block
    after = read_memory()

    assert before.peak_mib == pytest.approx(before.resident_mib, abs=1)
    assert after.peak_mib - before.resident_mib == pytest.approx(32, abs=1)
