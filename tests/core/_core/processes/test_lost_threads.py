from __future__ import annotations

import sys

import pytest
from harness.python_programs import run_python

PROGRAM = """
import os, signal
import polars as pl
import rightfit as rf
from rightfit._core.frames import read_frame

table = pl.DataFrame({"a": [1, 2, 3]})
if %s:
    table.lazy().group_by("a").len().collect()
if not os.fork():
    signal.alarm(300)
    try:
        read_frame(table, entry="table")
        print("read")
    except rf.RightfitError as err:
        print(str(err).partition(",")[0])
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists threads by name")
@pytest.mark.parametrize(
    ("has_computed", "said"),
    [(True, "This process was forked from one that had used polars"), (False, "read")],
)
def test_a_process_forked_after_polars_has_computed_says_so(has_computed: bool, said: str) -> None:
    done = run_python("-W", "ignore", "-c", PROGRAM % has_computed)

    assert said in done.stdout, done.stderr
