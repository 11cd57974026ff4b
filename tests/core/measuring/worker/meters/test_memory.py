from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from rightfit.measuring.worker.meters.memory import (
    Memory,
    new_file_pages_mib,
    parse_status,
    read_file_pages,
    read_memory,
    reset_peak,
)

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")


def test_status_of_a_kernel_without_anonymous_memory_says_so() -> None:
    memory = parse_status("Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\n")

    assert memory == Memory(resident_mib=0.5, peak_mib=2.0, anonymous_mib=None)


@LINUX
def test_reset_forgets_an_earlier_peak_and_sees_the_next_one() -> None:
    touch_new_memory(mib=64)

    assert reset_peak()
    before = read_memory()
    touch_new_memory(mib=32)
    after = read_memory()

    assert before.peak_mib == pytest.approx(before.resident_mib, abs=1)
    assert after.peak_mib - before.resident_mib == pytest.approx(32, abs=1)


def touch_new_memory(mib: int) -> None:
    """Use memory fresh from the system: the allocator may hold as much from earlier tests."""
    with mmap.mmap(-1, mib * 2**20) as block:
        for start in range(0, len(block), mmap.PAGESIZE):
            block[start] = 1


@LINUX
def test_pages_of_a_file_count_once_they_are_touched(tmp_path: Path) -> None:
    path = tmp_path / "file.npy"
    np.save(path, np.ones(2**20))  # 8 MiB
    before = read_file_pages()

    mapped = np.load(path, mmap_mode="r")
    half = mapped[: 2**19].sum()
    touched = new_file_pages_mib(before, read_file_pages())
    known = new_file_pages_mib(read_file_pages(), read_file_pages())

    assert half == 2**19
    assert touched >= 4  # the kernel maps some pages around those that were read
    assert known == 0


def test_pages_that_cannot_be_read_count_as_none() -> None:
    assert new_file_pages_mib(None, {1: b"\1"}) == 0
